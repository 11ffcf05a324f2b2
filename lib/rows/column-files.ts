/** Opens local files of columns, once per thread. */
import type { ColumnFile } from "./columns.ts";
import { openRandomAccess, type RandomAccess } from "./random-access.ts";

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
  readonly #access: RandomAccess[] = [];
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
    const access = await openRandomAccess(path);
    this.#access.push(access);
    const options = {
      file: this.#name,
      blockRows: blockRows[library],
      dates,
      ...(columns ? { columns } : {}),
    };
    if (library === "parquet") {
      const { openParquet } = await import("./parquet.ts");
      return await openParquet(access, options);
    }
    const { openArrow } = await import("./arrow.ts");
    return await openArrow(access, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const access of this.#access) await access[Symbol.asyncDispose]();
  }
}

/**
 * Rows per block: a matrix of some megabytes. Most writers of Parquet begin a page
 * after 20,000 rows, and those of Arrow a record batch after a power of two; a page
 * of one block is decoded once.
 */
const blockRows = { parquet: 20_000, arrow: 1 << 15 } as const;
