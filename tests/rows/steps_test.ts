/** The steps of a recipe against pandas, in every format; and the cells and steps that are refused. */
import {
  deepStrictEqual,
  match,
  ok,
  strictEqual,
  throws,
} from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { InputError } from "../../lib/base/errors.ts";
import { toVariants } from "../../lib/config/variants.ts";
import { type Cell, cellAt, type ColumnData } from "../../lib/rows/columns.ts";
import { encodeColumns } from "../../lib/rows/encode-columns.ts";
import { encodeCsv, parseCsv } from "../../lib/rows/csv.ts";
import { readCsvHeader } from "../../lib/rows/csv-dialect.ts";
import { encodeJsonLines, parseJsonLines } from "../../lib/rows/json-lines.ts";
import type { InputRow } from "../../lib/rows/json.ts";
import { unpack } from "../../lib/rows/packed.ts";
import { type BadRow, RowError } from "../../lib/rows/row-error.ts";
import { seededNumbers } from "../support/ensembles.ts";
import { RowEncoder } from "../../lib/rows/encode.ts";
import { type Features, toFeatures } from "../../lib/rows/features.ts";
import { readAllRows, readFeatures } from "../../lib/rows/read.ts";
import { checkSteps, resolveRecipe } from "../../lib/rows/recipe.ts";
import { bytesAsFile } from "../../lib/storage/store.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { tempFolder } from "../support/servers.ts";

interface Case {
  readonly name: string;
  /** Endings of the files; all of them if undefined. */
  readonly formats?: readonly string[];
  readonly recipe: unknown;
  readonly columns: readonly {
    readonly name: string;
    readonly labels?: readonly string[];
  }[];
  readonly matrix: readonly (readonly (number | null)[])[];
}

const allFormats = [
  "jsonl",
  "json",
  "split.json",
  "csv",
  "parquet",
  "arrow",
  // With dates as timestamps.
  "typed.parquet",
  "typed.arrow",
];

const recipeOf = (recipe: unknown) =>
  toVariants({ recipe, variants: [] }).settings({}).recipe;

testWithPython(
  "steps make of 3 × 264 generated weeks in eight formats what pandas makes of them",
  async () => {
    const script = fileURLToPath(
      new URL("../peers/recipe_steps.py", import.meta.url),
    );
    await using folder = await tempFolder();
    for (const seed of ["1", "2", "3"]) {
      const { stdout } = await runPython("columnar", script, {
        args: [seed, "250", folder.path],
      });
      const { cases, version }: { cases: Case[]; version: string } = JSON.parse(
        stdout,
      );
      strictEqual(cases.length, 264);
      for (const { name, formats, recipe, columns, matrix } of cases) {
        const expected = Float32Array.from(
          matrix.flat(),
          (cell) => cell ?? NaN,
        );
        for (const format of formats ?? allFormats) {
          const file = `${name}.${format}`;
          const source = bytesAsFile(file, await Deno.readFile(file));
          const { matrix: found } = await readFeatures(source, {
            columns: columns.map((column) => ({ ...column, type: "double" })),
            recipe: recipeOf(recipe),
            idColumn: "player_id",
            temporary: folder.path,
          });
          const at = found.findIndex((cell, index) =>
            !Object.is(cell + 0, expected[index]! + 0)
          );
          deepStrictEqual(
            [at, found[at], found.length],
            [-1, expected[at], expected.length],
            `pandas ${version}, ${file}, column ${
              columns[at % columns.length]?.name
            }, row ${Math.floor(at / columns.length) + 1}: ours ${
              found[at]
            }, pandas ${expected[at]}; ${JSON.stringify(recipe)}`,
          );
        }
      }
    }
  },
);

