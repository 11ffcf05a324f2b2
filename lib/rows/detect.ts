/** Tells the format and the compression of a file of rows by its first bytes, never by its name. */
import { InputError } from "../base/errors.ts";
import { detectJson } from "./json-array.ts";

/** Formats that rows are read from. */
export type RowFormat =
  | "json-lines"
  | "json-array"
  | "json-split"
  | "csv"
  | "parquet"
  | "arrow";

/** Compressions that are undone. */
export type Compression = "gzip" | "zstd";

/**
 * Returns the compression of a file; undefined for none.
 *
 * @param head The first bytes of the file; four are enough.
 */
export function detectCompression(head: Uint8Array): Compression | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  const [first = 0, ...rest] = head.subarray(0, 4);
  const isFrame = first === 0x28 && endsWith(rest, [0xb5, 0x2f, 0xfd]);
  // pzstd and zstd --adapt begin with a frame that decoders skip.
  const isSkippable = first >= 0x50 && first <= 0x5f &&
    endsWith(rest, [0x2a, 0x4d, 0x18]);
  return isFrame || isSkippable ? "zstd" : undefined;
}

function endsWith(rest: readonly number[], bytes: readonly number[]): boolean {
  return rest.length === bytes.length &&
    bytes.every((byte, index) => rest[index] === byte);
}

/**
 * Returns the format of a file. Text that is not JSON is CSV.
 *
 * ```ts
 * import { strictEqual, throws } from "node:assert/strict";
 *
 * const encode = (text: string) => new TextEncoder().encode(text);
 * const options = { file: "players", last: true };
 * strictEqual(detectFormat(encode('{"a":1}\n{"a":2}\n'), options), "json-lines");
 * strictEqual(detectFormat(encode("a,b\n1,2\n"), options), "csv");
 * throws(() => detectFormat(encode("ORC"), options), /an ORC file/);
 * ```
 *
 * @param head The first bytes of the file, 64 KiB or more if it has them, after decompression.
 * @param options `file`: the name of the file in errors. `last`: true if these are all bytes.
 * @throws {InputError} If the file is empty, or of another kind: names the kind and says how to convert it.
 */
