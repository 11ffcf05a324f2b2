/**
 * Parquet: every cell that pyarrow 26, polars 2.1, DuckDB 2.0 and fastparquet
 * 2026.9 write, in every codec, encoding and version, equals what pyarrow reads;
 * only what is needed is read; damaged files are refused.
 */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { cellAt } from "../../lib/rows/columns.ts";
import { decodeLz4Frame } from "../../lib/rows/lz4.ts";
import { openParquet } from "../../lib/rows/parquet.ts";
import { decodeHybrid } from "../../lib/rows/parquet-values.ts";
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

const open = openParquet;

for (const blockRows of [2 ** 17, 97]) {
  testWithPython(
    `openParquet() reads what the peers write, in blocks of ${blockRows} rows`,
    async () => {
      const files = await peerFiles("parquet");
      strictEqual(files.length, 77);
      for (const file of files) {
        await compareWithPeer(file, { open, blockRows });
      }
    },
  );
}

testWithPython(
  "openParquet() gives any rows in any order, and several at once",
  async () => {
    const { bytes } = await peerFile(
      "parquet",
      "many pages 2.0 dictionary True checksum True",
    );
    const random = seededNumbers(5);
    const whole = await open(openBytes(bytes, { file: "x" }), { file: "x" });
    const names = whole.columns.map(({ name }) => name);
    const columns = await Promise.all(
      whole.blocks.map((_, block) =>
        readBlock(whole, block, { columns: names })
      ),
    );
    for (let round = 0; round < 20; round++) {
      const blockRows = 1 + Math.floor(random() * 400);
      const file = await open(openBytes(bytes, { file: "x" }), {
        file: "x",
        blockRows,
      });
      const asked = Array.from({ length: 30 }, () => ({
        block: Math.floor(random() * file.blocks.length),
        index: Math.floor(random() * names.length),
      }));
      await Promise.all(asked.map(async ({ block, index }) => {
        const column = await file.readColumn(block, names[index]!);
        const { start, rows } = file.blocks[block]!;
        const group = whole.blocks.findLastIndex((range) =>
          range.start <= start
        );
        const expected = columns[group]!.columns[index]!;
        const before = start - whole.blocks[group]!.start;
        for (let row = 0; row < rows; row++) {
          deepStrictEqual(cellAt(column, row), cellAt(expected, before + row));
        }
      }));
    }
  },
);

testWithPython(
  "openParquet() gives numbers without missing values as typed arrays, repeated texts as codes",
  async () => {
    const { bytes } = await peerFile(
      "parquet",
      "pyarrow page 1.0 dictionary False checksum False",
    );
    const file = await open(openBytes(bytes, { file: "x" }), { file: "x" });
    const kinds: Record<string, string> = {
      i8_all: "Int32Array",
      u16_all: "Float64Array",
      i32_all: "Int32Array",
      u32_all: "Float64Array",
      i32_missing: "Float64Array",
      few_all: "Float64Array",
      safe_missing: "Float64Array",
      f16_all: "Float32Array",
      f32_all: "Float32Array",
      f32_missing: "Float32Array",
      f64_missing: "Float64Array",
      dec18_all: "Float64Array",
      nothing: "Float32Array",
      i64_missing: "cells",
      dec20_missing: "cells",
      bool_all: "codes",
      label_all: "texts",
    };
    for (const [name, expected] of Object.entries(kinds)) {
      const column = await file.readColumn(0, name);
      const { kind } = column;
      const found = kind === "numbers" ? column.values.constructor.name : kind;
      strictEqual(found, expected, name);
    }
    const coded = await peerFile("parquet", "pyarrow snappy page 1.0");
    const access = openBytes(coded.bytes, { file: "x" });
    const other = await open(access, { file: "x" });
    for (const name of ["label_missing", "coded_all", "i64_all"]) {
      strictEqual((await other.readColumn(0, name)).kind, "codes");
    }
    strictEqual((await other.readColumn(0, "steps_all")).kind, "numbers");
  },
);

