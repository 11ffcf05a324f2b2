import {
  deepStrictEqual,
  match,
  ok,
  strictEqual,
  throws,
} from "node:assert/strict";
import { InputError } from "../../lib/base/errors.ts";
import {
  checkFeatureNames,
  parseFeatureNames,
} from "../../lib/rows/feature-names.ts";
import type { Column } from "../../lib/rows/cells.ts";
import type { FeatureOptions } from "../../lib/rows/encode.ts";
import { toFeatures, toModelRows } from "../../lib/rows/features.ts";
import {
  type OneHot,
  plainRecipe,
  resolveRecipe,
} from "../../lib/rows/recipe.ts";
import { parseJsonLines } from "../../lib/rows/json-lines.ts";
import { toVariants } from "../../lib/config/variants.ts";
import { parseYaml } from "../../lib/base/yaml.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const root = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readFile(new URL(path, root));

const columns: Column[] = [
  { name: "spend", type: "double" },
  { name: "months", type: "long" },
  { name: "is_us", type: "boolean" },
];

/** Features of JSON Lines, bound to the three columns above. */
function bind(lines: string, options: Partial<FeatureOptions> = {}) {
  return toFeatures(parseJsonLines(encode(lines), { file: "players" }), {
    columns,
    recipe: plainRecipe,
    idColumn: "player_id",
    file: "players",
    ...options,
  });
}

function refuses(
  lines: string,
  message: RegExp,
  options: Partial<FeatureOptions> = {},
): void {
  throws(() => bind(lines, options), (error) => {
    ok(error instanceof InputError);
    match((error as Error).message, message);
    return true;
  });
}

const good = '{"spend":1.5,"months":2,"is_us":true}';

Deno.test("toFeatures() binds objects by name, in whatever order", () => {
  const { matrix, rows } = bind(
    `${good}\n{"is_us":false,"months":7,"spend":0.25}`,
  );
  strictEqual(rows, 2);
  deepStrictEqual([...matrix], [1.5, 2, 1, 0.25, 7, 0]);
});

Deno.test("toFeatures() ignores extra columns and names them, sorted", () => {
  const { extraColumns, matrix } = bind(
    `{"z":[1],"spend":1.5,"months":2,"is_us":true,"a":{}}\n{"m":"x",${
      good.slice(1)
    }`,
  );
  deepStrictEqual(extraColumns, ["a", "m", "z"]);
  deepStrictEqual([...matrix], [1.5, 2, 1, 1.5, 2, 1]);
});

Deno.test("toFeatures() accepts every conversion that loses nothing", () => {
  const cells = (line: string) => [...bind(line).matrix];
  deepStrictEqual(cells('{"spend":true,"months":4.0,"is_us":1}'), [1, 4, 1]);
  deepStrictEqual(cells('{"spend":-0.0,"months":false,"is_us":0.0}'), [
    -0,
    0,
    0,
  ]);
  deepStrictEqual(cells('{"spend":null,"months":null,"is_us":null}'), [
    NaN,
    NaN,
    NaN,
  ]);
});

Deno.test("toFeatures() rounds as a cast to float32 does", () => {
  // numpy.float32(0.1) is 0.100000001490116119384765625; 16777217 is the first integer float32 lacks.
  const { matrix } = bind('{"spend":0.1,"months":16777217,"is_us":0}');
  deepStrictEqual([...matrix], [0.10000000149011612, 16777216, 0]);
});

const refused: Record<string, [string, RegExp]> = {
  "a text": [
    '{"spend":"1.5","months":2,"is_us":true}',
    /column "spend": expected a number \(double\) or null, found "1.5"/,
  ],
  "an empty text": ['{"spend":"","months":2,"is_us":true}', /found ""/],
  "an object": ['{"spend":{},"months":2,"is_us":true}', /found {}/],
  "a fraction where the model saw whole numbers": [
    '{"spend":1,"months":2.5,"is_us":true}',
    /column "months": expected a whole number \(long\), found 2.5/,
  ],
  "another number where the model saw booleans": [
    '{"spend":1,"months":2,"is_us":2}',
    /column "is_us": expected true, false, 0 or 1 \(boolean\), found 2/,
  ],
  "a number beyond double": [
    '{"spend":1e999,"months":2,"is_us":true}',
    /column "spend": expected a number that float32 can hold, found Infinity/,
  ],
  "a number beyond float32": [
    '{"spend":-3.5e38,"months":2,"is_us":true}',
    /expected a number that float32 can hold, found -3.5e\+38/,
  ],
};

