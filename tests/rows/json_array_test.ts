/**
 * Arrays and pandas' `split` as streams: the same rows as `JSON.parse` of the
 * whole text in blocks of any size, and a refusal of whatever `JSON.parse`
 * refuses.
 */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { InputError } from "../../lib/base/errors.ts";
import { cutLines, type Cutter } from "../../lib/rows/cutter.ts";
import {
  type ArrayCutter,
  cutArray,
  cutSplit,
  detectJson,
  encodeElements,
  parseElements,
} from "../../lib/rows/json-array.ts";
import {
  type EncodedBlock,
  type FeatureOptions,
  RowEncoder,
} from "../../lib/rows/encode.ts";
import type { InputRow } from "../../lib/rows/json.ts";
import { seededNumbers } from "../support/ensembles.ts";
import { mutate, type Random } from "../support/mutate.ts";
import { blocksOf } from "../support/blocks.ts";
import { runPython, testWithPython } from "../support/python.ts";

const file = "players.json";
const encode = (text: string) => new TextEncoder().encode(text);
const below = (random: Random, limit: number) => Math.floor(random() * limit);

/** All rows, read in blocks of about `size` bytes. */
function readAll(
  bytes: Uint8Array,
  cutter: ArrayCutter,
  size: number,
): InputRow[] {
  const rows: InputRow[] = [];
  for (const block of blocksOf(bytes, cutter, size)) {
    if (block.length === 0) continue;
    const { columns, firstRow } = cutter;
    strictEqual(firstRow, rows.length + 1);
    rows.push(...parseElements(block, { file, columns, firstRow }));
  }
  return rows;
}

const readArray = (bytes: Uint8Array, size: number) =>
  readAll(bytes, cutArray({ file }), size);
const readSplit = (bytes: Uint8Array, size: number) =>
  readAll(bytes, cutSplit({ file }), size);

/** The result of a function, or the error that it throws; only InputErrors may be thrown. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    ok(error instanceof InputError, String(error));
    return undefined;
  }
}

const texts = ["", "x", "ø😀", 'a"b\\', "[1,{", "\n\t", "],[", "\u2028"];

function someValue(random: Random, depth: number): unknown {
  const choice = below(random, depth > 2 ? 5 : 7);
  if (choice === 0) return null;
  if (choice === 1) return random() < 0.5;
  if (choice < 4) return (random() - 0.5) * 10 ** below(random, 6);
  if (choice === 4) return texts[below(random, texts.length)];
  const values = Array.from(
    { length: below(random, 4) },
    () => someValue(random, depth + 1),
  );
  if (choice === 5) return values;
  return Object.fromEntries(values.map((value, i) => [`${texts[i]}k`, value]));
}

function someRows(random: Random): Record<string, unknown>[] {
  return Array.from({ length: below(random, 6) }, () => ({
    a: someValue(random, 0),
    'b,]"': someValue(random, 0),
  }));
}

/** JSON text in one of the layouts that writers use. */
function write(value: unknown, random: Random): string {
  const text = JSON.stringify(value, null, [0, 0, 2, "\t"][below(random, 4)]);
  const around = ["", "\n", " \r\n", "\t"];
  return `${random() < 0.2 ? "\ufeff" : ""}${around[below(random, 4)]}${text}${
    around[below(random, 4)]
  }`;
}

function toSplit(rows: readonly Record<string, unknown>[], random: Random) {
  const columns = ["a", 'b,]"'];
  const members: Record<string, unknown> = {
    columns,
    index: rows.map((_, index) => index),
    data: rows.map((row) => columns.map((name) => row[name])),
    note: someValue(random, 0),
  };
  const names = Object.keys(members).sort(() => random() - 0.5);
  return Object.fromEntries(names.map((name) => [name, members[name]]));
}

Deno.test("An array is read as JSON.parse reads it, in blocks of any size", () => {
  const random = seededNumbers(11);
  for (let i = 0; i < 600; i++) {
    const rows = someRows(random);
    const bytes = encode(write(rows, random));
    for (const size of [1, 1 + below(random, 40), 10_000]) {
      const read = readArray(bytes, size);
      deepStrictEqual(read.map(({ value }) => value), rows);
      deepStrictEqual(
        read.map(({ number }) => number),
        rows.map((_, n) => n + 1),
      );
    }
  }
});