/** The features of rows in JSON Lines; every column of the model is a number. */
function featuresOf(
  lines: readonly Record<string, unknown>[],
  { recipe, columns }: { recipe: unknown; columns: readonly string[] },
): Features {
  return toFeatures(
    lines.map((value, index) => ({
      number: index + 1,
      line: index + 1,
      value,
    })),
    {
      columns: columns.map((name) => ({ name, type: "double" })),
      recipe: recipeOf(recipe),
      idColumn: "player_id",
      file: "week.jsonl",
    },
  );
}

const refused = (
  lines: readonly Record<string, unknown>[],
  options: { recipe: unknown; columns: readonly string[] },
  message: RegExp,
) =>
  throws(() => featuresOf(lines, options), (error) => {
    strictEqual(error instanceof InputError, true);
    match(String(error), message);
    return true;
  });

Deno.test("a cell that a step cannot use names row, line, column and step", () => {
  const ratio = { ratio: { numerator: "a", denominator: "b", to: "x" } };
  const days = { days_between: { start: "a", end: "b", to: "x" } };
  const place = /Cannot use week.jsonl, row 2 \(line 2\), column /.source;
  for (
    const [step, cells, message] of [
      [
        { log1p: { column: "x" } },
        { x: "abc" },
        '"x", recipe.steps\\[0\\] \\(log1p\\): expected a number or null, found "abc"',
      ],
      [
        { log1p: { column: "x" } },
        { x: -1 },
        '"x", .*log1p.*: expected a number with a finite result, found -1 \\(-Infinity\\)',
      ],
      [{ log1p: { column: "x" } }, { x: Infinity }, "found Infinity"],
      [
        { clip: { column: "x", max: 1 } },
        { x: [1] },
        '"x", .*\\(clip\\): expected a number or null, found \\[1\\]',
      ],
      [{ clip: { column: "x", max: 1 } }, { x: "1" }, 'found "1"'],
      [
        { map: { column: "x", values: { a: 1 } } },
        { x: {} },
        '"x", .*\\(map\\): expected a label: a string, .*; found {}',
      ],
      [
        { map: { column: "x", values: { 1: 1, "1.0": 2 } } },
        { x: 1 },
        "only one label spells; found 1",
      ],
      [
        ratio,
        { a: "7", b: 1 },
        '"a", .*\\(ratio\\): expected a number or null, found "7"',
      ],
      [
        ratio,
        { a: null, b: "7" },
        '"b", .*\\(ratio\\): expected a number or null, found "7"',
      ],
      [
        ratio,
        { a: 1e300, b: 1e-300 },
        "expected a finite quotient, found 1e\\+300 / 1e-300 \\(Infinity\\)",
      ],
      [
        days,
        { a: "2024-02-30", b: null },
        '"a", .*\\(days_between\\): expected a date or time such as 2026-11-25 or .*, found "2024-02-30"',
      ],
      [days, { a: "2024-02-01", b: "01/02/2024" }, '"b", .*found "01/02/2024"'],
      [
        days,
        { a: 1704067200000, b: null },
        'found 1704067200000; pandas writes dates as such texts with to_json\\(date_format="iso"\\)',
      ],
      [
        days,
        { a: "2024-02-01T00:00Z", b: "2024-02-01" },
        '"b", .*expected a time with a time zone, as in "a" \\("2024-02-01T00:00Z"\\), found "2024-02-01"',
      ],
      [
        { rename: { y: "x" } },
        { x: 1, y: 2 },
        '"y", .*\\(rename\\): the row has "x", too; expected one of the two',
      ],
      [
        { default: { x: "none" } },
        { x: null },
        '"x": expected a number \\(double\\) or null, found "none"',
      ],
      [
        { clip: { column: "x", min: 0 } },
        { x: 1e39 },
        '"x": expected a number that float32 can hold, found 1e\\+39',
      ],
    ] as const
  ) {
    const row = { x: 2, a: null, b: null };
    const first = "rename" in step ? { y: 1 } : row;
    refused([first, { ...row, ...cells }], {
      recipe: { steps: [step] },
      columns: ["x"],
    }, new RegExp(`${place}.*${message}`));
  }
});

