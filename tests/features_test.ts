import {
  deepStrictEqual,
  match,
  strictEqual,
  throws,
} from "node:assert/strict";
import { InputError } from "../lib/errors.ts";
import {
  checkFeatureNames,
  type Column,
  type FeatureOptions,
  parseFeatureNames,
  toFeatures,
  toModelRows,
} from "../lib/features.ts";
import { parseRows } from "../lib/rows.ts";
import { toVariants } from "../lib/variants.ts";
import { parseYaml } from "../lib/yaml.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const root = new URL("../", import.meta.url);
const read = (path: string) => Deno.readFile(new URL(path, root));

const columns: Column[] = [
  { name: "spend", type: "double" },
  { name: "months", type: "long" },
  { name: "is_us", type: "boolean" },
];

/** Features of JSON Lines, bound to the three columns above. */
function bind(lines: string, options: Partial<FeatureOptions> = {}) {
  return toFeatures(parseRows(encode(lines), { file: "players" }), {
    columns,
    recipe: { oneHot: [] },
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
    strictEqual((error as Error).constructor, InputError);
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

Deno.test("toFeatures() binds arrays by the model's order", () => {
  deepStrictEqual([...bind("[1.5, 2, true]\n[null, 3, 0]").matrix], [
    1.5,
    2,
    1,
    NaN,
    3,
    0,
  ]);
  refuses("[1.5, 2]", /row 1 \(line 1\): it has 2 values, the model has 3/);
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
  "a missing column": [
    '{"spend":1.5,"is_us":true}',
    /column "months" is missing; the row has 2 columns/,
  ],
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
    refuses('{"other":1}', new RegExp(`column "${name}" is missing`), {
      columns: [{ name, type: "double" }],
    });
  }
  const [row] = toModelRows([...parseRows(encode(line), { file: "x" })], {
    columns: names,
    recipe: { oneHot: [] },
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
  refuses(withId("9007199254740993"), /column "player_id": expected a text/);
  refuses(withId('"P\\u00001"'), /column "player_id": expected a text/);
  refuses(withId("true"), /column "player_id".*found true/);
  refuses(withId("[1]"), /column "player_id".*found \[1\]/);
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
  refuses("[1, 2, 0]", /column "churned"/, options);
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
const { recipe } = toVariants(
  parseYaml(new TextDecoder().decode(await read("variants.yaml")), {
    file: "variants.yaml",
  }),
).settings({});
const shipped = {
  columns: names.map((name) => ({ name, type: "double" })),
  recipe,
  idColumn: "player_id",
  file: "golden",
};
const rowsOf = (bytes: Uint8Array) => parseRows(bytes, { file: "golden" });

Deno.test("toFeatures() encodes raw categories as pandas does", () => {
  const ours = toFeatures(rowsOf(raw), shipped);
  const theirs = toFeatures(rowsOf(encoded), shipped);
  deepStrictEqual(ours.matrix, theirs.matrix);
  deepStrictEqual(ours.ids, theirs.ids);
  deepStrictEqual([ours.extraColumns, theirs.unknownCategories], [[], {}]);
});

Deno.test("toFeatures() counts the rows whose category pandas gave no column", () => {
  const rawRows = [...rowsOf(raw)].map(({ value }) =>
    value as Record<string, unknown>
  );
  const pandasRows = [...rowsOf(encoded)].map(({ value }) =>
    value as Record<string, unknown>
  );
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

Deno.test("toFeatures() refuses a raw category that is none, and a row that lacks it", () => {
  const oneHot = { oneHot: [{ column: "brand", prefix: "is_" }] };
  const start = '{"spend":1,"months":2,"brand":"us"}';
  deepStrictEqual([...bind(start, { recipe: oneHot }).matrix], [1, 2, 1]);
  refuses(
    `${start}\n{"spend":1,"months":2,"brand":{}}`,
    /row 2 .*column "brand": expected a category/,
    { recipe: oneHot },
  );
  refuses(
    `${start}\n{"spend":1,"months":2}`,
    /row 2 .*column "brand" is missing/,
    { recipe: oneHot },
  );
});

Deno.test("toFeatures() takes encoded columns over the raw one where both are there", () => {
  const oneHot = { oneHot: [{ column: "brand", prefix: "is_" }] };
  const { matrix, extraColumns } = bind(
    '{"spend":1,"months":2,"is_us":false,"brand":"us"}',
    { recipe: oneHot },
  );
  deepStrictEqual([...matrix], [1, 2, 0]);
  deepStrictEqual(extraColumns, []);
});

Deno.test("toModelRows() shows raw categories as booleans, in the model's order", () => {
  const [ours, theirs] = [raw, encoded].map((bytes) =>
    toModelRows([...rowsOf(bytes)], { columns: names, recipe })
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
  for (const text of ["[]", "{}", '["a",1]', '["a",""]', '"a"', "null"]) {
    throws(parse(text), /names.json: expected a JSON array of feature names/);
  }
  throws(parse("[a]"), /Cannot parse names.json/);
});
