/**
 * Arrow: every cell that pyarrow 26 and polars 2.1 write as files and streams, in
 * every codec and layout, equals what pyarrow reads; only what is needed is read;
 * damaged files are refused.
 */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { openArrow } from "../../lib/rows/arrow.ts";
import { readFooter } from "../../lib/rows/arrow-schema.ts";
import { cellAt } from "../../lib/rows/columns.ts";
import {
  compareWithPeer,
  openBytes,
  peerFile,
  peerFiles,
  readBlock,
  readFlipped,
  refusesTruncated,
} from "../support/columns.ts";
import { seededNumbers } from "../support/ensembles.ts";
import { runPython, testWithPython } from "../support/python.ts";

const open = openArrow;
const file = "x";
const openFile = (bytes: Uint8Array<ArrayBuffer>, blockRows = 2 ** 17) =>
  open(openBytes(bytes, { file }), { file, blockRows });

for (const blockRows of [2 ** 17, 97]) {
  testWithPython(
    `openArrow() reads what the peers write, in blocks of ${blockRows} rows`,
    async () => {
      const files = await peerFiles("arrow");
      strictEqual(files.length, 43);
      for (const file of files) {
        await compareWithPeer(file, { open, blockRows });
      }
    },
  );
}

testWithPython(
  "openArrow() gives any rows in any order, and several at once",
  async () => {
    const random = seededNumbers(5);
    for (
      const ending of ["feather zstd", "polars stream lz4", "stream deltas"]
    ) {
      const { bytes } = await peerFile("arrow", ending);
      const whole = await openFile(bytes);
      const names = whole.columns.map(({ name }) => name);
      const columns = await Promise.all(
        whole.blocks.map((_, block) =>
          readBlock(whole, block, { columns: names })
        ),
      );
      for (let round = 0; round < 5; round++) {
        const blocks = await openFile(bytes, 1 + Math.floor(random() * 400));
        await Promise.all(Array.from({ length: 30 }, async () => {
          const block = Math.floor(random() * blocks.blocks.length);
          const index = Math.floor(random() * names.length);
          const column = await blocks.readColumn(block, names[index]!);
          const { start, rows } = blocks.blocks[block]!;
          const batch = whole.blocks.findLastIndex((range) =>
            range.start <= start
          );
          const expected = columns[batch]!.columns[index]!;
          const before = start - whole.blocks[batch]!.start;
          for (let row = 0; row < rows; row++) {
            deepStrictEqual(
              cellAt(column, row),
              cellAt(expected, before + row),
            );
          }
        }));
      }
    }
  },
);

testWithPython(
  "openArrow() gives numbers as typed arrays, and dictionaries as codes",
  async () => {
    const { bytes } = await peerFile("arrow", "pyarrow file zstd 1500");
    const kinds: Record<string, string> = {
      i8_all: "Int32Array",
      u32_all: "Float64Array",
      i32_missing: "Float64Array",
      f32_missing: "Float32Array",
      f64_all: "Float64Array",
      nothing: "Float32Array",
      i64_all: "cells",
      text_all: "texts",
      bool_missing: "codes",
      coded_all: "codes",
    };
    const columnFile = await openFile(bytes);
    for (const [name, expected] of Object.entries(kinds)) {
      const column = await columnFile.readColumn(0, name);
      const { kind } = column;
      const found = kind === "numbers" ? column.values.constructor.name : kind;
      strictEqual(found, expected, name);
    }
  },
);