Deno.test("A split is read as JSON.parse reads it, in blocks of any size and with its members in any order", () => {
  const random = seededNumbers(12);
  for (let i = 0; i < 600; i++) {
    const rows = someRows(random);
    const bytes = encode(write(toSplit(rows, random), random));
    for (const size of [1, 1 + below(random, 40), 10_000]) {
      deepStrictEqual(readSplit(bytes, size).map(({ value }) => value), rows);
    }
  }
});

/** What JSON.parse accepts as rows; undefined for any other text. */
function expectedArray(bytes: Uint8Array): unknown[] | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    const isRow = (row: unknown) =>
      typeof row === "object" && row !== null && !Array.isArray(row);
    return Array.isArray(value) && value.every(isRow) ? value : undefined;
  } catch {
    return undefined;
  }
}

Deno.test("A broken array is refused exactly when JSON.parse refuses it", () => {
  const random = seededNumbers(13);
  const others = [encode('[{"a":1},{"b":[]}]'), encode(',],{}"\\')];
  let accepted = 0;
  for (let i = 0; i < 6000; i++) {
    const intact = encode(write(someRows(random), random));
    const bytes = mutate(intact, random, others);
    const expected = expectedArray(bytes);
    if (expected) accepted++;
    for (const size of [1, 1 + below(random, 40), 10_000]) {
      const rows = attempt(() => readArray(bytes, size));
      // A bare NaN is the one thing that is read in addition.
      if (new TextDecoder().decode(bytes).includes("NaN")) continue;
      deepStrictEqual(
        rows?.map(({ value }) => value),
        expected,
        new TextDecoder().decode(bytes),
      );
    }
  }
  ok(accepted > 100 && accepted < 5000, `${accepted} accepted`);
});

function expectedSplit(bytes: Uint8Array): unknown[] | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const { columns, data } = JSON.parse(text);
    const isName = (name: unknown) => typeof name === "string";
    const isRow = (row: unknown) =>
      Array.isArray(row) && row.length === columns.length;
    const areNames = Array.isArray(columns) && columns.every(isName) &&
      new Set(columns).size === columns.length;
    if (!areNames || !Array.isArray(data) || !data.every(isRow)) return;
    return data.map((row: unknown[]) =>
      Object.fromEntries(columns.map((name, at) => [name, row[at]]))
    );
  } catch {
    return undefined;
  }
}

Deno.test("A broken split is refused exactly when JSON.parse refuses it, or when it names its rows or columns twice", () => {
  const random = seededNumbers(14);
  const others = [encode('{"columns":["a"],"data":[[1]]}'), encode(',],{}"\\')];
  let accepted = 0;
  for (let i = 0; i < 6000; i++) {
    const intact = encode(write(toSplit(someRows(random), random), random));
    const bytes = mutate(intact, random, others);
    const text = new TextDecoder().decode(bytes);
    const isTwice = (text.match(/"columns"/g)?.length ?? 0) > 1 ||
      (text.match(/"data"/g)?.length ?? 0) > 1;
    const expected = expectedSplit(bytes);
    if (expected) accepted++;
    for (const size of [1, 1 + below(random, 40), 10_000]) {
      const rows = attempt(() => readSplit(bytes, size));
      if (text.includes("NaN") || isTwice) continue;
      deepStrictEqual(rows?.map(({ value }) => value), expected, text);
    }
  }
  ok(accepted > 100 && accepted < 5000, `${accepted} accepted`);
});

/** Reads what can be read, then the message of the error. */
function rowsAndError(
  text: string,
  cutter: ArrayCutter,
  size: number,
): [number, string] {
  let rows = 0;
  try {
    for (const block of blocksOf(encode(text), cutter, size)) {
      if (block.length === 0) continue;
      const { columns, firstRow } = cutter;
      for (const _ of parseElements(block, { file, columns, firstRow })) rows++;
    }
  } catch (error) {
    ok(error instanceof InputError, String(error));
    return [rows, error.message];
  }
  return [rows, ""];
}

