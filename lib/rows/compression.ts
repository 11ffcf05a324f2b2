/** Undoes gzip and zstd while a file is read. */
import type { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { InputError, messageOf } from "../base/errors.ts";
import { type Compression, detectCompression } from "./detect.ts";
import { ZstdFrames } from "./zstd-frames.ts";

/** Bytes of one piece of the result. */
const chunkSize = 2 ** 17;

/**
 * Returns the decompressed bytes of a stream. Several members of gzip or frames of
 * zstd, one after the other, are one file. Cancelling the result cancels the source,
 * and an error of the source is passed on.
 *
 * @param source The compressed bytes.
 * @param options `compression` of the source; `file`: the name of the file in errors.
 * @throws {InputError} While reading: if the bytes are damaged or end too early, other bytes follow them, or what they hold is compressed again.
 */
export function decompress(
  source: ReadableStream<Uint8Array>,
  { compression, file }: { compression: Compression; file: string },
): ReadableStream<Uint8Array> {
  const output = compression === "gzip"
    ? transformed(source, {
      transform: createGunzip({ chunkSize }),
      damaged: (reason) => damagedBy(reason, { compression, file }),
    })
    : unzstd(source, file);
  return ReadableStream.from(checked(output, file));
}

function damagedBy(
  reason: string,
  { compression, file }: { compression: Compression; file: string },
): InputError {
  return new InputError(
    `Cannot read ${file}: its ${compression} compression is damaged (${reason}); copy the file again`,
  );
}

/** Refuses bytes that are compressed again. */
async function* checked(
  output: AsyncIterable<Uint8Array>,
  file: string,
): AsyncGenerator<Uint8Array> {
  let isFirst = true;
  for await (const bytes of output) {
    if (isFirst && detectCompression(bytes) !== undefined) {
      throw new InputError(
        `Cannot read ${file}: it was compressed twice; undo one compression`,
      );
    }
    isFirst = false;
    yield bytes;
  }
}

/** Decompresses frame by frame: Deno 2.9's decompressor fails where one write holds the end of a frame and the next one. */
async function* unzstd(
  source: ReadableStream<Uint8Array>,
  file: string,
): AsyncGenerator<Uint8Array> {
  const damaged = (reason: string) =>
    damagedBy(reason, { compression: "zstd", file });
  const frames = new ZstdFrames();
  const pieces = source[Symbol.asyncIterator]();
  let bytes: Uint8Array = new Uint8Array();
  let isDone = false;

  const readMore = async () => {
    while (bytes.length === 0 && !isDone) {
      const { value, done } = await pieces.next();
      if (done) isDone = true;
      else bytes = value;
    }
    return !isDone;
  };
  const readFrame = async function* () {
    do {
      const count = frames.add(bytes);
      if (frames.fault !== undefined) throw damaged(frames.fault);
      yield bytes.subarray(0, count);
      bytes = bytes.subarray(count);
      if (frames.isBetween) return;
    } while (await readMore());
    throw damaged("unexpected end of file");
  };

  try {
    while (await readMore()) {
      const transform = createZstdDecompress({ chunkSize });
      yield* transformed(readFrame(), { transform, damaged });
    }
  } finally {
    await pieces.return?.();
  }
}

/** Passes bytes through a transform, at the pace of who reads them. */
async function* transformed(
  source: AsyncIterable<Uint8Array>,
  { transform, damaged }: {
    transform: Transform;
    damaged: (reason: string) => InputError;
  },
): AsyncGenerator<Uint8Array> {
  let failure: { readonly error: unknown } | undefined;
  const watched = async function* () {
    try {
      yield* source;
    } catch (error) {
      failure = { error };
      throw error;
    }
  };
  const feeding = pipeline(watched, transform).catch(() => {});
  try {
    for await (const chunk of transform) {
      const bytes: Uint8Array = chunk;
      yield bytes;
    }
  } catch (error) {
    await feeding;
    throw failure ? failure.error : damaged(messageOf(error));
  } finally {
    transform.destroy();
    await feeding;
  }
}
