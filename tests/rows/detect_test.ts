/** Formats and compressions told by content: files that real tools write, damaged ones, and files that are not read. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { InputError } from "../../lib/base/errors.ts";
import { detectCompression, detectFormat } from "../../lib/rows/detect.ts";
import { runPython, testWithPython } from "../support/python.ts";

const headBytes = 1 << 16;
const encode = (text: string) => new TextEncoder().encode(text);
const detect = (bytes: Uint8Array, last = bytes.length <= headBytes) =>
  detectFormat(bytes.subarray(0, headBytes), { file: "week.bin", last });

Deno.test("detectFormat() tells JSON and CSV apart by the first characters", () => {
  const forms: Record<string, readonly string[]> = {
    "json-lines": [
      '{"a":1}\n{"a":2}',
      '\ufeff\n {"a":1}',
      "[1, null, true]",
      '"x"',
      "null",
      "7",
      '{"data":[1]}\n{"data":[2]}',
    ],
    "json-array": ['[{"a":1}]', "\ufeff\n\n[ [1] ]", "[]"],
    "json-split": ['{"columns":["a"],"index":[0],"data":[[1]]}'],
    csv: [
      "a,b\n1,2\n",
      "\ufeffa;b\n1;2\n",
      '"a","b"\n1,2',
      "a\n1\n",
      '"x"\n1\n',
      "null\n1\n",
      "7,8\n",
      "\n\na\tb\n",
      "player,name\n1,ø\n",
    ],
  };
  for (const [format, texts] of Object.entries(forms)) {
    for (const text of texts) strictEqual(detect(encode(text)), format, text);
  }
});

Deno.test("detectFormat() names other forms of JSON and what to write instead", () => {
  const refused: Record<string, string> = {
    '{"a":{"0":1,"1":2},"b":{"0":3,"1":4}}': 'orient="columns"',
    '{"0":{"a":1},"1":{"a":2}}': 'orient="index"',
    '{"schema":{"fields":[{"name":"a"}]},"data":[{"a":1}]}': 'orient="table"',
    '{"dataframe_split":{"columns":["a"],"data":[[1]]}}':
      'write the value of "dataframe_split" only',
    '{"learner":{"attributes":{}}}': "an XGBoost model, not rows",
  };
  for (const [text, message] of Object.entries(refused)) {
    refuses(encode(text), message);
  }
});

Deno.test("detectFormat() names what is not text", () => {
  const utf16 = (text: string) =>
    new Uint8Array(Uint16Array.from(text, (c) => c.charCodeAt(0)).buffer);
  refuses(utf16("\ufeffa,b\n1,2\n"), "text in UTF-16; .*iconv");
  refuses(utf16("a,b\n1,2\n"), "text in UTF-16");
  refuses(
    Uint8Array.from([0xff, 0xfe, 0, 0, 97, 0, 0, 0]),
    "text in UTF-32",
  );
  refuses(new Uint8Array(1000), "first 1000 bytes are NUL");
  refuses(encode("a,b\n1,\0\n"), "binary file of an unknown kind");
  refuses(Uint8Array.from({ length: 99 }, (_, i) => i + 1), "unknown kind");
  refuses(encode(""), "it has none");
  refuses(encode("\ufeff \r\n\n"), "it has none");
});

Deno.test("detectFormat() knows the first bytes of files that are not read", () => {
  const starts: Record<string, string> = {
    "an SPSS file": "$FL2@(#) SPSS",
    "a Stata file": "<stata_dta><header>",
    "an R data file": "RDX3\nX\n",
    "a Snappy file": "\u00ff\u0006\0\0sNaPpY",
    "compressed twice": "\u001f\u008b\b\0",
    "a RAR archive": "Rar!\u001a\u0007\u0001\0",
    "a dump of a Postgres database": "PGDMP\u0001\u000e",
    "a binary COPY of Postgres": "PGCOPY\n\u00ff\r\n\0",
    "an XGBoost model": "{L\0\0\0\0\0\0\0\u0007learner{",
    "a LightGBM model": "tree\nversion=v4\n",
    "an ONNX model": "\b\n\u0012\u0004xgb",
    "a Git LFS pointer": "version https://git-lfs.github.com/spec/v1\noid",
    "a PDF document": "%PDF-1.7\n",
    "a web page": "\n<!DOCTYPE html>\n<html>",
    "XML, perhaps an error":
      '<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>',
    "Office document": "PK\u0003\u0004\u0014\0\u0006\0[Content_Types].xml",
    "Microsoft Office": "\u00d0\u00cf\u0011\u00e0\u00a1\u00b1\u001a\u00e1",
  };
  for (const [message, start] of Object.entries(starts)) {
    refuses(Uint8Array.from(start, (c) => c.charCodeAt(0)), message);
  }
});

Deno.test("detectCompression() tells gzip and zstd", () => {
  deepStrictEqual(
    [
      [0x1f, 0x8b, 8],
      [0x28, 0xb5, 0x2f, 0xfd],
      [0x50, 0x2a, 0x4d, 0x18],
      [0x28, 0xb5],
      [],
      [123],
    ].map((bytes) => detectCompression(Uint8Array.from(bytes))),
    ["gzip", "zstd", "zstd", undefined, undefined, undefined],
  );
});

function refuses(bytes: Uint8Array, message: string): void {
  throws(() => detect(bytes), (error) => {
    ok(error instanceof InputError);
    ok(new RegExp(message).test(error.message), `${message}\n${error.message}`);
    return true;
  });
}

/** Writes one small table in every format that the peers write, as FOLDER/NAME. */
const writeAll = `
import bz2, io, lzma, pickle, sqlite3, sys, tarfile, zipfile
import duckdb, numpy, pandas, polars, pyarrow
import pyarrow.feather, pyarrow.orc, pyarrow.ipc, pyarrow.parquet
folder = sys.argv[1]
frame = pandas.DataFrame({"a": [1, 2], "b": ["x", None]})
table = pyarrow.Table.from_pandas(frame)
at = lambda name: f"{folder}/{name}"
pyarrow.orc.write_table(table, at("an ORC file"))
polars.from_pandas(frame).write_avro(at("an Avro file"))
pyarrow.feather.write_feather(table, at("a Feather file of version 1"), version=1)
for protocol in range(0, 6):
    with open(at(f"a Python pickle {protocol}"), "wb") as file: pickle.dump(frame, file, protocol)
numpy.save(open(at("a NumPy array"), "wb"), numpy.arange(4))
numpy.savez(open(at("a NumPy archive"), "wb"), numpy.arange(4))
duckdb.connect(at("a DuckDB database")).execute("create table t as select 1 as a").close()
base = sqlite3.connect(at("an SQLite database")); base.execute("create table t (a)"); base.commit(); base.close()
csv = frame.to_csv(index=False).encode()
with zipfile.ZipFile(at("a zip archive"), "w") as file: file.writestr("rows.csv", csv)
with tarfile.open(at("a tar archive"), "w") as file:
    info = tarfile.TarInfo("rows.csv"); info.size = len(csv); file.addfile(info, io.BytesIO(csv))
open(at("a bzip2 file"), "wb").write(bz2.compress(csv))
open(at("an xz file"), "wb").write(lzma.compress(csv))
with pyarrow.CompressedOutputStream(at("an LZ4 file"), "lz4") as file: file.write(csv)
pyarrow.parquet.write_table(table, at("= parquet"))
pyarrow.feather.write_feather(table, at("= arrow"))
with pyarrow.ipc.new_stream(at("= arrow 2"), table.schema) as file: file.write_table(table)
open(at("= csv"), "wb").write(csv)
frame.to_json(at("= json-array"), orient="records")
frame.to_json(at("= json-lines"), orient="records", lines=True)
frame.to_json(at("= json-split"), orient="split")
for orient in ["columns", "index", "table"]:
    frame.to_json(at(f'orient="{orient}"'), orient=orient)
`;

testWithPython(
  "detectFormat() tells what pandas 3.1.1, pyarrow 26, polars 2.1 and DuckDB 2.0 write",
  async () => {
    const folder = await Deno.makeTempDir();
    await runPython("columnar", writeAll, { args: [folder] });
    const names: string[] = [];
    for await (const { name } of Deno.readDir(folder)) names.push(name);
    strictEqual(names.length, 28);
    for (const name of names) {
      const bytes = await Deno.readFile(`${folder}/${name}`);
      if (name.startsWith("= ")) {
        strictEqual(detect(bytes), name.slice(2).replace(/ 2$/, ""), name);
      } else refuses(bytes, name.replace(/ \d$/, ""));
    }
    await Deno.remove(folder, { recursive: true });
  },
);