export function detectFormat(
  head: Uint8Array,
  options: { file: string; last: boolean },
): RowFormat {
  const { file } = options;
  const start = latin1(head.subarray(0, 512));
  if (start.startsWith("PAR1") || start.startsWith("PARE")) return "parquet";
  if (start.startsWith("ARROW1") || isArrowStream(head)) return "arrow";
  const [, other] =
    otherKinds.find(([test]) =>
      typeof test === "string"
        ? start.startsWith(test)
        : typeof test === "function"
        ? test(start)
        : test.test(start)
    ) ?? [];
  if (other !== undefined) {
    throw new InputError(`Cannot read ${file}: this is ${other}`);
  }
  const fault = faultOfText(head);
  if (fault !== undefined) {
    throw new InputError(`Cannot read ${file}: ${fault}`);
  }
  const text = start.replace(/^\u00ef\u00bb\u00bf/, "").trimStart();
  if (text === "" && options.last && isBlank(head)) {
    throw new InputError(`Cannot read rows of ${file}: it has none`);
  }
  if (text.startsWith("{")) {
    const request = servingRequest.exec(text)?.[1];
    if (request !== undefined) {
      throw new InputError(
        `Cannot read ${file}: this is a request for MLflow's scoring server; write the value of "${request}" only`,
      );
    }
  }
  if (/^[{[]/.test(text)) return `json-${detectJson(head, options)}`;
  return options.last && isLoneValue(head) ? "json-lines" : "csv";
}

/** What MLflow's scoring server accepts as the keys of a request with a table. */
const servingRequest = /^\{\s*"(dataframe_split|dataframe_records)"\s*:/;

/** A kind of file that is not read: how its first 512 bytes begin as Latin-1, or a test of them; then what it is, and what to do. */
type OtherKind = readonly [
  test: string | RegExp | ((start: string) => boolean),
  what: string,
];

const toParquet = (reader: string) =>
  `convert it to Parquet, for example in Python: pandas.${reader}('FILE').to_parquet('rows.parquet')`;

/** Sorted by kind: tables, compressions, archives, databases, models, texts. */
const otherKinds: readonly OtherKind[] = [
  ["FEA1", `a Feather file of version 1; ${toParquet("read_feather")}`],
  ["ORC", `an ORC file; ${toParquet("read_orc")}`],
  [
    "Obj\u0001",
    "an Avro file; convert it to Parquet, for example in Python: polars.read_avro('FILE').write_parquet('rows.parquet')",
  ],
  [
    (start) => isZip(start) && start.includes("[Content_Types].xml"),
    "an Office document, perhaps an Excel workbook; save the sheet as CSV UTF-8",
  ],
  [
    (start) => isZip(start) && start.includes("vnd.oasis.opendocument"),
    "an OpenDocument file; save the sheet as CSV in UTF-8",
  ],
  [
    "\u00d0\u00cf\u0011\u00e0",
    "a Microsoft Office file of the old kind, perhaps an Excel workbook (.xls); save the sheet as CSV UTF-8",
  ],
  ["\u0089HDF\r\n", `an HDF5 file; ${toParquet("read_hdf")}`],
  [
    "\u0093NUMPY",
    "a NumPy array, which has no column names; give it some and write Parquet, for example in Python: pandas.DataFrame(numpy.load('FILE'), columns=[…]).to_parquet('rows.parquet')",
  ],
  [
    (start) => isZip(start) && /\.npy/.test(start),
    "a NumPy archive (.npz), whose arrays have no column names; give them some and write Parquet with pandas.DataFrame.to_parquet",
  ],
  ["$FL", `an SPSS file; ${toParquet("read_spss")}`],
  ["<stata_dta>", `a Stata file; ${toParquet("read_stata")}`],
  [
    (start) => start.startsWith("SAS FILE", 84),
    `a SAS file; ${toParquet("read_sas")}`,
  ],
  [
    (start) => /^(RDX[23]|[XA])\n/.test(start) && !/^A\n.*,/.test(start),
    "an R data file; write it as CSV, for example in R: write.csv(readRDS('FILE'), 'rows.csv', row.names=FALSE)",
  ],
  [
    "MATLAB 5.0 MAT-file",
    "a MATLAB file; write it as CSV: writetable(table, 'rows.csv')",
  ],
  [
    isPickle,
    `a Python pickle, which is never loaded because it can run code; if you trust it, ${
      toParquet("read_pickle")
    }`,
  ],

  [
    (start) =>
      /^BZh[1-9]/.test(start) &&
      ["1AY&SY", "\u0017rE8P\u0090"].includes(start.slice(4, 10)),
    "a bzip2 file; unpack it: bunzip2 FILE",
  ],
  ["\u00fd7zXZ\0", "an xz file; unpack it: unxz FILE"],
  ['\u0004"M\u0018', "an LZ4 file; unpack it: lz4 -d FILE"],
  ["\u0002!L\u0018", "an LZ4 file; unpack it: lz4 -d FILE"],
  [
    "\u00ff\u0006\0\0sNaPpY",
    "a Snappy file; unpack it, for example: snzip -d FILE",
  ],
  ["LZIP", "an lzip file; unpack it: lzip -d FILE"],
  ["\u001f\u009d", "a file of compress (.Z); unpack it: uncompress FILE"],
  [
    (start) => detectCompression(bytesOf(start)) !== undefined,
    "a file that was compressed twice; undo one compression",
  ],

  [isZip, "a zip archive; unpack it: unzip FILE"],
  [
    (start) => start.startsWith("ustar", 257),
    "a tar archive; unpack it: tar -xf FILE",
  ],
  ["7z\u00bc\u00af\u0027\u001c", "a 7-Zip archive; unpack it: 7z x FILE"],
  ["Rar!\u001a\u0007", "a RAR archive; unpack it: unrar x FILE"],

  [
    "SQLite format 3\0",
    'an SQLite database; write a table as CSV: sqlite3 -header -csv FILE "SELECT * FROM …" > rows.csv',
  ],
  [
    (start) => start.startsWith("DUCK", 8),
    "a DuckDB database; write a table as Parquet: duckdb FILE -c \"COPY (SELECT * FROM …) TO 'rows.parquet'\"",
  ],
  [
    "PGDMP",
    "a dump of a Postgres database; restore it, and write a table as CSV with psql: \\copy (SELECT …) TO 'rows.csv' CSV HEADER",
  ],
  [
    "PGCOPY\n",
    "a binary COPY of Postgres; write CSV: COPY … TO STDOUT (FORMAT csv, HEADER)",
  ],

  // UBJSON: a brace and then the type of a key's length.
  [
    /^\{[LlIiU]|^\s*\{\s*"learner"\s*:|^binf/,
    "an XGBoost model, not rows; --model takes models",
  ],
  [/^tree\r?\nversion=/, "a LightGBM model, not rows; --model takes models"],
  ["CBM1", "a CatBoost model, not rows"],
  [isOnnx, "an ONNX model, not rows"],

  [
    "version https://git-lfs.github.com/spec/",
    "a Git LFS pointer, not the file itself; fetch it: git lfs pull",
  ],
  ["%PDF-", "a PDF document; export the table as CSV"],
  [
    /^(\u00ef\u00bb\u00bf)?\s*<(!doctype html|html)/i,
    "a web page, perhaps of a sign-in or an error in place of the file; download the file again",
  ],
  [
    /^(\u00ef\u00bb\u00bf)?\s*<(\?xml|Error>)/i,
    "XML, perhaps an error in place of the file; download the file again, or convert it to CSV",
  ],
];

function isZip(start: string): boolean {
  return ["PK\u0003\u0004", "PK\u0005\u0006", "PK\u0007\b"].some((magic) =>
    start.startsWith(magic)
  );
}

/** Protocols 2 to 5 begin with byte 128 and their number; protocol 0 with an opcode and the name of a module. */
function isPickle(start: string): boolean {
  const [first, protocol = 0] = bytesOf(start.slice(0, 2));
  return first === 0x80 && protocol >= 2 && protocol <= 5 ||
    /^c(pandas|numpy|copy_reg|copyreg|builtins|__builtin__|collections)[\w.]*\n/
      .test(start);
}

/** A protobuf that begins with field 1 (`ir_version`), a small number, and then another field of `ModelProto`. */
function isOnnx(start: string): boolean {
  const [tag = 0, version = 0, next = 0] = bytesOf(start.slice(0, 3));
  return tag === 0x08 && version > 0 && version < 0x20 &&
    [0x12, 0x1a, 0x22, 0x2a, 0x32, 0x3a, 0x42].includes(next);
}

/** A message of Arrow's stream: -1, the length of its metadata, and metadata that begins with a small offset. */
function isArrowStream(head: Uint8Array): boolean {
  if (head.length < 12) return false;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  return view.getInt32(0, true) === -1 && view.getInt32(4, true) > 0 &&
    view.getInt32(8, true) > 0 && view.getInt32(8, true) < 2 ** 16;
}

/** Returns why bytes are not text in UTF-8; undefined if they seem to be. Invalid UTF-8 further down is left to the readers, which name the row. */
function faultOfText(head: Uint8Array): string | undefined {
  const start = latin1(head.subarray(0, 4));
  if (start === "\u00ff\u00fe\0\0" || start === "\0\0\u00fe\u00ff") {
    return "this is text in UTF-32; convert it to UTF-8: iconv -f UTF-32 -t UTF-8 FILE > rows";
  }
  const utf16 =
    "this is text in UTF-16; convert it to UTF-8: iconv -f UTF-16 -t UTF-8 FILE > rows";
  if (/^(\u00ff\u00fe|\u00fe\u00ff)/.test(start)) return utf16;
  const nuls = head.reduce((count, byte) => count + (byte === 0 ? 1 : 0), 0);
  if (nuls === head.length && nuls > 0) {
    return `its first ${nuls} bytes are NUL, so it was not written completely; copy it again`;
  }
  const isEvery2nd = head[0] === 0 !== (head[1] === 0);
  if (nuls > head.length / 4 && isEvery2nd) {
    return utf16;
  }
  const controls = head.reduce(
    (count, byte) => count + (byte < 32 && !isSpace(byte) ? 1 : 0),
    0,
  );
  if (nuls > 0 || controls > head.length / 20) {
    return "this is a binary file of an unknown kind; expected JSON, CSV, Parquet or Arrow, perhaps compressed by gzip or zstd";
  }
  return undefined;
}

function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}

function isBlank(bytes: Uint8Array): boolean {
  return new TextDecoder().decode(bytes).trim() === "";
}

/** Returns true for one JSON value without columns, such as `null`: its reader says what is expected. */
function isLoneValue(bytes: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder().decode(bytes));
    return true;
  } catch {
    return false;
  }
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