Deno.test("a row with a bad cell is set aside with its step, in CSV, too, and leaves no trace", () => {
  const bytes = new TextEncoder().encode("spend,tier\n1,a\nx,b\n3,zzz\n");
  const header = readCsvHeader(bytes, { file: "w.csv", last: true });
  const encoder = new RowEncoder({
    columns: [{ name: "spend", type: "double" }, {
      name: "tier",
      type: "double",
    }],
    recipe: recipeOf({
      steps: [
        { map: { column: "tier", values: { a: 1 } } },
        { log1p: { column: "spend" } },
      ],
    }),
    idColumn: undefined,
    file: "w.csv",
  });
  const reasons: string[] = [];
  encodeCsv(bytes.subarray(header.length), encoder, {
    header,
    onBadRow: ({ error }) => reasons.push(error.problem.reason),
  });
  deepStrictEqual(reasons, [
    ', column "spend", recipe.steps[1] (log1p): expected a number or null, found "x"',
  ]);
  const { matrix, rows, counts } = encoder.finish();
  deepStrictEqual([rows, [...matrix]], [2, [
    Math.fround(Math.log(2)),
    1,
    Math.fround(Math.log(4)),
    NaN,
  ]]);
  deepStrictEqual(counts.maps, [{ unknown: 1, unknownTexts: ['"zzz"'] }]);
});

Deno.test("a label that a map does not list is missing and counted, up to the limit", () => {
  const lines = ["a", "b", "zz", "a"].map((tier) => ({ tier }));
  const recipe = (unknown: unknown) => ({
    steps: [{ map: { column: "tier", values: { a: 1, b: 2 }, unknown } }],
  });
  const { matrix, unknownCategories } = featuresOf(lines, {
    recipe: recipe(0.25),
    columns: ["tier"],
  });
  deepStrictEqual([...matrix], [1, 2, NaN, 1]);
  deepStrictEqual(unknownCategories, { tier: 1 });
  refused(
    lines,
    { recipe: recipe("error"), columns: ["tier"] },
    /Cannot use week.jsonl: 1 of 4 rows \(25 %\) have a value in "tier" that its map step does not list \("zz"\), the limit is 0 %/,
  );
});

Deno.test("a column that a step needs and all rows lack is an error that names it; default is the way out", () => {
  const ratio = { ratio: { numerator: "wins", denominator: "bets", to: "x" } };
  const lines = [{ wins: 1 }, { wins: 2, x: 5 }];
  refused(
    lines,
    { recipe: { steps: [ratio] }, columns: ["x"] },
    /column "x" is missing in all 2 rows .*; the recipe makes "x" from "wins" and "bets", so bring these columns, or declare a default step/,
  );
  const { matrix, extraColumns } = featuresOf(
    [...lines, { wins: 3, junk: 1 }],
    {
      recipe: { steps: [{ default: { bets: 4 } }, ratio] },
      columns: ["x"],
    },
  );
  deepStrictEqual([...matrix], [0.25, 0.5, 0.75]);
  // The file's own x is not used: the recipe makes that column.
  deepStrictEqual(extraColumns, ["junk", "x"]);
  const some = featuresOf([{ wins: 1, bets: 2 }, { wins: 1 }], {
    recipe: { steps: [ratio] },
    columns: ["x"],
  });
  deepStrictEqual([...some.matrix], [0.5, NaN]);
  deepStrictEqual(some.absentCells, { x: 1 });
});

