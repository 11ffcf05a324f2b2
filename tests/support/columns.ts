/** Files of columns that other tools write, compared cell by cell with what pyarrow reads from them, and damaged. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { InputError, messageOf } from "../../lib/base/errors.ts";
import {
  type Cell,
  cellAt,
  type ColumnData,
  type ColumnFile,
  type ColumnFileOptions,
  type RandomAccess,
} from "../../lib/rows/columns.ts";
import type { Random } from "./mutate.ts";
import { runPython } from "./python.ts";

/** Returns access to bytes that are in memory; `file` is their name in errors. */
export function openBytes(
  bytes: Uint8Array<ArrayBuffer>,
  { file }: { file: string },
): RandomAccess {
  const size = bytes.length;
  return {
    size,
    read: (start, end) => {
      if (!(start >= 0 && start <= end && end <= size)) {
        throw new InputError(`Cannot read ${file}: it has no such bytes`);
      }
      return Promise.resolve(bytes.slice(start, end));
    },
  };
}

/** Reads columns of a block, one after the other; `columns` are their names. */
export async function readBlock(
  columnFile: ColumnFile,
  block: number,
  { columns }: { columns: readonly string[] },
): Promise<{ rows: number; columns: readonly ColumnData[] }> {
  const read: ColumnData[] = [];
  for (const name of columns) {
    read.push(await columnFile.readColumn(block, name));
  }
  return { rows: columnFile.blocks[block]?.rows ?? 0, columns: read };
}

/** Opens a file of columns. */
export type Open = (
  access: RandomAccess,
  options: ColumnFileOptions,
) => Promise<ColumnFile>;

/** A file of `tests/peers/write_columns.py`. */
export interface PeerFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The cells of each column as pyarrow reads them; what JSON cannot hold is an object. */
  readonly cells: Readonly<Record<string, readonly unknown[]>>;
}

const written = new Map<string, Promise<readonly PeerFile[]>>();

/** Returns the files of a format; they are written once per process. */
export function peerFiles(
  format: "parquet" | "arrow",
): Promise<readonly PeerFile[]> {
  let files = written.get(format);
  if (!files) written.set(format, files = writePeerFiles(format));
  return files;
}

async function writePeerFiles(format: string): Promise<readonly PeerFile[]> {
  const folder = await Deno.makeTempDir();
  await runPython("columnar", "tests/peers/write_columns.py", {
    args: [format, folder],
  });
  const files: PeerFile[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith(".json")) continue;
    const cells = JSON.parse(
      await Deno.readTextFile(`${folder}/${name}.json`),
    );
    const bytes = await Deno.readFile(`${folder}/${name}`);
    files.push({ name, bytes, cells });
  }
  await Deno.remove(folder, { recursive: true });
  return files.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** Returns the one file whose name ends so. */
export async function peerFile(
  format: "parquet" | "arrow",
  ending: string,
): Promise<PeerFile> {
  const found = (await peerFiles(format)).filter(({ name }) =>
    name.endsWith(ending)
  );
  strictEqual(found.length, 1, ending);
  return found[0]!;
}

/** Returns a cell as the peers write it to JSON. */
function asJson(cell: Cell): unknown {
  if (typeof cell === "bigint") return { exact: String(cell) };
  if (cell === Infinity) return { float: "inf" };
  if (cell === -Infinity) return { float: "-inf" };
  // JSON has one zero.
  return cell === 0 ? 0 : cell;
}

/** Reads every usable column of a file, block by block, as the peers write it to JSON. */
export async function readCells(
  columnFile: ColumnFile,
): Promise<Record<string, unknown[]>> {
  const cells: Record<string, unknown[]> = {};
  for (const { name, isUsable } of columnFile.columns) {
    if (!isUsable) continue;
    const all: unknown[] = cells[name] = [];
    for (const [block, { start, rows }] of columnFile.blocks.entries()) {
      strictEqual(all.length, start);
      const column = await columnFile.readColumn(block, name);
      strictEqual(column.name, name);
      for (let row = 0; row < rows; row++) {
        all.push(asJson(cellAt(column, row)));
      }
    }
    strictEqual(all.length, columnFile.rows);
  }
  return cells;
}

/** Opens and reads a file as one of that many rows a block, and compares its cells with those of the peer. */
export async function compareWithPeer(
  { name, bytes, cells }: PeerFile,
  { open, blockRows }: { open: Open; blockRows: number },
): Promise<void> {
  const columnFile = await open(openBytes(bytes, { file: name }), {
    file: name,
    blockRows,
  });
  const ours = await readCells(columnFile);
  deepStrictEqual(Object.keys(ours).sort(), Object.keys(cells).sort(), name);
  for (const [column, expected] of Object.entries(cells)) {
    const found = ours[column]!;
    strictEqual(found.length, expected.length, `${name}, ${column}`);
    const wrong = expected.findIndex((cell, row) =>
      JSON.stringify(cell === 0 ? 0 : cell) !== JSON.stringify(found[row])
    );
    deepStrictEqual(
      found[wrong],
      expected[wrong],
      `${name}, ${column} ${wrong}`,
    );
  }
}

/** Returns the cells of a damaged file, or undefined if it is refused, as it should be: by an InputError that names the file. */
export async function readDamaged(
  bytes: Uint8Array<ArrayBuffer>,
  open: Open,
): Promise<Record<string, unknown[]> | undefined> {
  const file = "week.columns";
  try {
    return await readCells(await open(openBytes(bytes, { file }), { file }));
  } catch (error) {
    ok(
      error instanceof InputError && error.message.includes(file),
      `${messageOf(error)}\n${error instanceof Error ? error.stack : ""}`,
    );
    return undefined;
  }
}

/** Cuts a file off at many lengths: each must be refused. */
export async function refusesTruncated(
  bytes: Uint8Array<ArrayBuffer>,
  { open, random, rounds }: { open: Open; random: Random; rounds: number },
): Promise<void> {
  const lengths = Array.from(
    { length: rounds },
    () => Math.floor(random() * bytes.length),
  );
  for (const length of [0, 1, 8, bytes.length - 1, ...lengths]) {
    const cells = await readDamaged(bytes.slice(0, length), open);
    strictEqual(cells, undefined, `${length} of ${bytes.length} bytes`);
  }
}

/** Changes a byte in many places. Returns how many files were refused, and how many were read with other cells. */
export async function readFlipped(
  { bytes, cells }: PeerFile,
  { open, random, rounds }: { open: Open; random: Random; rounds: number },
): Promise<{ refused: number; changed: number }> {
  const good = JSON.stringify(cells);
  let refused = 0;
  let changed = 0;
  for (let round = 0; round < rounds; round++) {
    const copy = Uint8Array.from(bytes);
    const at = Math.floor(random() * bytes.length);
    copy[at]! ^= 1 << Math.floor(random() * 8);
    const read = await readDamaged(copy, open);
    if (read === undefined) refused++;
    else {
      const sorted = Object.fromEntries(
        Object.keys(cells).map((name) => [name, read[name]]),
      );
      const names = Object.keys(read).length === Object.keys(cells).length;
      if (!names || JSON.stringify(sorted) !== good) changed++;
    }
  }
  return { refused, changed };
}