for (const [what, [line, message]] of Object.entries(refused)) {
  Deno.test(`toFeatures() refuses ${what}, naming file, row, line and column`, () => {
    refuses(line, message);
    refuses(`${good}\n\n${line}`, /^Cannot use players, row 2 \(line 3\)/);
  });
}

Deno.test("toFeatures() takes the largest float32", () => {
  const { matrix } = bind(
    '{"spend":3.4028234663852886e38,"months":2,"is_us":0}',
  );
  strictEqual(matrix[0], 3.4028234663852886e38);
});

Deno.test("toFeatures() takes names that every JavaScript object has for what they are", () => {
  const names = ["__proto__", "constructor", "toString"];
  const own = names.map((name) => ({ name, type: "double" }));
  const line = '{"toString":3,"__proto__":1,"constructor":2}';
  deepStrictEqual([...bind(line, { columns: own }).matrix], [1, 2, 3]);
  deepStrictEqual(bind(`{"__proto__":1,${good.slice(1)}`).extraColumns, [
    "__proto__",
  ]);
  for (const name of names) {
    refuses('{"other":1}', new RegExp(`column "${name}" is missing in all`), {
      columns: [{ name, type: "double" }],
    });
  }
  const [row] = toModelRows([...parseJsonLines(encode(line), { file: "x" })], {
    columns: own,
    recipe: plainRecipe,
  });
  deepStrictEqual(Object.entries(row!), [["__proto__", 1], ["constructor", 2], [
    "toString",
    3,
  ]]);
});

Deno.test("toFeatures() keeps the player of each row, null where it has none", () => {
  const { ids, extraColumns } = bind(
    [
      `{"player_id":"P-1",${good.slice(1)}`,
      `{"player_id":7,${good.slice(1)}`,
      `{"player_id":null,${good.slice(1)}`,
      good,
    ].join("\n"),
  );
  deepStrictEqual(ids, ["P-1", "7", null, null]);
  deepStrictEqual(extraColumns, []);
  strictEqual(bind(good).ids, undefined);
});

Deno.test("toFeatures() refuses an id that it could only store changed", () => {
  const withId = (id: string) => `{"player_id":${id},${good.slice(1)}`;
  // 2^53 + 1 is read as 2^53: another player.
  refuses(withId("9007199254740993"), /column "player_id": expected a string/);
  refuses(withId('"P\\u00001"'), /column "player_id": expected a string/);
  refuses(withId("true"), /column "player_id".*found true/);
  refuses(withId("[1]"), /column "player_id".*found \[1\]/);
  // 0.1234567890123456789 is read as 0.12345678901234568: another player.
  refuses(withId("0.1234567890123456789"), /column "player_id".*whole number/);
  deepStrictEqual(bind(withId('"9007199254740993"')).ids, ["9007199254740993"]);
});

Deno.test("toFeatures() reads outcomes of a labelled set, and refuses a row without one", () => {
  const options = { labelColumn: "churned" };
  const labelled = (outcome: string) =>
    `{"churned":${outcome},${good.slice(1)}`;
  const { labels, extraColumns } = bind(
    ["0", "1", "true", "false"].map(labelled).join("\n"),
    options,
  );
  deepStrictEqual(labels, new Uint8Array([0, 1, 1, 0]));
  deepStrictEqual(extraColumns, []);
  for (const outcome of ["null", "2", "0.5", '"1"', "-1"]) {
    refuses(
      labelled(outcome),
      /column "churned": expected an outcome, 0 or 1/,
      options,
    );
  }
  refuses(good, /column "churned".*found nothing/, options);
});

Deno.test("toFeatures() grows to many rows without losing one", () => {
  const count = 3000;
  const lines = Array.from(
    { length: count },
    (_, row) => `{"spend":${row},"months":${row},"is_us":0}`,
  );
  const { matrix, rows } = bind(lines.join("\n"));
  strictEqual(rows, count);
  strictEqual(matrix.length, count * 3);
  for (let row = 0; row < count; row++) strictEqual(matrix[row * 3 + 1], row);
});

/** Raw categories and the columns that pandas 3.1.1's `get_dummies` and `reindex` made of them. */
const raw = await read("tests/golden/raw_players.jsonl");
const encoded = await read("tests/golden/raw_players_encoded.jsonl");
const names = parseFeatureNames(await read("data/churn/feature_names_3.json"), {
  file: "names",
});
const { recipe: declared } = toVariants(
  parseYaml(new TextDecoder().decode(await read("variants.yaml")), {
    file: "variants.yaml",
  }),
).settings({});
const rowsOf = (bytes: Uint8Array) => parseJsonLines(bytes, { file: "golden" });
/** What the shipped models say: dummies of pandas are booleans. */
const shippedColumns = names.map((name, index) => ({
  name,
  type: index < 4 ? "double" : "boolean",
}));
const recipe = resolveRecipe(declared, { columns: shippedColumns, rows: [] });
const shipped = {
  columns: shippedColumns,
  recipe,
  idColumn: "player_id",
  file: "golden",
};

