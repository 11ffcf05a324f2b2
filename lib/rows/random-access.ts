/** Bytes of a file that can be read in any order. */
import { InputError } from "../base/errors.ts";

/** A file of known size. Two reads at once are allowed. */
export interface RandomAccess extends AsyncDisposable {
  /** Bytes of the file. */
  readonly size: number;
  /**
   * Returns the bytes from `start` up to but not including `end`. They belong to
   * the caller, who may free their memory.
   *
   * @throws {InputError} If the file has no such bytes, because it is damaged or was changed.
   */
  read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * Opens a local file. Disposing of the result closes it.
 *
 * @throws {Deno.errors.NotFound} If there is no such file, and the other errors of `Deno.open`.
 */
export async function openRandomAccess(path: string): Promise<RandomAccess> {
  const file = await Deno.open(path, { read: true });
  // Not by stat, which asks for the right to read the target of a symbolic link.
  const size = await file.seek(0, Deno.SeekMode.End);
  return {
    size,
    // The position belongs to the file, so a seek and its read must not be interrupted by another read.
    read: (start, end) => {
      checkRange({ start, end, size, file: path });
      const bytes = new Uint8Array(end - start);
      file.seekSync(start, Deno.SeekMode.Start);
      let length = 0;
      while (length < bytes.length) {
        const count = file.readSync(bytes.subarray(length));
        if (count === null) {
          throw new InputError(
            `Cannot read ${path}: it ends at byte ${
              start + length
            }, found ${size} bytes when it was opened; write the file under another name and rename it when it is complete`,
          );
        }
        length += count;
      }
      return Promise.resolve(bytes);
    },
    [Symbol.asyncDispose]: () => {
      file.close();
      return Promise.resolve();
    },
  };
}

/** Validates a range of bytes. @throws {InputError} If the file has no such bytes. */
export function checkRange(
  { start, end, size, file }: {
    start: number;
    end: number;
    size: number;
    file: string;
  },
): void {
  if (start >= 0 && start <= end && end <= size) return;
  throw new InputError(
    `Cannot read ${file}: expected bytes ${start} to ${end}, found a file of ${size} bytes; it is damaged or incomplete: copy it again`,
  );
}