Deno.test("Errors in an array name the row or the byte, after the rows before it", () => {
  const refused: [string, number, RegExp][] = [
    ['[{"a":1},{"a":2},]', 2, /row 3: found "\]" at byte offset 17/],
    ['[{"a":1},,{"a":2}]', 1, /row 2: found "," at byte offset 9/],
    ['[{"a":1}{"a":2}]', 0, /Cannot parse players\.json, row 1: /],
    ['[{"a":1},{"a":2', 1, /row 2: the file ends at byte offset 15/],
    ['[{"a":1}', 0, /row 1: the file ends at byte offset 8/],
    ['[{"a":1}] [', 1, /expected the end of the file at byte offset 10/],
    ['[{"a":1},{"a":01}]', 1, /Cannot parse players\.json, row 2: /],
    ['[{"a":1},5]', 1, /row 2: expected an object, found 5/],
    ['[{"a":1},[5]]', 1, /row 2: expected an object.*orient="split"/],
    ['[{"a":Infinity}]', 0, /Cannot parse players\.json, row 1: /],
    ['[{"a":1}}', 0, /row 1: found "}" at byte offset 8/],
  ];
  for (const [text, rows, message] of refused) {
    for (const size of [1, 3, 1000]) {
      const [count, found] = rowsAndError(text, cutArray({ file }), size);
      ok(message.test(found), `${text}: ${found}`);
      strictEqual(count, rows, text);
    }
  }
});

Deno.test("Errors in a split name the row, the member or the byte", () => {
  const refused: [string, number, RegExp][] = [
    ['{"columns":["a","a"],"data":[[1,2]]}', 0, /names "a" twice/],
    ['{"columns":["a",1],"data":[[1,2]]}', 0, /names of the columns, found 1/],
    ['{"columns":"a","data":[[1,2]]}', 0, /"columns" should be an array.*"a"/],
    [
      '{"columns":["a"],"data":[[1],[1,2]]}',
      1,
      /row 2: expected an array of 1 values, found 2 values/,
    ],
    ['{"columns":["a"],"data":[{"a":1}]}', 0, /row 1: .*found an object/],
    ['{"columns":["a"],"data":[7]}', 0, /row 1: .*found 7/],
    [
      '{"columns":["a"],"data":{"a":1}}',
      0,
      /"data" should be an array of rows/,
    ],
    ['{"columns":["a"],"data":[[1]],"data":[[2]]}', 1, /has "data" twice/],
    [
      '{"columns":["a"],"data":[[1]],"columns":["b"]}',
      1,
      /has "columns" twice/,
    ],
    [
      '{"columns":["a"],"data":[[1]]} x',
      1,
      /expected the end of the file at byte offset 31/,
    ],
    [
      '{"columns":["a"],"data":[[1]],}',
      1,
      /expected a name in quotes at byte offset 30/,
    ],
    ['{"columns":["a"],"data":[[1]]', 1, /file ends at byte offset 29/],
    ['{"columns":["a"],"index":[0,1,],"data":[[1]]}', 0, /row 3|byte offset/],
    ['{"columns":["a"]}', 0, /found no "data"/],
    ['{"data":[[1]]}', 0, /found no "columns"/],
    ["{}", 0, /found no "columns"/],
  ];
  for (const [text, rows, message] of refused) {
    for (const size of [1, 3, 1000]) {
      const [count, found] = rowsAndError(text, cutSplit({ file }), size);
      ok(message.test(found), `${text}: ${found}`);
      strictEqual(count, rows, text);
    }
  }
});

Deno.test("A record larger than the limit is an error, and so is a split whose columns come too late", () => {
  const long = "x".repeat(200);
  const read = (text: string, cutter: Cutter, size = 16) =>
    [...blocksOf(encode(text), cutter, size)].length;
  const limit = { file, maxBytes: 100 };
  throws(
    () => read(`[{"a":1},{"a":"${long}"}]`, cutArray(limit)),
    /Cannot read players\.json: row 2 is longer than 100 bytes/,
  );
  throws(
    () => read(`{"a":"${long}"}`, cutLines(limit)),
    /line 1 is longer than 100 bytes: is this one JSON value\?/,
  );
  throws(
    () => read(`{"a":1}\n{"a":"${long}"}`, cutLines(limit)),
    /the line at byte offset 8 is longer than 100 bytes/,
  );
  const data = JSON.stringify(Array.from({ length: 60 }, () => [1]));
  throws(
    () => read(`{"data":${data},"columns":["a"]}`, cutSplit(limit)),
    /"data" comes before "columns".*write "columns" first/,
  );
  // An index of any size is skipped.
  const index = JSON.stringify(Array.from({ length: 60 }, (_, n) => n));
  ok(
    read(`{"columns":["a"],"index":${index},"data":[[1]]}`, cutSplit(limit)) >
      1,
  );
});

