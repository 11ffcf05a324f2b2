/** Files that are larger than memory should be: read by ranges, written in parts. */
import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { BufferPool } from "../../lib/rows/blocks.ts";
import { openRowFile } from "../../lib/rows/row-file.ts";
import { sha256 } from "../../lib/base/digest.ts";
import { TransientError } from "../../lib/base/errors.ts";
import { openLocal } from "../../lib/storage/local.ts";
import { openS3 } from "../../lib/storage/s3.ts";
import type { ArtifactStore, StoredFile } from "../../lib/storage/store.ts";
import {
  getObject,
  makeBucket,
  putObject,
  uploadParts,
} from "../support/aws.ts";
import { pathsOf } from "../support/listing.ts";
import { setEnvironment } from "../support/environment.ts";
import { testWithPython } from "../support/python.ts";
import { startMoto, tempFolder } from "../support/servers.ts";

/** 20 MiB and some bytes: more than one range, and the last one is short. */
const large = Uint8Array.from(
  { length: (20 << 20) + 12_345 },
  (_, index) => (index * 2_654_435_761) >>> 24,
);

async function readAll(file: StoredFile): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const bytes of file.stream()) parts.push(bytes.slice());
  return await new Blob(parts).bytes();
}

/** 20 MB of JSON Lines of random digits: more than one range, also compressed. */
const rows = new TextEncoder().encode(
  Array.from(
    { length: 20_000 },
    (_, row) =>
      `{"player_id":"${row}","x":"${
        crypto.getRandomValues(new Uint8Array(480)).toHex()
      }"}\n`,
  ).join(""),
);

/** Returns the digest of the rows that the blocks of a file hold, together. */
async function digestOfBlocks(
  store: ArtifactStore,
  path: string,
): Promise<string> {
  await using source = await store.open(path);
  await using temporary = await tempFolder();
  await using file = await openRowFile(source!, { temporary: temporary.path });
  const pool = new BufferPool();
  const hash = createHash("sha256");
  for await (const block of file.blocks(pool)) {
    if (!("buffer" in block)) throw new TypeError("expected a block of lines");
    hash.update(block.buffer.subarray(block.start, block.end));
    pool.give(block.buffer);
  }
  return hash.digest("hex");
}

/** Reads the first piece, lets something happen, and reads on. */
async function readAcross(
  file: StoredFile,
  happen: () => Promise<void>,
): Promise<void> {
  let pieces = 0;
  for await (const _ of file.stream()) if (++pieces === 1) await happen();
}

async function checkReads(store: ArtifactStore, path: string): Promise<void> {
  await using file = await store.open(path);
  strictEqual(file?.size, large.length);
  strictEqual(sha256(await readAll(file)), sha256(large));
  strictEqual(sha256(await readAll(file)), sha256(large)); // again from the start
  for (
    const [start, end] of [[0, 10], [8 << 20, (8 << 20) + 7], [
      large.length - 3,
      large.length + 9,
    ]]
  ) {
    deepStrictEqual(await file.read(start!, end!), large.slice(start, end));
  }
}

async function checkWrites(
  store: ArtifactStore,
  find: (path: string) => Promise<Uint8Array | undefined>,
): Promise<void> {
  for (
    const [path, size] of [["small", 10], ["empty", 0], [
      "large",
      large.length,
    ]] as const
  ) {
    await using writer = await store.create(`out/${path}`);
    const piece = new Uint8Array(1 << 20);
    for (let at = 0; at < size; at += piece.length) {
      const bytes = large.subarray(at, Math.min(size, at + piece.length));
      piece.set(bytes);
      await writer.write(piece.subarray(0, bytes.length)); // the memory is used again
    }
    strictEqual(
      await find(`out/${path}`),
      undefined,
      "seen before it is finished",
    );
    await writer.finish();
    strictEqual(
      sha256((await find(`out/${path}`))!),
      sha256(large.subarray(0, size)),
    );
  }
  {
    await using writer = await store.create("out/small");
    await writer.write(large);
  }
  strictEqual(
    (await find("out/small"))?.length,
    10,
    "an unfinished file replaced another",
  );
}

Deno.test("openLocal() reads and writes large files piece by piece", async () => {
  await using folder = await tempFolder();
  const store = openLocal(folder.path);
  await store.write("in/large", large);
  await checkReads(store, "in/large");
  await checkWrites(store, (path) => store.find(path));
  deepStrictEqual(pathsOf(await store.list("out")), [
    "out/empty",
    "out/large",
    "out/small",
  ]);

  await using changed = await store.open("in/large");
  await rejects(
    readAcross(
      changed!,
      () => Deno.writeFile(`${folder.path}/in/large`, large.subarray(9)),
    ),
    (error) =>
      error instanceof TransientError &&
      /it changed while it was being read/.test(error.message),
  );
});

testWithPython(
  "openS3() reads large objects by ranges of one version, and writes them in parts",
  async () => {
    await using moto = await startMoto();
    await makeBucket(moto, "weeks");
    using _env = setEnvironment({
      AWS_ACCESS_KEY_ID: "x",
      AWS_SECRET_ACCESS_KEY: "x",
    });
    const store = openS3("s3://weeks", {
      region: "us-east-1",
      endpoint: moto.endpoint,
    });
    await putObject(moto, "weeks/in/large", large);
    await uploadParts(moto, "weeks/in/parts", [
      large.slice(0, 9 << 20),
      large.slice(9 << 20, 15 << 20),
      large.slice(15 << 20),
    ]);
    await checkReads(store, "in/large");
    await checkReads(store, "in/parts");
    await checkWrites(store, async (path) => await store.find(path));
    const uploads = await fetch(`${moto.endpoint}/weeks?uploads`);
    strictEqual(
      /<UploadId>/.test(await uploads.text()),
      false,
      "an upload was left behind",
    );
    strictEqual(
      sha256(await getObject(moto, "weeks/out/large")),
      sha256(large),
    );

    await putObject(moto, "weeks/in/rows", rows);
    await putObject(moto, "weeks/in/rows.gz", new Uint8Array(gzipSync(rows)));
    strictEqual(await digestOfBlocks(store, "in/rows"), sha256(rows));
    strictEqual(await digestOfBlocks(store, "in/rows.gz"), sha256(rows));

    await using replaced = await store.open("in/large");
    await rejects(
      readAcross(
        replaced!,
        () => putObject(moto, "weeks/in/large", large.slice(1)),
      ),
      (error) =>
        error instanceof TransientError &&
        /replaced or deleted while it was read/.test(error.message),
    );
    strictEqual(await store.open("in/absent"), undefined);
  },
);