Deno.test("the default of a one-hot column counts only where the row lacks the raw column", () => {
  const one_hot = [{ column: "brand", categories: ["NJ", "US", "nan"] }];
  const columns = ["brand_NJ", "brand_US", "brand_nan"];
  const encode = (
    lines: readonly Record<string, unknown>[],
    values: object,
  ) => [
    ...featuresOf(lines, {
      recipe: { steps: [{ default: values }], one_hot },
      columns,
    }).matrix,
  ];
  const all = { brand_NJ: 0, brand_US: false, brand_nan: 0 };
  deepStrictEqual(
    encode([{ brand_US: 1, brand_nan: 0 }, { brand_US: 0 }], all),
    [0, 1, 0, 0, 0, 0],
    "a week of get_dummies without NJ",
  );
  deepStrictEqual(
    encode([{ brand: "NJ" }, {}, { brand: null }], all),
    [1, 0, 0, 0, 0, 1, 0, 0, 1],
    "raw rows: an absent brand is null, as in the rows that have it",
  );
  deepStrictEqual(
    encode([{ brand: "US" }, { brand_NJ: 1 }], all),
    [0, 1, 0, 1, 0, 0],
    "raw and encoded rows in one file",
  );
  deepStrictEqual(encode([{}, {}], all), [0, 0, 0, 0, 0, 0]);
  deepStrictEqual(
    encode([{ brand_NJ: null, brand_US: true, brand_nan: null }], {
      brand_NJ: true,
    }),
    [1, 1, NaN],
  );
  refused(
    [{ brand_US: 1 }],
    {
      recipe: { steps: [{ default: { brand_NJ: 0 } }], one_hot },
      columns,
    },
    /column "brand_nan" is missing in all 1 rows .*list it under "categories" of its recipe step or under a default step/,
  );
});

Deno.test("odd names are columns like any other", () => {
  const row: Record<string, unknown> = JSON.parse(
    '{"__proto__": 3, "constructor": "US", "🎲": null}',
  );
  const { matrix } = featuresOf([row], {
    recipe: JSON.parse(`{"steps": [
      {"rename": {"__proto__": "toString"}},
      {"log1p": {"column": "toString", "to": "__proto__"}},
      {"map": {"column": "constructor", "values": {"US": 7, "constructor": 1}}},
      {"default": {"🎲": 2}}
    ]}`),
    columns: ["__proto__", "constructor", "🎲", "toString"],
  });
  deepStrictEqual([...matrix], [Math.fround(Math.log(4)), 7, 2, 3]);
});

Deno.test("checkSteps() refuses a step whose result nothing uses, or that works on a one-hot column", () => {
  const check = (recipe: unknown) =>
    checkSteps(
      resolveRecipe(recipeOf(recipe), {
        columns: [{ name: "brand_NJ", type: "boolean" }],
        rows: [],
      }),
      ["spend", "spend_log", "brand_NJ", "player_id"],
    );
  check({
    steps: [
      { rename: { dep: "spend", id: "player_id" } },
      { default: { spend: 0, brand_NJ: 0, a: 1 } },
      { log1p: { column: "spend", to: "spend_log" } },
      { map: { column: "a", to: "brand", values: { 1: "NJ" } } },
    ],
    one_hot: [{ column: "brand" }],
  });
  throws(
    () => check({ steps: [{ default: { spned: 0 } }] }),
    /Cannot use recipe.steps\[0\] \(default\) in variants.yaml: it sets "spned", which the model does not have and no later step reads/,
  );
  throws(
    () =>
      check({
        steps: [
          { clip: { column: "spend", min: 0, to: "s" } },
          { clip: { column: "spend", min: 1, to: "s" } },
          { log1p: { column: "s", to: "spend_log" } },
        ],
      }),
    /steps\[0\] \(clip\) .* sets "s", which the model does not have and no later step reads/,
    "a result that is overwritten before it is read",
  );
  throws(
    () =>
      check({
        steps: [{ log1p: { column: "brand_NJ", to: "spend_log" } }],
        one_hot: [{ column: "brand" }],
      }),
    /steps\[0\] \(log1p\) .* works on "brand_NJ", which one_hot makes after all steps/,
  );
});

