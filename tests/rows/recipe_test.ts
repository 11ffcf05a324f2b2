/** Recipes against `pandas.get_dummies`, and how a recipe's categories are found. */
import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { toFeatures } from "../../lib/rows/features.ts";
import {
  differsFrom,
  digestRecipe,
  fromRecorded,
  parseRecorded,
  plainRecipe,
  resolveRecipe,
  toRecorded,
} from "../../lib/rows/recipe.ts";
import { openCategories } from "../../lib/rows/categories.ts";
import { parseJsonLines } from "../../lib/rows/json-lines.ts";
import { runPython, testWithPython } from "../support/python.ts";

interface Case {
  readonly kind: string;
  readonly lines: readonly string[];
  readonly columns: readonly string[];
  readonly categories: readonly string[];
  readonly drop_first: boolean;
  readonly matrix: readonly (readonly number[])[];
}

testWithPython(
  "a recipe encodes 3 × 200 generated weeks as pandas.get_dummies and reindex do",
  async () => {
    const script = fileURLToPath(
      new URL("../peers/get_dummies.py", import.meta.url),
    );
    for (const seed of ["1", "2", "3"]) {
      const { stdout } = await runPython("xgboost", script, { args: [seed] });
      const { cases, version }: { cases: Case[]; version: string } = JSON.parse(
        stdout,
      );
      strictEqual(cases.length, 200);
      for (const [index, each] of cases.entries()) {
        const bytes = new TextEncoder().encode(each.lines.join("\n"));
        const columns = each.columns.map((name) => ({
          name,
          type: name === "spend" || name === "c_count" ? "double" : "boolean",
        }));
        const rows = [...parseJsonLines(bytes, { file: "week" })];
        const step = {
          column: "c",
          prefix: "c_",
          // Which category a dropped first one was, only the user can say.
          categories: each.drop_first ? each.categories : undefined,
          unknownLimit: 1,
        };
        const recipe = resolveRecipe(
          { ...plainRecipe, oneHot: [step] },
          { columns, rows: rows.map(({ value }) => value) },
        );
        const { matrix } = toFeatures(rows, {
          columns,
          recipe,
          idColumn: undefined,
          file: "week",
        });
        deepStrictEqual(
          [...matrix],
          [...Float32Array.from(each.matrix.flat())],
          `pandas ${version}, seed ${seed}, case ${index}: ${
            JSON.stringify(each).slice(0, 2000)
          }`,
        );
      }
    }
  },
);

Deno.test("openCategories() compares numbers as numbers, and spellings of Python only", () => {
  const find = openCategories(["1.0", "2.5", "1e-05", "1e+16", "01", "1.50"]);
  deepStrictEqual([1, 2.5, 0.00001, 1e16, 1.5].map(find), [
    0,
    1,
    2,
    undefined, // beyond 2^53 JSON.parse may have rounded it
    -1,
  ]);
  deepStrictEqual(["01", "1", 1.5, true, null].map(find), [4, -1, -1, -1, -1]);
});

const columns = [
  { name: "brand_US", type: "boolean" },
  { name: "brand_ca", type: "double" },
  { name: "brand_count", type: "double" },
  { name: "brand_id_NJ", type: "boolean" },
  { name: "brand_active", type: "boolean" },
];
const declared = {
  steps: [],
  oneHot: ["brand", "brand_id"].map((column) => ({
    column,
    prefix: `${column}_`,
    categories: undefined,
    unknownLimit: 0.5,
  })),
  missingValue: undefined,
};
const categoriesWith = (rows: Record<string, unknown>[]) =>
  resolveRecipe(declared, { columns, rows }).oneHot.map(({ categories }) =>
    categories
  );

Deno.test("resolveRecipe() takes exactly the columns that are proven to be categories", () => {
  deepStrictEqual(categoriesWith([]), [["US", "active"], ["NJ"]]);
  deepStrictEqual(
    categoriesWith([{ brand: "ca", brand_count: 3, brand_active: true }]),
    [["US", "ca"], ["NJ"]],
    "a boolean that is true beside another category is none",
  );
  deepStrictEqual(
    categoriesWith([{ brand_US: true, brand_active: true }]),
    [[], ["NJ"]],
    "two columns true in one row: which one is no category is unknown, so neither is claimed",
  );
});

Deno.test("a recorded recipe comes back as it was, with the limits of today", () => {
  const steps = [
    { kind: "rename", names: { a: "b", ["__proto__"]: "c" } },
    {
      kind: "map",
      column: "tier",
      to: "rank",
      values: { gold: 2, none: "x" },
      unknownLimit: 0.25,
    },
    { kind: "clip", column: "b", to: "b", max: 3 },
  ] as const;
  const withSteps = { ...declared, steps };
  const recipe = resolveRecipe({ ...withSteps, missingValue: -999 }, {
    columns,
    rows: [],
  });
  const recorded = parseRecorded(
    JSON.parse(JSON.stringify(toRecorded(recipe))),
  );
  deepStrictEqual(fromRecorded(recorded, withSteps), recipe);
  strictEqual(
    digestRecipe(fromRecorded(recorded, declared)),
    digestRecipe(recipe),
  );
  strictEqual(
    differsFrom(recorded, { ...withSteps, missingValue: -999 }),
    false,
  );
  for (const other of [[], steps.toReversed(), steps.slice(1)]) {
    strictEqual(
      differsFrom(recorded, {
        ...declared,
        steps: other,
        missingValue: -999,
      }),
      true,
    );
  }
  strictEqual(differsFrom(recorded, declared), true);
  strictEqual(
    digestRecipe({ ...recipe, steps: [], missingValue: undefined }),
    // Of the release before there were steps: a version that it recorded is the same version.
    "dc0d3452572eb68b7c3fb00327fe3a607c40289428985235fd14c0d19284eb07",
  );
  throws(
    () => parseRecorded({ one_hot: [], two_hot: [] }),
    /the recipe recorded with the model: two_hot is not a known key/,
  );
  throws(
    () => parseRecorded({ one_hot: [], steps: [{ kind: "power" }] }),
    /steps\[0\] should be a step that this release knows, found {"kind":"power"}/,
  );
  throws(
    () => parseRecorded({ one_hot: [{ column: "a", prefix: "a_" }] }),
    /Cannot use the recipe recorded with the model: one_hot\[0\]\.categories should be a list, found nothing/,
  );
});