testWithPython(
  "openArrow() reads only the wanted columns, and only their rows where nothing is compressed",
  async () => {
    const folder = await Deno.makeTempDir();
    await runPython(
      "columnar",
      `
import sys, numpy, pyarrow, pyarrow.ipc
rows = 400_000
numbers = numpy.random.default_rng(1).normal(size=rows)
table = pyarrow.table({"a": numbers, "text": ["x" * 100 + str(n) for n in range(rows)], "b": numbers})
for codec in (None, "lz4"):
    with pyarrow.ipc.new_file(f"{sys.argv[1]}/{codec}", table.schema, options=pyarrow.ipc.IpcWriteOptions(compression=codec)) as file:
        file.write_table(table)
`,
      { args: [folder] },
    );
    for (
      const [codec, limit] of [["None", 8 * 50_000], [
        "lz4",
        8 * 401_000,
      ]] as const
    ) {
      const bytes = await Deno.readFile(`${folder}/${codec}`);
      let count = 0;
      const access = openBytes(bytes, { file });
      const counted = {
        ...access,
        read: (start: number, end: number) => {
          count += end - start;
          return access.read(start, end);
        },
      };
      const columnFile = await open(counted, { file, blockRows: 50_000 });
      strictEqual(columnFile.blocks.length, 8);
      ok(count < 10_000, `${count} bytes`);
      for (const name of ["a", "b"]) {
        count = 0;
        await columnFile.readColumn(3, name);
        ok(count < limit + 10_000, `${codec}: ${count} bytes`);
      }
    }
    await Deno.remove(folder, { recursive: true });
  },
);

testWithPython(
  "openArrow() refuses by name what it does not read",
  async () => {
    const { bytes } = await peerFile("arrow", "unusable");
    const columnFile = await openFile(bytes);
    for (const { name, type, isUsable } of columnFile.columns) {
      if (isUsable) continue;
      const expected = name === "fixed" ? "binary" : name.replace("_s", "");
      strictEqual(type, expected);
      await rejects(columnFile.readColumn(0, name), {
        name: "InputError",
        message: new RegExp(
          `Cannot use x, column "${name}": .*found values of type ${type};`,
        ),
      });
    }
    await rejects(columnFile.readColumn(0, "z"), /it has no column "z"/);
    const feather1 = new TextEncoder().encode("FEA1 and more");
    await rejects(openFile(feather1), /a Feather file of version 1/);
  },
);

testWithPython(
  "openArrow() refuses files and streams that are cut off, and bytes after a stream",
  async () => {
    const random = seededNumbers(11);
    for (
      const ending of [
        "pyarrow file lz4 700",
        "pyarrow stream zstd 700",
        "pyarrow stream None 1",
        "feather None",
      ]
    ) {
      const { bytes } = await peerFile("arrow", ending);
      await refusesTruncated(bytes, { open, random, rounds: 40 });
    }
    const { bytes } = await peerFile("arrow", "pyarrow stream None 1");
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    await rejects(openFile(longer), /other bytes follow its end/);
  },
);

testWithPython(
  "openArrow() refuses a footer that names a dictionary and rows in each other's place",
  async () => {
    const { bytes } = await peerFile("arrow", "pyarrow file zstd 700");
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const end = bytes.length - "ARROW1".length - 4;
    const start = end - view.getInt32(end, true);
    const { dictionaries, batches } = readFooter(bytes.subarray(start, end));
    // A block of the footer is a struct of 24 bytes that begins with its offset.
    const [one, other] = [dictionaries, batches].map(([block]) => {
      for (let at = start; at < end - 24; at++) {
        const isBlock = view.getBigInt64(at, true) === BigInt(block!.offset) &&
          view.getInt32(at + 8, true) === block!.metadataBytes;
        if (isBlock) return at;
      }
      throw new Error("the footer does not have the block");
    });
    const swapped = bytes.slice();
    swapped.set(bytes.subarray(other!, other! + 24), one!);
    swapped.set(bytes.subarray(one!, one! + 24), other!);
    await openFile(bytes);
    await rejects(
      openFile(swapped),
      /its footer does not point to a dictionary/,
    );
  },
);

testWithPython(
  "a changed byte of an Arrow file is an InputError or other cells, never a defect",
  async () => {
    const random = seededNumbers(13);
    for (
      const ending of [
        "pyarrow file zstd 700",
        "pyarrow file lz4 1",
        "pyarrow stream None 1",
        "views None",
        "stream deltas",
        "wide zstd",
      ]
    ) {
      const peer = await peerFile("arrow", ending);
      const { refused } = await readFlipped(peer, {
        open,
        random,
        rounds: 120,
      });
      ok(refused > 0, ending);
    }
  },
);