const cellPools: Readonly<Record<string, readonly unknown[]>> = {
  spend: [0, 1.5, -3, 1e300, 0.1 + 0.2, 123456789012345678, true, null],
  bets: [0, 1, 2, -4, 7, null],
  dep: [3, 4.25, null],
  tier: ["gold", "silver", "é", "007", "unlisted", 1, 1.5, true, null],
  first: ["2024-01-31", "2024-02-29T12:00:00", "2024-03-01 00:00:00.5", null],
  last: ["2024-05-01", "2023-12-31T23:59:59.999999999", null],
  brand: ["US", "NJ", "other", null],
  brand_US: [true, false, 0, 1, null],
  player_id: ["a", "b", 17, null],
  other: ["x", 1, null],
};
const oddCells = [
  "text",
  -1,
  "2024-13-01",
  "2024-01-01T00:00Z",
  1e39,
  "1,5",
  "",
];
const stepPool = [
  { rename: { dep: "deposit" } },
  { default: { spend: 2, bets: 3, brand_US: false, brand_NJ: 0 } },
  { default: { tier: "gold", deposit: -0.5 } },
  {
    map: {
      column: "tier",
      values: { gold: 1, "007": 7, 1: 0, true: 5 },
      unknown: "none",
    },
  },
  {
    map: {
      column: "tier",
      to: "brand",
      values: { gold: "US", é: "NJ" },
      unknown: "none",
    },
  },
  { clip: { column: "spend", min: -1, max: 100 } },
  { log1p: { column: "spend", to: "spend_log" } },
  { log1p: { column: "deposit" } },
  { ratio: { numerator: "spend", denominator: "bets", to: "share" } },
  { days_between: { start: "first", end: "last", to: "days" } },
] as const;
const fuzzed = [
  "spend",
  "bets",
  "deposit",
  "tier",
  "spend_log",
  "share",
  "days",
  "brand_NJ",
  "brand_US",
];

/** Returns a cell as a file of columns holds it. */
function toCell(cell: unknown): Cell {
  return typeof cell === "number" || typeof cell === "string" ||
      typeof cell === "boolean"
    ? cell
    : null;
}

