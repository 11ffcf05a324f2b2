import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import {
  type EncodedBlock,
  type FeatureOptions,
  RowEncoder,
} from "../../lib/rows/encode.ts";
import { encodeJsonLines, parseJsonLines } from "../../lib/rows/json-lines.ts";
import { notANumber, readNumber } from "../../lib/rows/number.ts";
import { plainRecipe } from "../../lib/rows/recipe.ts";
import { messageOf } from "../../lib/base/errors.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** A generator of numbers from 0 to 1 (mulberry32), so that a failure can be repeated by its seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Result = { block: EncodedBlock } | { error: string };

function attempt(work: () => EncodedBlock): Result {
  try {
    return { block: work() };
  } catch (error) {
    return { error: messageOf(error) };
  }
}

function fast(bytes: Uint8Array, options: FeatureOptions): Result {
  return attempt(() => {
    const encoder = new RowEncoder(options);
    encodeJsonLines(bytes, encoder);
    return encoder.finish();
  });
}

/** Reads each row by `JSON.parse`. */
function exact(bytes: Uint8Array, options: FeatureOptions): Result {
  return attempt(() => {
    const encoder = new RowEncoder(options);
    const { file } = options;
    for (const { number, line, value } of parseJsonLines(bytes, { file })) {
      encoder.add(value, { file, row: number, line });
    }
    return encoder.finish();
  });
}

const recipe = {
  oneHot: [{
    column: "brand",
    prefix: "brand_",
    categories: ["US", "1.0", "True", "nan", "Zürich"],
    unknownLimit: 1,
  }],
  steps: [],
  missingValue: -999,
};
const columns = [
  { name: "spend", type: "double" },
  { name: "months", type: "long" },
  { name: "vip", type: "boolean" },
  { name: "größe", type: "float" },
  { name: "plan", type: "string", labels: ["a", "b"], unseen: "missing" },
  { name: "tier", type: "string", labels: [1, 2.5] },
  ...["US", "1.0", "True", "nan", "Zürich"].map((category) => ({
    name: `brand_${category}`,
    type: "boolean",
  })),
] as const;
const options: FeatureOptions = {
  columns,
  recipe,
  idColumn: "player_id",
  labelColumn: "churned",
  file: "week",
};

const numbers = [
  "0",
  "-0",
  "1",
  "7",
  "-12.5",
  "0.1",
  "123456789012345",
  "1234567890123456789",
  "0.6345393657684326",
  "0.50118225812911991",
  "1e-05",
  "1E+3",
  "3.4028234663852886e38",
  "3.5e38",
  "1e999",
  "-999",
  "-999.0",
  "null",
  "NaN",
  "true",
  "false",
  "01",
  "1.",
  ".5",
  "-",
  "+1",
  "Infinity",
  "16777217",
  "16777217.0000000001",
  "0.30000001192092896",
  "123456789.12345678901234567890123",
  "9007199254740993",
  "2.5",
  "1.0",
  "{}",
  "[1]",
];
const texts = [
  '"US"',
  '"Zürich"',
  '"nan"',
  '"a"',
  '"b"',
  '"c"',
  '""',
  '"x\\u0041"',
  '"\\"',
  '"7"',
  '"é"',
  '"a\tb"',
  "1.0",
  "1",
  "true",
  "null",
  "2.5",
  '"\\ud800"',
];

function randomRows(random: () => number, count: number): string {
  const pick = <T>(list: readonly T[]) =>
    list[Math.floor(random() * list.length)]!;
  const wild = random() < 0.3;
  const number = () =>
    wild
      ? pick(numbers)
      : String(Math.fround(random() * 100) * (random() < 0.5 ? 1 : random()));
  let names = [
    "spend",
    "months",
    "vip",
    "größe",
    "plan",
    "tier",
    "player_id",
    "churned",
    "extra",
    ...(random() < 0.5 ? ["brand"] : columns.slice(6).map(({ name }) => name)),
  ];
  if (random() < 0.2) names.push("brand");
  const space = random() < 0.3 ? " " : "";
  const lines: string[] = [];
  for (let row = 0; row < count; row++) {
    if (random() < 0.15) names = names.toSorted(() => random() - 0.5);
    const own = random() < 0.1 ? names.filter(() => random() < 0.8) : names;
    const cells = own.map((name) => {
      const value = name === "months" && !wild
        ? String(Math.floor(random() * 1e4))
        : name === "vip" || name.startsWith("brand_")
        ? pick(wild ? numbers : ["true", "false", "0", "1"])
        : name === "plan" || name === "brand"
        ? pick(wild ? texts : ['"US"', '"a"', '"b"', '"c"', "null"])
        : name === "tier"
        ? pick(wild ? texts : ["1", "2.5", "1.0", "null"])
        : name === "player_id"
        ? pick([
          `"p${row}"`,
          String(row),
          '"ü"',
          "null",
          ...(wild ? texts : []),
        ])
        : name === "churned"
        ? pick(wild ? numbers : ["0", "1", "true"])
        : name === "extra"
        ? pick([...texts.slice(0, 4), "1", "null", ...(wild ? numbers : [])])
        : number();
      return `${JSON.stringify(name)}:${space}${value}`;
    });
    lines.push(`{${cells.join(`,${space}`)}}${random() < 0.05 ? "\r" : ""}`);
    if (random() < 0.05) lines.push("");
  }
  return lines.join("\n") + (random() < 0.5 ? "\n" : "");
}