testWithPython(
  "openParquet() reads only the pages of the wanted columns and rows",
  async () => {
    const folder = await Deno.makeTempDir();
    await runPython(
      "columnar",
      `
import sys, numpy, pyarrow, pyarrow.parquet
rows = 400_000
numbers = numpy.random.default_rng(1).normal(size=rows)
texts = ["x" * 200 + str(n) for n in range(rows)]
table = pyarrow.table({"a": numbers, "text": texts, "b": numbers + 1})
pyarrow.parquet.write_table(table, sys.argv[1], compression="none", row_group_size=rows, use_dictionary=False)
`,
      { args: [`${folder}/x`] },
    );
    const bytes = await Deno.readFile(`${folder}/x`);
    await Deno.remove(folder, { recursive: true });
    let count = 0;
    const access = openBytes(bytes, { file: "x" });
    const counted = {
      ...access,
      read: (start: number, end: number) => {
        count += end - start;
        return access.read(start, end);
      },
    };
    const file = await open(counted, { file: "x", blockRows: 50_000 });
    strictEqual(file.blocks.length, 8);
    ok(count <= 2 ** 16);
    count = 0;
    await file.readColumn(0, "a");
    ok(count < 1.6 * 2 ** 20, `${count} bytes`); // 400 kB of numbers, in pages of 1 MiB
    count = 0;
    for (const block of file.blocks.keys()) await file.readColumn(block, "b");
    ok(count < 3 * 8 * 400_000, `${count} bytes`);
  },
);

testWithPython(
  "openParquet() refuses by name what it does not read",
  async () => {
    const { bytes } = await peerFile("parquet", "unusable");
    const file = await open(openBytes(bytes, { file: "x" }), { file: "x" });
    const types = Object.fromEntries(
      file.columns.filter(({ isUsable }) => !isUsable).map((column) => [
        column.name,
        column.type,
      ]),
    );
    deepStrictEqual(types, {
      date: "date",
      timestamp: "timestamp",
      timestamp_s: "timestamp",
      time: "time",
      duration: "duration",
      list: "list",
      struct: "struct",
      map: "map",
      binary: "binary",
      fixed: "binary",
    });
    for (const [name, type] of Object.entries(types)) {
      await rejects(file.readColumn(0, name), {
        name: "InputError",
        message: new RegExp(
          `Cannot use x, column "${name}": .*found values of type ${type};`,
        ),
      });
    }
    await rejects(file.readColumn(0, "z"), /it has no column "z"/);

    const folder = await Deno.makeTempDir();
    await runPython(
      "columnar",
      `
import sys, duckdb, pyarrow, pyarrow.parquet
folder = sys.argv[1]
table = pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([2])], ["a", "a"])
pyarrow.parquet.write_table(table, f"{folder}/twice")
base = duckdb.connect()
base.execute("SET force_mbedtls_unsafe = 'true'")
base.execute("PRAGMA add_parquet_key('key', '0123456789112345')")
base.execute(f"COPY (SELECT 1 AS a) TO '{folder}/encrypted' (FORMAT parquet, ENCRYPTION_CONFIG {{footer_key: 'key'}})")
`,
      { args: [folder] },
    );
    const refused = {
      twice: /two columns are named "a"/,
      encrypted: /an encrypted Parquet file/,
    };
    for (const [name, message] of Object.entries(refused)) {
      const bytes = await Deno.readFile(`${folder}/${name}`);
      await rejects(open(openBytes(bytes, { file: name }), { file: name }), {
        name: "InputError",
        message,
      });
    }
    await Deno.remove(folder, { recursive: true });
  },
);

testWithPython(
  "openParquet() names file, row group and column of what is damaged",
  async () => {
    const { bytes } = await peerFile(
      "parquet",
      "many pages 1.0 dictionary False checksum True",
    );
    const file = await open(openBytes(bytes, { file: "x" }), { file: "x" });
    const copy = Uint8Array.from(bytes);
    // The last column with values holds texts; their bytes stand before the footer.
    const footer = new DataView(bytes.buffer).getUint32(bytes.length - 8, true);
    const pages = copy.subarray(0, bytes.length - 8 - footer);
    const text = new TextEncoder().encode("north");
    const at = Array.from(pages.keys()).findLast((start) =>
      text.every((byte, index) => pages[start + index] === byte)
    )!;
    copy[at]! ^= 1;
    const damaged = await open(openBytes(copy, { file: "x" }), { file: "x" });
    strictEqual(file.blocks.length, 3);
    await rejects(
      damaged.readColumn(2, "coded_missing"),
      /Cannot read x, row group 3, column "coded_missing": it is damaged \(the checksum of the page at byte \d+\)/,
    );
  },
);

testWithPython("openParquet() refuses files that are cut off", async () => {
  const random = seededNumbers(11);
  for (const name of ["polars zstd", "duckdb snappy V1", "pandas index"]) {
    const { bytes } = await peerFile("parquet", name);
    await refusesTruncated(bytes, { open, random, rounds: 40 });
  }
});