Deno.test("detectJson() tells lines, an array and a split apart by content", () => {
  const forms: Record<string, string> = {
    '{"a":1}\n{"a":2}': "lines",
    '{"a":1}': "lines",
    "[1,null]": "lines",
    '\ufeff\n[ {"a":1}]': "array",
    "[[1],[2]]": "array",
    "[]": "array",
    '{"columns":["a"],"data":[[1]]}': "split",
    ' {"index":[0],"data":[[1]],"columns":["a"]}\n': "split",
    '{"data":[1]}\n{"data":[2]}': "lines",
    '{"data":[1]}': "lines",
    '{"data":{"a":1},"b":2}': "lines",
    '{"columns":["a"],"data":[[1': "split",
    "": "lines",
  };
  for (const [text, form] of Object.entries(forms)) {
    strictEqual(detectJson(encode(text), { file, last: true }), form, text);
  }
  const start = '{"columns":["a"],"index":[0,1';
  strictEqual(detectJson(encode(start), { file, last: false }), "split");
});

testWithPython("Every orient of pandas is read or named", async () => {
  const { stdout } = await runPython(
    "xgboost",
    `
import json, pandas
frame = pandas.DataFrame({"a": [1, 2], "b": ["x", None]})
named = frame.set_index(pandas.Index(["p1", "p2"]))
texts = {o: frame.to_json(orient=o) for o in
  ["split", "records", "index", "columns", "values", "table"]}
texts |= {"named " + o: named.to_json(orient=o) for o in ["index", "columns"]}
print(json.dumps(texts))`,
  );
  const orients: Record<string, string> = JSON.parse(stdout);
  const rows = [{ a: 1, b: "x" }, { a: 2, b: null }];
  const bytesOf = (orient: string) => encode(orients[orient] ?? "");
  const options = { file, last: true };
  for (const [orient, form] of [["split", "split"], ["records", "array"]]) {
    const bytes = bytesOf(orient!);
    strictEqual(detectJson(bytes, options), form);
    const read = form === "split" ? readSplit : readArray;
    deepStrictEqual(read(bytes, 8).map(({ value }) => value), rows);
  }
  for (const orient of ["index", "columns", "table"]) {
    throws(
      () => detectJson(bytesOf(orient), options),
      new RegExp(`pandas' orient="${orient}"`),
    );
  }
  for (const orient of ["named index", "named columns"]) {
    throws(
      () => detectJson(bytesOf(orient), options),
      /pandas' orient="columns" or "index"/,
    );
  }
  strictEqual(detectJson(bytesOf("values"), options), "array");
  throws(() => readArray(bytesOf("values"), 8), /row 1: .*orient="split"/);
});

const recipe = {
  oneHot: [{
    column: "brand",
    prefix: "brand_",
    categories: ["US", "1.0", "True", "nan"],
    unknownLimit: 1,
  }],
  steps: [],
  missingValue: -999,
};
const features: FeatureOptions = {
  columns: [
    { name: "spend", type: "double" },
    { name: "months", type: "long" },
    { name: "vip", type: "boolean" },
    { name: "plan", type: "string", labels: ["a", 1], unseen: "missing" },
    ...["US", "1.0", "True", "nan"].map((category) => ({
      name: `brand_${category}`,
      type: "boolean",
    })),
  ],
  recipe,
  idColumn: "player_id",
  file,
};
const cellTexts: Readonly<Record<string, readonly string[]>> = {
  player_id: ['"007"', "12", "null", '"\\u00f8"', '"ø,]"'],
  spend: ["0.1", "-12.5", "1e3", "null", "NaN", "-999", "true", "16777217"],
  months: ["0", "12", "4.0", "null", "false"],
  vip: ["true", "false", "0", "1", "null"],
  plan: ['"a"', "1", '"c"', "null"],
  brand: ['"US"', "1", "true", "null", '"x"', '"NJ [1,2]"'],
  note: ["1", '"}"', '"],["', "[1,[2]]", "{}", "null"],
};
const strangeTexts = ['"x"', "1e999", "4.5", "[]", "01", "Infinity", '"a\tb"'];