Deno.test("toFeatures() encodes raw categories as pandas does", () => {
  const ours = toFeatures(rowsOf(raw), shipped);
  const theirs = toFeatures(rowsOf(encoded), shipped);
  deepStrictEqual(ours.matrix, theirs.matrix);
  deepStrictEqual(ours.ids, theirs.ids);
  deepStrictEqual([ours.extraColumns, theirs.unknownCategories], [[], {}]);
});

Deno.test("toFeatures() counts the rows whose category pandas gave no column", () => {
  const rawRows = [...rowsOf(raw)].map(({ value }) => value);
  const pandasRows = [...rowsOf(encoded)].map(({ value }) => value);
  const expected = Object.fromEntries(
    recipe.oneHot.map(({ column, prefix }) => {
      const unknown = rawRows.filter((row, index) =>
        row[column] !== null &&
        !Object.entries(pandasRows[index]!).some(([name, cell]) =>
          name.startsWith(prefix) && cell === true
        )
      );
      return [column, unknown.length];
    }),
  );
  const { unknownCategories } = toFeatures(rowsOf(raw), shipped);
  deepStrictEqual(unknownCategories, expected);
  strictEqual(expected["brand_id"]! > 0, true);
});

/** A step for the column `brand`, whose model columns begin with `is_`. */
function brandStep(step: Partial<OneHot> = {}): Partial<FeatureOptions> {
  const oneHot = [{
    column: "brand",
    prefix: "is_",
    categories: ["us"],
    unknownLimit: 0.5,
    ...step,
  }];
  return { recipe: { steps: [], oneHot, missingValue: undefined } };
}

Deno.test("toFeatures() refuses a raw category that is none", () => {
  const start = '{"spend":1,"months":2,"brand":"us"}';
  deepStrictEqual([...bind(start, brandStep()).matrix], [1, 2, 1]);
  for (const cell of ["{}", "[1]", "9007199254740993", "1e999"]) {
    refuses(
      `${start}\n{"spend":1,"months":2,"brand":${cell}}`,
      /row 2 .*column "brand": expected a category/,
      brandStep(),
    );
  }
  refuses(
    '{"spend":1,"months":2,"brand":1}',
    /only one category spells, found 1/,
    {
      ...brandStep({ categories: ["1", "1.0"] }),
      columns: ["spend", "months", "is_1", "is_1.0"].map((name) => ({
        name,
        type: "double",
      })),
    },
  );
});

Deno.test("toFeatures() refuses a raw column that contradicts its encoded one, in any row", () => {
  const both = (brand: string, isUs: string) =>
    `{"spend":1,"months":2,"is_us":${isUs},"brand":${brand}}`;
  const { matrix, extraColumns } = bind(
    [both('"us"', "true"), both('"ca"', "0"), both('"us"', "null")].join("\n"),
    brandStep(),
  );
  deepStrictEqual([...matrix], [1, 2, 1, 1, 2, 0, 1, 2, 1]);
  deepStrictEqual(extraColumns, []);
  for (
    const bad of [
      both('"us"', "false"),
      both("null", "true"),
      both('"ca"', "1"),
    ]
  ) {
    refuses(
      `${both('"us"', "true")}\n${bad}`,
      /row 2 \(line 2\): "brand" is .*, but "is_us" is .*must agree/,
      brandStep(),
    );
  }
});

Deno.test("toFeatures() takes some rows raw and others encoded", () => {
  const { matrix, absentCells } = bind(
    '{"spend":1,"months":2,"is_us":true}\n{"spend":1,"months":2,"brand":"us"}\n{"spend":1,"months":2}',
    brandStep(),
  );
  deepStrictEqual([...matrix], [1, 2, 1, 1, 2, 1, 1, 2, 0]);
  deepStrictEqual(absentCells, { brand: 1 });
});

Deno.test("toFeatures() reads a key that some rows lack as missing, and counts it; one that all lack is an error", () => {
  const { matrix, absentCells } = bind(
    `${good}\n{"spend":2,"is_us":0}\n{"months":1}`,
  );
  // What pandas.DataFrame makes of these rows: NaN where a key is absent.
  deepStrictEqual([...matrix], [1.5, 2, 1, 2, NaN, 0, NaN, 1, NaN]);
  deepStrictEqual(absentCells, { spend: 1, months: 1, is_us: 1 });
  refuses(
    '{"spend":1.5,"is_us":true}\n{"spend":2,"is_us":true}',
    /^Cannot use players: column "months" is missing in all 2 rows/,
  );
  refuses('{"x":1}', /columns "spend", "months", "is_us" are missing/);
  refuses(
    '{"spend":1,"months":2}',
    /column "is_us" is missing.*category of "brand".*"categories"/,
    brandStep(),
  );
});