Deno.test("rows that are read without objects equal rows that are added as objects, in 6,000 files with odd cells", async () => {
  const random = seededNumbers(11);
  const pick = <T>(from: readonly T[]): T =>
    from[Math.floor(random() * from.length)]!;
  const seen = { bad: 0, good: 0, steps: 0, columnar: 0 };
  for (let index = 0; index < 6000; index++) {
    const names = Object.keys(cellPools).filter(() => random() < 0.8);
    const columns = fuzzed.filter(() => random() < 0.8)
      .map((name) => ({ name, type: "double" }));
    if (names.length === 0 || columns.length === 0) continue;
    const steps = stepPool.filter(() => random() < 0.4);
    const hasBrands = columns.some(({ name }) => name === "brand_NJ") &&
      columns.some(({ name }) => name === "brand_US");
    const recipe = recipeOf({
      steps,
      ...hasBrands
        ? { one_hot: [{ column: "brand", categories: ["NJ", "US"] }] }
        : {},
    });
    const options = { columns, recipe, idColumn: "player_id", file: "f" };
    const rows = Array.from(
      { length: 1 + Math.floor(random() * 12) },
      () =>
        Object.fromEntries(
          names.map((name): [string, unknown] => [
            name,
            random() < 0.01 ? pick(oddCells) : pick(cellPools[name]!),
          ]).filter(([, cell]) => cell !== null || random() < 0.7),
        ),
    );
    const encode = (
      read: (encoder: RowEncoder, onBadRow: (row: BadRow) => void) => void,
    ) => {
      const encoder = new RowEncoder(options);
      const bad: string[] = [];
      read(encoder, ({ error }) => bad.push(error.message));
      const { ids, matrix, counts } = encoder.finish();
      return { ids: ids && unpack(ids), matrix: [...matrix], counts, bad };
    };
    const addAll = (
      values: Iterable<InputRow>,
      encoder: RowEncoder,
      onBadRow: (row: BadRow) => void,
    ) => {
      for (const { number: row, line, value } of values) {
        try {
          encoder.add(value, { file: "f", row, line });
        } catch (error) {
          if (!(error instanceof RowError)) throw error;
          onBadRow({ error, row, text: undefined });
        }
      }
    };
    const lines = new TextEncoder().encode(
      rows.map((row) => JSON.stringify(row)).join("\n"),
    );
    const expected = encode((encoder, onBadRow) =>
      addAll(parseJsonLines(lines, { file: "f" }), encoder, onBadRow)
    );
    deepStrictEqual(
      encode((encoder, onBadRow) =>
        void encodeJsonLines(lines, encoder, { onBadRow })
      ),
      expected,
    );
    seen.bad += expected.bad.length;
    seen.good += expected.matrix.length / columns.length;
    seen.steps += steps.length;
    const cells = names.map((name): ColumnData => ({
      kind: "cells",
      name,
      values: rows.map((row) => toCell(row[name])),
    }));
    const source = {
      rows: rows.length,
      names,
      read: (name: string) =>
        Promise.resolve(cells.find((column) => column.name === name)!),
    };
    const byColumn = new RowEncoder(options);
    if (await encodeColumns(source, byColumn)) {
      const { ids, matrix, counts } = byColumn.finish();
      deepStrictEqual(
        { ids: ids && unpack(ids), matrix: [...matrix], counts, bad: [] },
        encode((encoder, onBadRow) =>
          addAll(
            rows.map((_, row) => ({
              number: row + 1,
              line: undefined,
              value: Object.fromEntries(
                cells.map((column) => [column.name, cellAt(column, row)]),
              ),
            })),
            encoder,
            onBadRow,
          )
        ),
      );
      seen.columnar++;
    }
    const records = rows.map((row) =>
      names.map((name) => {
        const text = String(row[name] ?? "");
        return text.includes(",") ? `"${text}"` : text;
      }).join(",")
    );
    const csv = new TextEncoder().encode(
      [names.join(","), ...records, ""].join("\n"),
    );
    const header = readCsvHeader(csv, { file: "f", last: true });
    const body = csv.subarray(header.length);
    deepStrictEqual(
      encode((encoder, onBadRow) =>
        void encodeCsv(body, encoder, { header, onBadRow })
      ),
      encode((encoder, onBadRow) => {
        let firstRow = 1;
        for (const [index, record] of records.entries()) {
          const place = { file: "f", firstRow, firstLine: index + 1 };
          const bytes = new TextEncoder().encode(record);
          const found = { ...place, header, roles: options };
          try {
            for (const { number: row, line, value } of parseCsv(bytes, found)) {
              encoder.add(value, { file: "f", row, line });
              firstRow++;
            }
          } catch (error) {
            if (!(error instanceof RowError)) throw error;
            onBadRow({ error, row: firstRow++, text: undefined });
          }
        }
      }),
      new TextDecoder().decode(csv),
    );
  }
  // The files have bad rows, but most rows are good.
  ok(
    seen.bad > 1000 && seen.good > 20000 && seen.steps > 10000 &&
      seen.columnar > 1000,
    JSON.stringify(seen),
  );
});

Deno.test("a sample in CSV keeps the labels, dates and ids that steps read, as a week does", async () => {
  const csv = "id,tier,level,first,spend\n01,007,1,2024,1.0\n02,5,1.0,2025,x\n";
  const rows = await readAllRows(
    bytesAsFile("sample.csv", new TextEncoder().encode(csv)),
    {
      idColumn: "player_id",
      recipe: recipeOf({
        steps: [
          { rename: { id: "player_id" } },
          { map: { column: "tier", values: { "007": 7 } } },
          { map: { column: "level", values: { 1: "low" } } },
          { days_between: { start: "first", end: "first", to: "days" } },
        ],
      }),
      temporary: "",
    },
  );
  deepStrictEqual(rows.map(({ value }) => value), [
    { id: "01", tier: "007", level: "1", first: "2024", spend: 1 },
    { id: "02", tier: "5", level: 1, first: "2025", spend: "x" },
  ]);
});
