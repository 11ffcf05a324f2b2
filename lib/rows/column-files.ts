/** Opens local files of columns, once per thread. */
import { InputError } from "../base/errors.ts";
import type { ColumnFile, RandomAccess } from "./columns.ts";

/** A local file of columns; plain data. */
export interface ColumnFormat {
  readonly kind: "columns";
  readonly library: "parquet" | "arrow";
  readonly path: string;
  /** Names of the columns that are used; undefined for all. */
  readonly columns: readonly string[] | undefined;
  /** Names of the columns whose dates and times are read. */
  readonly dates: readonly string[];
}

/** The files of columns that a thread has opened; disposal closes them. */
export class ColumnFiles implements AsyncDisposable {
  readonly #open = new Map<string, Promise<ColumnFile>>();
  readonly #files: Deno.FsFile[] = [];
  readonly #name: string;

  /** @param name The name of the file in errors. */
  constructor(name: string) {
    this.#name = name;
  }

  /**
   * Returns the file of a format; the same one for a second call.
   *
   * @throws {InputError} If it is damaged.
   */
  async open(format: ColumnFormat): Promise<ColumnFile> {
    let found = this.#open.get(format.path);
    if (found === undefined) {
      found = this.#openFile(format);
      this.#open.set(format.path, found);
    }
    return await found;
  }

  async #openFile(
    { library, path, columns, dates }: ColumnFormat,
  ): Promise<ColumnFile> {
    const file = await Deno.open(path, { read: true });
    this.#files.push(file);
    // Not by stat, which asks for the right to read the target of a symbolic link.
    const size = await file.seek(0, Deno.SeekMode.End);
    const access: RandomAccess = {
      size,
      read: (start, end) =>
        Promise.resolve(readBytes(file, { start, end, size, path })),
    };
    const options = { file: this.#name, dates, ...(columns && { columns }) };
    if (library === "parquet") {
      const { openParquet } = await import("./parquet.ts");
      return await openParquet(access, options);
    }
    const { openArrow } = await import("./arrow.ts");
    return await openArrow(access, options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files) file.close();
    return Promise.resolve();
  }
}

/** Reads synchronously: the position belongs to the file, so another read must not come between a seek and its read. */
function readBytes(
  file: Deno.FsFile,
  { start, end, size, path }: {
    start: number;
    end: number;
    size: number;
    path: string;
  },
): Uint8Array<ArrayBuffer> {
  if (!(start >= 0 && start <= end && end <= size)) {
    throw new InputError(
      `Cannot read ${path}: expected bytes ${start} to ${end}, found a file of ${size} bytes; it is damaged or incomplete: copy it again`,
    );
  }
  const bytes = new Uint8Array(end - start);
  file.seekSync(start, Deno.SeekMode.Start);
  for (let length = 0; length < bytes.length;) {
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
  return bytes;
}
