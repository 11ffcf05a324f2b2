/** Undoes gzip and zstd while a file is read. */
import type { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { InputError, messageOf } from "../base/errors.ts";
import { type Compression, detectCompression } from "./detect.ts";

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
  const frames = new ZstdFrames(damaged);
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

/** Follows the frames of zstd (RFC 8878) in bytes that arrive in pieces, because `node:zlib` reports neither an incomplete frame nor what follows the last one. */
class ZstdFrames {
  /** True at the end of a frame, and before the first one. */
  isBetween = true;
  readonly #damaged: (reason: string) => InputError;
  readonly #frames = this.#read();
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;

  /** @param damaged Returns the error for bytes that are no frame. */
  constructor(damaged: (reason: string) => InputError) {
    this.#damaged = damaged;
  }

  /** Adds the next bytes, at most to the end of a frame. Returns how many were taken. */
  add(bytes: Uint8Array): number {
    this.#bytes = bytes;
    this.#at = 0;
    this.#frames.next();
    return this.#at;
  }

  /** Yields at the end of each frame, and where it needs more bytes. */
  *#read(): Generator<void, never> {
    for (let count = 0;; count++) {
      const magic = yield* this.#number(4);
      if (magic === 0xfd2fb528) yield* this.#skipFrame();
      else if (Math.floor(magic / 16) === 0x184d2a5) {
        yield* this.#skip(yield* this.#number(4));
      } else {
        throw this.#damaged(
          count > 0
            ? "other bytes follow its end"
            : "it does not begin with a frame",
        );
      }
      this.isBetween = true;
      yield;
    }
  }

  *#skipFrame(): Generator<void, void> {
    const descriptor = yield* this.#number(1);
    const isSingle = (descriptor & 0x20) !== 0;
    const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
    const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
    yield* this.#skip((isSingle ? 0 : 1) + dictionaryBytes + sizeBytes);
    for (let isLast = false; !isLast;) {
      const block = yield* this.#number(3);
      isLast = (block & 1) === 1;
      const type = block >> 1 & 3;
      if (type === 3) throw this.#damaged("a block of an unknown type");
      // A block of one repeated byte has only that byte.
      yield* this.#skip(type === 1 ? 1 : block >> 3);
    }
    if ((descriptor & 4) !== 0) yield* this.#skip(4); // the checksum
  }

  /** Returns the next bytes as a little-endian number. */
  *#number(length: number): Generator<void, number> {
    let value = 0;
    for (let index = 0; index < length; index++) {
      while (this.#at === this.#bytes.length) yield;
      this.isBetween = false;
      value += this.#bytes[this.#at++]! * 2 ** (8 * index);
    }
    return value;
  }

  *#skip(length: number): Generator<void, void> {
    for (let rest = length; rest > 0;) {
      while (this.#at === this.#bytes.length) yield;
      const count = Math.min(rest, this.#bytes.length - this.#at);
      this.#at += count;
      rest -= count;
    }
  }
}
