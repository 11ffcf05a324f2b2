/** gzip and zstd undone while reading: files of real tools in pieces of any size, and every way they break. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { InputError, TransientError } from "../../lib/base/errors.ts";
import { decompress } from "../../lib/rows/compression.ts";
import type { Compression } from "../../lib/rows/detect.ts";
import { seededNumbers } from "../support/ensembles.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const text = Array.from(
  { length: 40_000 },
  (_, row) => `{"player":${row},"spend":${row * 7 % 1000}}\n`,
).join("");

function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Returns bytes as a stream of pieces. */
function streamOf(
  bytes: Uint8Array,
  pieceBytes: number,
): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + pieceBytes));
      at += pieceBytes;
    },
  });
}

async function undo(
  bytes: Uint8Array,
  { compression, pieceBytes = 1000 }: {
    compression: Compression;
    pieceBytes?: number;
  },
): Promise<string> {
  const source = streamOf(bytes, pieceBytes);
  const stream = decompress(source, { compression, file: "week.jsonl.gz" });
  return await new Response(stream).text();
}

const compressors: Record<Compression, (bytes: Uint8Array) => Uint8Array> = {
  gzip: (bytes) => gzipSync(bytes),
  zstd: (bytes) => zstdCompressSync(bytes),
};

/** What the command-line tool makes of the text; undefined where it is not installed. */
async function runTool(
  program: string,
  args: readonly string[],
): Promise<Uint8Array | undefined> {
  try {
    const child = new Deno.Command(program, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writing = new Blob([text]).stream().pipeTo(child.stdin);
    const { stdout } = await child.output();
    await writing;
    return stdout;
  } catch {
    return undefined;
  }
}

for (const [name, compress] of Object.entries(compressors)) {
  const compression = name as Compression;

  Deno.test(`decompress() reads ${name} in pieces of any size, of one part or several`, async () => {
    const one = compress(encode(text));
    for (const pieceBytes of [1, 7, 4096, one.length]) {
      strictEqual(await undo(one, { compression, pieceBytes }), text);
    }
    const parts = ["", text.slice(0, 5), text.slice(5, 9000), text.slice(9000)]
      .map((part) => compress(encode(part)));
    for (const pieceBytes of [13, 100_000]) {
      const several = concat(...parts);
      strictEqual(await undo(several, { compression, pieceBytes }), text);
    }
  });

  if (compression === "zstd") {
    Deno.test("decompress() skips the frames of zstd that hold no data", async () => {
      const skipped = Uint8Array.from(
        [0x5a, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4],
      );
      const good = compress(encode(text));
      const bytes = concat(skipped, good, skipped, good, skipped);
      for (const pieceBytes of [5, 1_000_000]) {
        strictEqual(
          await undo(bytes, { compression, pieceBytes }),
          text + text,
        );
      }
    });
  }

  Deno.test(`decompress() reads what the ${name} program writes`, async () => {
    const options = compression === "gzip"
      ? [["-1"], ["-9"]]
      : [["-1"], ["-19"], ["--no-check"], ["--long=27"], ["-T2", "-B100000"]];
    for (const args of options) {
      const bytes = await runTool(name, [...args, "-c"]);
      if (bytes) strictEqual(await undo(bytes, { compression }), text);
    }
  });

  Deno.test(`decompress() refuses damaged ${name} and names the file`, async () => {
    const good = compress(encode(text));
    const refused = {
      name: "InputError",
      message: /week\.jsonl\.gz: .*damaged/,
    };
    const lengths = [1, 3, 5, 9, 12, good.length >> 1, good.length - 1];
    for (const length of lengths) {
      const short = good.subarray(0, length);
      for (const bytes of [short, concat(good, short)]) {
        await rejects(undo(bytes, { compression }), refused, `${length}`);
      }
    }
    for (
      const rest of ["x", "trailing bytes that are long", "\u0001\0\0\0\0"]
    ) {
      for (const pieceBytes of [7, 1_000_000]) {
        const bytes = concat(good, encode(rest));
        await rejects(undo(bytes, { compression, pieceBytes }), refused);
      }
    }
    const random = seededNumbers(7);
    let changed = 0;
    for (let round = 0; round < 100; round++) {
      const bytes = Uint8Array.from(good);
      bytes[Math.floor(random() * bytes.length)]! ^= 1 <<
        Math.floor(random() * 8);
      try {
        // A bit of a header that nobody reads, such as gzip's time.
        if (await undo(bytes, { compression }) !== text) changed++;
      } catch (error) {
        ok(error instanceof InputError, String(error));
      }
    }
    // Without a checksum a changed bit of zstd cannot be told; node:zlib writes none.
    if (compression === "gzip") strictEqual(changed, 0);
  });

  Deno.test(`decompress() refuses ${name} inside of another compression`, async () => {
    for (const inner of Object.values(compressors)) {
      const twice = compress(inner(encode(text)));
      await rejects(undo(twice, { compression }), /compressed twice/);
    }
  });

  Deno.test(`decompress() of ${name} passes on the errors of its source, and cancels it`, async () => {
    const bytes = compress(encode(text));
    const failing = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(bytes.slice(0, 500)),
      pull: (controller) =>
        controller.error(new TransientError("S3 is unavailable")),
    });
    await rejects(
      new Response(decompress(failing, { compression, file: "x" })).text(),
      { name: "TransientError", message: "S3 is unavailable" },
    );
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(bytes.slice()),
      cancel: () => void (cancelled = true),
    });
    const reader = decompress(endless, { compression, file: "x" }).getReader();
    ok((await reader.read()).value);
    await reader.cancel();
    deepStrictEqual(cancelled, true);
  });
}