testWithPython(
  "a changed byte never gives other cells where pages have checksums, and is no defect anywhere",
  async () => {
    const random = seededNumbers(13);
    // The footer has no checksum, so most of its bytes are left alone.
    for (const version of ["1.0", "2.0"]) {
      for (const dictionary of ["True", "False"]) {
        const file = await peerFile(
          "parquet",
          `pyarrow page ${version} dictionary ${dictionary} checksum True`,
        );
        const footer = new DataView(file.bytes.buffer).getUint32(
          file.bytes.length - 8,
          true,
        );
        const pages = file.bytes.length - footer - 8;
        const within = () => random() * pages / file.bytes.length;
        let flips = 0;
        const place = () => flips++ % 2 === 0 ? within() : random();
        const { refused, changed } = await readFlipped(file, {
          open,
          random: place,
          rounds: 60,
        });
        strictEqual(changed, 0);
        ok(refused > 30, `${refused} refused`);
      }
    }
    for (
      const name of [
        "pyarrow none page 1.0",
        "pyarrow none page 2.0",
        "polars lz4",
        "fastparquet SNAPPY",
      ]
    ) {
      const file = await peerFile("parquet", name);
      const { refused } = await readFlipped(file, { open, random, rounds: 40 });
      ok(refused > 0, name);
    }
  },
);

Deno.test("decodeHybrid() gives any part of runs and bit-packed groups of any width", () => {
  const random = seededNumbers(3);
  for (let round = 0; round < 300; round++) {
    const width = 1 + Math.floor(random() * 32);
    const { bytes, values } = encodeHybrid(width, random);
    const from = Math.floor(random() * values.length);
    const count = Math.floor(random() * (values.length - from + 1));
    deepStrictEqual(
      Array.from(
        decodeHybrid(bytes, { width, from, output: new Int32Array(count) }),
      ),
      values.slice(from, from + count),
    );
  }
});

/** Encodes random runs and groups. */
function encodeHybrid(
  width: number,
  random: () => number,
): { bytes: Uint8Array; values: number[] } {
  const bytes: number[] = [];
  const values: number[] = [];
  const value = () => Math.floor(random() * 2 ** width) | 0;
  const varint = (number: number) => {
    for (; number > 127; number = Math.floor(number / 128)) {
      bytes.push(number % 128 + 128);
    }
    bytes.push(number);
  };
  for (let part = 0; part < 5; part++) {
    if (random() < 0.5) {
      const length = Math.floor(random() * 300);
      const repeated = value();
      varint(length * 2);
      for (let at = 0; at < width; at += 8) bytes.push(repeated >>> at & 255);
      for (let index = 0; index < length; index++) values.push(repeated);
    } else {
      const groups = Math.floor(random() * 20);
      varint(groups * 2 + 1);
      let bits = 0n;
      for (let index = 0; index < groups * 8; index++) {
        const packed = value();
        values.push(packed);
        bits |= BigInt(packed >>> 0) << BigInt(index * width);
      }
      for (let at = 0; at < groups * width; at++) {
        bytes.push(Number(bits >> BigInt(8 * at) & 255n));
      }
    }
  }
  return { bytes: Uint8Array.from(bytes), values };
}

testWithPython(
  "decodeLz4Frame() reads pyarrow's frames of any data",
  async () => {
    const folder = await Deno.makeTempDir();
    await runPython(
      "columnar",
      `
import sys, numpy, pyarrow
random = numpy.random.default_rng(4)
for n in range(40):
    size = int(2 ** random.uniform(0, 19))
    data = random.integers(0, int(random.integers(2, 256)), size, dtype=numpy.uint8).tobytes()
    if n % 2: data = (data[: 1 + size // 50] * 60)[:size]
    open(f"{sys.argv[1]}/{n}", "wb").write(data)
    open(f"{sys.argv[1]}/{n}.lz4", "wb").write(pyarrow.Codec("lz4").compress(data, asbytes=True))
`,
      { args: [folder] },
    );
    for (let n = 0; n < 40; n++) {
      const data = await Deno.readFile(`${folder}/${n}`);
      const frame = await Deno.readFile(`${folder}/${n}.lz4`);
      deepStrictEqual(decodeLz4Frame(frame, data.length), data);
    }
    await Deno.remove(folder, { recursive: true });
  },
);
