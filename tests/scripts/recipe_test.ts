/** `models/recipe.py`, with which `train.py` encodes rows: the same as pandas, and the same as `predict`. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { toVariants } from "../../lib/config/variants.ts";
import { readFeatures } from "../../lib/rows/read.ts";
import { bytesAsFile } from "../../lib/storage/store.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { tempFolder } from "../support/servers.ts";

const models = fileURLToPath(new URL("../../models", import.meta.url));
const peers = fileURLToPath(new URL("../peers/", import.meta.url));

/** Writes columns of narrow types and of nothing but nulls. */
const narrow = `
import sys
import pandas as pd
pd.DataFrame({
    "player_id": ["a", "b", "c"],
    "small": pd.Series([1, 200, 255], dtype="uint8"),
    "signed": pd.Series([-128, 0, 127], dtype="int8"),
    "half": pd.Series([0.1, 1e30, None], dtype="float32"),
    "empty": [None, None, None],
    "flag": [True, None, False],
}).to_parquet(sys.argv[1])
`;

/** Rows in files, and how they become the model's columns. */
interface Case {
  readonly files: readonly string[];
  readonly recipe: unknown;
  readonly columns: readonly { readonly name: string }[];
}

type Matrix = readonly (readonly (number | null)[])[];

/** Returns what training makes of each file of each case: a matrix, or the error. */
async function encode(
  cases: readonly Case[],
  folder: string,
): Promise<(Matrix | string)[][]> {
  await Deno.writeTextFile(`${folder}/cases.json`, JSON.stringify(cases));
  const { stdout } = await runPython(
    "xgboost",
    `${peers}encode_training.py`,
    { args: [models, `${folder}/cases.json`] },
  );
  return JSON.parse(stdout);
}

testWithPython(
  "models/recipe.py makes of 120 generated weeks in five formats what pandas makes of them",
  async () => {
    await using folder = await tempFolder();
    const { stdout } = await runPython("columnar", `${peers}recipe_steps.py`, {
      args: ["5", "120", folder.path],
    });
    const { cases }: {
      cases: (Case & { name: string; formats?: string[]; matrix: Matrix })[];
    } = JSON.parse(stdout);
    const weeks = cases.filter(({ formats }) => formats === undefined)
      .map(({ name, ...week }) => ({
        ...week,
        files: ["jsonl", "json", "csv", "parquet", "typed.parquet"]
          .map((format) => `${name}.${format}`),
      }));
    strictEqual(weeks.length, 120);
    const found = await encode(weeks, folder.path);
    weeks.forEach(({ files, recipe, matrix }, week) =>
      files.forEach((file, at) =>
        deepStrictEqual(
          found[week]![at],
          matrix,
          `${file} ${JSON.stringify(recipe)}`,
        )
      )
    );
  },
);

testWithPython(
  "models/recipe.py finds labels and categories as predict does, whatever their type, and a default never replaces one",
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    const oneHot = (categories: readonly string[], more = {}) => ({
      recipe: { one_hot: [{ column: "c", categories }], ...more },
      columns: categories.map((category) => ({ name: `c_${category}` })),
    });
    const map = (values: Record<string, number>) => ({
      recipe: { steps: [{ map: { column: "c", values, unknown: "none" } }] },
      columns: [{ name: "c" }],
    });
    const defaults = {
      c_A: false,
      c_1: true,
      c_NA: true,
    };
    const recipes = [
      oneHot(["1", "2", "True", "A", "NA", "nan"]),
      oneHot(["1.0", "true", "False", "null", "1.5"]),
      oneHot(["A", "1", "NA"], { steps: [{ default: defaults }] }),
      map({ "1": 10, "2": 20, true: 30, A: 40, NA: 50, "1.5": 60 }),
      map({ "1.0": 10, "True": 20, false: 30, null: 40 }),
    ];
    const cells: unknown[][] = [
      [1, 2, 3, null],
      [1.5, 1, null, 2],
      ["1", "2", "1.0", "x", null],
      [true, false, null],
      ["true", "True", "A", "1", "1.5"],
      ["A", "NA", "nan", "null", "", null],
      [1, "1", true, "A", null, 1.5],
      [null, null],
    ];
    const files = await Promise.all(cells.flatMap((column, index) => {
      const rows = column.map((c, row) => ({ player_id: `p${row}`, c }));
      const text = {
        jsonl: rows.map((row) => JSON.stringify(row)).join("\n"),
        csv: `player_id,c\n${
          rows.map(({ player_id, c }) => `${player_id},${c ?? ""}`).join("\n")
        }\n`,
      };
      return Object.entries(text).map(async ([format, text]) => {
        const file = `${path}/${index}.${format}`;
        await Deno.writeTextFile(file, text);
        return file;
      });
    }));
    const cases = recipes.map((recipe) => ({ ...recipe, files }));
    const found = await encode(cases, path);
    for (const [at, { recipe, columns }] of cases.entries()) {
      for (const [index, file] of files.entries()) {
        deepStrictEqual(
          found[at]![index],
          await predicted(file, { recipe: unlimited(recipe), columns }, path),
          `${JSON.stringify(recipe)} ${await Deno.readTextFile(file)}`,
        );
      }
    }
  },
);

testWithPython(
  "models/recipe.py computes in float64, also with columns of uint8 and of nothing but nulls",
  async () => {
    await using folder = await tempFolder();
    const file = `${folder.path}/narrow.parquet`;
    await runPython("xgboost", narrow, { args: [file] });
    const columns = ["small", "signed", "half", "empty", "flag"];
    const steps = columns.flatMap((column) => [
      { clip: { column, to: `${column}_clip`, min: -1000, max: 1e9 } },
      { clip: { column, to: `${column}_part`, min: 0, max: 150.5 } },
      {
        ratio: { numerator: column, denominator: "small", to: `${column}_of` },
      },
      ...column === "signed"
        ? []
        : [{ log1p: { column, to: `${column}_log` } }],
    ]);
    const own = {
      files: [file],
      recipe: { steps: [...steps, { default: { empty: 3, flag: true } }] },
      columns: steps.map((step) => ({ name: Object.values(step)[0]!.to }))
        .concat({ name: "empty" }, { name: "flag" }),
    };
    const [[found] = []] = await encode([own], folder.path);
    deepStrictEqual(found, await predicted(file, own, folder.path));
  },
);

/** Returns the matrix that predict makes of a file. */
async function predicted(
  file: string,
  { recipe, columns }: Pick<Case, "recipe" | "columns">,
  temporary: string,
): Promise<Matrix> {
  const source = bytesAsFile(file, await Deno.readFile(file));
  const { matrix, rows } = await readFeatures(source, {
    columns: columns.map(({ name }) => ({ name, type: "double" })),
    recipe: toVariants({ recipe, variants: [] }).settings({}).recipe,
    idColumn: "player_id",
    temporary,
  });
  const width = columns.length;
  return Array.from({ length: rows }, (_, row) =>
    Array.from(
      matrix.subarray(row * width, (row + 1) * width),
      (cell) => Number.isNaN(cell) ? null : cell,
    ));
}

/** Returns a recipe that accepts any share of unknown categories, which training does not count. */
function unlimited(
  recipe: { one_hot?: readonly object[]; steps?: readonly object[] },
): unknown {
  const { one_hot = [] } = recipe;
  return {
    ...recipe,
    one_hot: one_hot.map((step) => ({ ...step, unknown: "none" })),
  };
}