function same(bytes: Uint8Array, what: string): "block" | "error" {
  const [ours, theirs] = [fast(bytes, options), exact(bytes, options)];
  if ("error" in theirs || "error" in ours) {
    const emptied = "error" in theirs && theirs.error.endsWith("it has none");
    if (!emptied) deepStrictEqual(ours, theirs, what);
    return "error";
  }
  deepStrictEqual(
    new Uint32Array(ours.block.matrix.slice().buffer),
    new Uint32Array(theirs.block.matrix.slice().buffer),
    what,
  );
  deepStrictEqual(ours.block, theirs.block, what);
  return "block";
}

Deno.test("encodeJsonLines() equals JSON.parse on generated files, 6,000 files of 1 to 12 rows", () => {
  const seen = { block: 0, error: 0 };
  for (let seed = 1; seed <= 6000; seed++) {
    const random = seeded(seed);
    const text = randomRows(random, 1 + Math.floor(random() * 12));
    seen[same(encode(text), `seed ${seed}\n${text}`)]++;
  }
  ok(seen.block > 2000 && seen.error > 500, JSON.stringify(seen));
});

Deno.test("encodeJsonLines() equals JSON.parse on 20,000 files with changed bytes", () => {
  const seen = { block: 0, error: 0 };
  const pool = encode('{}[]",:.-+eE0123456789ntfuNa\\ \r\n\t\0ÿé');
  for (let seed = 1; seed <= 20000; seed++) {
    const random = seeded(seed + 1e6);
    const bytes = [...encode(randomRows(random, 3))];
    for (let change = 0; change <= random() * 3; change++) {
      const at = Math.floor(random() * bytes.length);
      const byte = pool[Math.floor(random() * pool.length)]!;
      bytes.splice(
        at,
        random() < 0.6 ? 1 : 0,
        ...(random() < 0.8 ? [byte] : []),
      );
    }
    const all = Uint8Array.from(bytes);
    seen[same(all, `seed ${seed}\n${new TextDecoder().decode(all)}`)]++;
  }
  ok(seen.block > 2000 && seen.error > 2000, JSON.stringify(seen));
});

Deno.test("readNumber() gives the float32 of Number(), 300,000 numbers of 1 to 30 digits", () => {
  const random = seeded(7);
  const out = new Float64Array(2);
  let inexact = 0;
  for (let count = 0; count < 300_000; count++) {
    const double = (random() - 0.5) * 10 ** Math.floor(random() * 12 - 6);
    const digits = () =>
      String(Math.floor(random() * 10 ** (1 + random() * 14)));
    const text = [
      String(double),
      double.toFixed(Math.floor(random() * 20)),
      `${digits()}.${digits()}${digits()}`,
      String(Math.fround(double)),
      // Close to the middle of two float32.
      String((Math.fround(double) + Math.fround(double * (1 + 2 ** -24))) / 2),
    ][count % 5]!;
    const end = readNumber(encode(`${text},`), 0, out);
    strictEqual(end, text.length, text);
    ok(Object.is(Math.fround(out[0]!), Math.fround(Number(text))), text);
    if (out[1] === 1) ok(Object.is(out[0], Number(text)), text);
    else inexact++;
  }
  ok(inexact > 10_000);
});

Deno.test("readNumber() accepts JSON's grammar only", () => {
  const out = new Float64Array(2);
  for (
    const text of [
      "01",
      "-",
      "+1",
      ".5",
      "1.",
      "1.e5",
      "1e",
      "1e+",
      "x",
      "",
      "-.5",
      "00",
    ]
  ) {
    strictEqual(readNumber(encode(text), 0, out), notANumber, text);
  }
  for (const text of ["0", "-0", "1e5", "1E-5", "0.0", "10", "1.25e+2"]) {
    strictEqual(readNumber(encode(text), 0, out), text.length, text);
    strictEqual(out[0], Number(text));
  }
});

Deno.test("encodeJsonLines() reads NaN as missing and refuses Infinity by line", () => {
  const own: FeatureOptions = {
    columns: [{ name: "spend", type: "double" }],
    recipe: plainRecipe,
    idColumn: undefined,
    file: "week",
  };
  const good = fast(
    encode('{"spend":NaN}\n{"spend":1}\n{"spend": NaN}\n'),
    own,
  );
  ok("block" in good);
  deepStrictEqual([...good.block.matrix], [NaN, 1, NaN]);
  const bad = fast(encode('{"spend":1}\n\n{"spend":-Infinity}\n'), own);
  ok("error" in bad);
  ok(
    /^Cannot parse week, line 3: .*expected one JSON object per line/.test(
      bad.error,
    ),
    bad.error,
  );
});