/** The rows of a block, as objects or as arrays, mostly with the same keys in the same order. */
function someElements(
  random: Random,
  columns: readonly string[],
  isSplit: boolean,
): string {
  const space = () =>
    random() < 0.2 ? [" ", "\n", "\t"][below(random, 3)]! : "";
  const strangeness = random() < 0.3 ? 0.03 : 0;
  const rows = Array.from({ length: 1 + below(random, 8) }, () => {
    const own = random() < 0.2 && !isSplit
      ? columns.toSorted(() => random() - 0.5).slice(below(random, 2))
      : columns;
    const members = own.map((name) => {
      const texts = random() < strangeness
        ? strangeTexts
        : cellTexts[name] ?? [];
      const key = isSplit ? "" : `${space()}${JSON.stringify(name)}${space()}:`;
      return `${key}${space()}${texts[below(random, texts.length)]}${space()}`;
    });
    const [open, close] = isSplit ? "[]" : "{}";
    return `${space()}${open}${members.join(",")}${close}${space()}`;
  });
  return rows.join(",");
}

function attemptBlock(
  read: (encoder: RowEncoder) => void,
): { block: EncodedBlock } | { error: string } {
  const encoder = new RowEncoder(features);
  try {
    read(encoder);
    const block = encoder.finish();
    const extra = block.counts.extra.toSorted();
    return { block: { ...block, counts: { ...block.counts, extra } } };
  } catch (error) {
    ok(error instanceof InputError, String(error));
    return { error: error.message };
  }
}

Deno.test("encodeElements() equals parseElements() on generated and on changed blocks", () => {
  const random = seededNumbers(15);
  const others = [encode('{"spend":1},[2]'), encode(',],{}"\\')];
  let accepted = 0;
  for (let i = 0; i < 15_000; i++) {
    const isSplit = random() < 0.4;
    const names = Object.keys(cellTexts).filter((name) =>
      name === "spend" || random() < 0.8
    ).sort(() => random() - 0.5);
    const intact = encode(someElements(random, names, isSplit));
    const bytes = random() < 0.4 ? intact : mutate(intact, random, others);
    const columns = isSplit ? names : undefined;
    const expected = attemptBlock((encoder) => {
      for (const { number, value } of parseElements(bytes, { file, columns })) {
        encoder.add(value, { file, row: number });
      }
    });
    const found = attemptBlock((encoder) =>
      encodeElements(bytes, encoder, { columns })
    );
    if ("block" in found) accepted++;
    deepStrictEqual(found, expected, new TextDecoder().decode(bytes));
  }
  ok(accepted > 3000 && accepted < 13_000, `${accepted} accepted`);
});

Deno.test("encodeElements() sets bad rows aside with their text, and the rows after them keep their numbers", () => {
  const bytes = encode(
    '{"spend":1}, {"spend":"x"} ,7,{"spend":tru},{"spend":"\xff"},{"spend":NaN},[1]',
  );
  bytes[bytes.indexOf(0xc3)] = 0xff;
  const bad: [number | undefined, string, string | undefined][] = [];
  const encoder = new RowEncoder(features);
  encodeElements(bytes, encoder, {
    columns: undefined,
    onBadRow: ({ error: { problem: { place, verb } }, text }) =>
      bad.push([place.row, verb, text]),
  });
  strictEqual(encoder.finish().rows, 2);
  deepStrictEqual(bad, [
    [2, "use", '{"spend":"x"}'],
    [3, "use", "7"],
    [4, "parse", '{"spend":tru}'],
    [5, "read", '{"spend":"\ufffd\ufffd"}'],
    [7, "use", "[1]"],
  ]);
});