Deno.test("toFeatures() names the columns that are missing in every row", () => {
  const { emptyColumns } = bind(
    '{"spend":null,"months":2,"is_us":null}\n{"months":null}',
  );
  deepStrictEqual(emptyColumns, ["spend", "is_us"]);
});

Deno.test("toFeatures() reads the recipe's missing value as missing, in any column", () => {
  const recipe = { steps: [], oneHot: [], missingValue: -999 };
  const line = '{"spend":-999,"months":-999.0,"is_us":0}';
  deepStrictEqual([...bind(line, { recipe }).matrix], [NaN, NaN, 0]);
  // XGBoost compares float32: 0.1 as double is not the float32 0.1, and still meant.
  const tenth = { steps: [], oneHot: [], missingValue: 0.1 };
  deepStrictEqual(
    [...bind('{"spend":0.1,"months":1,"is_us":0}', { recipe: tenth }).matrix],
    [NaN, 1, 0],
  );
});

Deno.test("toFeatures() refuses a file in which too many categories are unknown", () => {
  const lines = (known: number, unknown: number) =>
    [...Array(known).fill("us"), ...Array(unknown).fill("gm")].map((brand) =>
      JSON.stringify({ spend: 1, months: 2, brand })
    ).join("\n");
  deepStrictEqual(bind(lines(1, 1), brandStep()).unknownCategories, {
    brand: 1,
  });
  refuses(
    lines(9, 11),
    /11 of 20 rows \(55 %\) have a value in "brand" .*\("gm"\), the limit is 50 %.*"unknown"/,
    brandStep(),
  );
  strictEqual(bind(lines(0, 2), brandStep({ unknownLimit: 1 })).rows, 2);
  refuses(lines(9, 1), /the limit is 0 %/, brandStep({ unknownLimit: 0 }));
});

Deno.test("toFeatures() refuses a category that the model has no column for, but for a dropped first one", () => {
  const line = '{"spend":1,"months":2,"brand":"at"}';
  // pandas.get_dummies(drop_first=True) leaves the first category out: all zeros, and known.
  const dropped = bind(line, brandStep({ categories: ["at", "us"] }));
  deepStrictEqual([...dropped.matrix], [1, 2, 0]);
  deepStrictEqual(dropped.unknownCategories, {});
  refuses(
    line,
    /category "at" of "brand" has no column "is_at"/,
    brandStep({ categories: ["us", "at"] }),
  );
});

Deno.test("toModelRows() shows raw categories as booleans, in the model's order", () => {
  const [ours, theirs] = [raw, encoded].map((bytes) =>
    toModelRows([...rowsOf(bytes)], { columns: shippedColumns, recipe })
  );
  deepStrictEqual(ours, theirs);
  deepStrictEqual(Object.keys(ours![0]!), names);
});

Deno.test("checkFeatureNames() names the first difference", () => {
  const check = (given: string[], modelNames: string[]) => () =>
    checkFeatureNames(given, {
      modelNames,
      modelCount: modelNames.length || 2,
      file: "names.json",
    });
  check(["a", "b"], ["a", "b"])();
  check(["a", "b"], [])();
  throws(check(["a", "a"], ["a", "b"]), /names "a" twice/);
  throws(
    check(["a"], ["a", "b"]),
    /names 1 features, the model was trained on 2/,
  );
  throws(
    check(["b", "a"], ["a", "b"]),
    /feature 1 is "b", the model has "a" there/,
  );
});

Deno.test("parseFeatureNames() takes a JSON array of texts and nothing else", () => {
  const parse = (text: string) => () =>
    parseFeatureNames(encode(text), { file: "names.json" });
  deepStrictEqual(parse('["a","é"]')(), ["a", "é"]);
  for (const text of ["[]", "{}", '"a"', "null"]) {
    throws(parse(text), {
      message:
        `Cannot use names.json: expected a JSON array of feature names, found ${text}`,
    });
  }
  throws(
    parse('["a",1]'),
    /^InputError: Cannot use names.json: \[1\] should be a feature name, found 1$/,
  );
  throws(parse('["a",""]'), /\[1\] should be a feature name, found ""/);
  throws(parse("[a]"), /Cannot parse names.json/);
});
