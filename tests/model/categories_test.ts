/**
 * Labels of pandas' categories: XGBoost and LightGBM score frames with columns
 * of the type `category`, and we must give their scores for the labels.
 */
import {
  deepStrictEqual,
  ok,
  rejects,
  strictEqual,
  throws,
} from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Model } from "../../lib/model/ensemble.ts";
import { evaluate } from "../../lib/model/evaluate.ts";
import { openKernel } from "../../lib/model/kernel/kernel.ts";
import {
  toCode,
  typeOfLabels,
  unseenCategory,
} from "../../lib/model/labels.ts";
import {
  type GraphColumn,
  toColumnGraph,
  toGraphRows,
} from "../../lib/model/onnx/columns.ts";
import { toOnnx } from "../../lib/model/onnx/write.ts";
import { openColumnGraph, openOnnx } from "../../lib/model/onnx/session.ts";
import { parseModel } from "../../lib/model/formats/detect.ts";
import { largestError } from "../parity/compare.ts";
import { runPython, testWithPython } from "../support/python.ts";

type Cell = string | number | boolean | null;

interface Entry {
  readonly library: "xgboost" | "lightgbm";
  readonly name: string;
  readonly file: string;
  readonly columns: readonly GraphColumn[];
  readonly rows: readonly (readonly Cell[])[];
  readonly scores: readonly number[];
}

interface Index {
  readonly xgboost: string;
  readonly lightgbm: string;
  readonly models: readonly Entry[];
}

const generator = fileURLToPath(
  new URL("../parity/category_models.py", import.meta.url),
);

/** Converts rows with labels to the matrix of codes that models read; an unknown label becomes missing. */
function toMatrix(model: Model, rows: Entry["rows"]): Float32Array {
  const cells = rows.flatMap((row) =>
    row.map((cell, feature) => {
      if (cell === null) return NaN;
      const labels = model.features.labels?.[feature];
      return labels ? toCode(labels, cell) ?? NaN : Number(cell);
    })
  );
  return Float32Array.from(cells);
}

function toFed({ columns, rows }: Entry, model: Model): unknown[][] {
  return toGraphRows(model, { types: columns.map(({ type }) => type), rows });
}

for (const peer of ["parity", "xgboost"] as const) {
  testWithPython(
    `labels of categories score as ${peer}'s XGBoost and LightGBM score the frame`,
    async (t) => {
      const folder = await Deno.makeTempDir({ prefix: "categories-" });
      try {
        await runPython(peer, generator, { args: [folder] });
        const index = JSON.parse(
          await Deno.readTextFile(`${folder}/index.json`),
        ) as Index;
        strictEqual(index.xgboost, peer === "parity" ? "3.4.1" : "3.2.0");
        ok(index.models.length >= 38, `${index.models.length} models`);
        for (const entry of index.models) {
          await t.step(`${entry.library} ${entry.name}`, async () => {
            await checkEntry(
              entry,
              await Deno.readFile(`${folder}/${entry.file}`),
            );
          });
        }
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  );
}

async function checkEntry(entry: Entry, bytes: Uint8Array): Promise<void> {
  const model = parseModel(bytes);
  const { rows, columns } = entry;
  strictEqual(rows.length, 500);
  ok(model.features.labels?.some((labels) => labels !== undefined));
  const expected = Float64Array.from(entry.scores);
  const spread = Math.max(...expected) - Math.min(...expected);
  ok(spread > 0.05, `scores are spread over ${spread}`);
  const matrix = toMatrix(model, rows);
  const check = (what: string, found: Float32Array) => {
    const error = largestError(expected, found);
    ok(error <= 1e-6, `${what}: largest error ${error}`);
  };
  check("evaluate", evaluate(model, matrix, { rows: 500 }).predictions);
  if (model.kind === "trees") {
    check("kernel", openKernel(model).predict(matrix, 500));
  }
  await using session = await openOnnx(toOnnx(model));
  check("ONNX matrix", await session.predict(matrix, 500));
  const mixed = (model.features.labels ?? []).findIndex((labels) =>
    labels && typeOfLabels(labels) === "mixed"
  );
  if (mixed >= 0) {
    throws(
      () => toColumnGraph(model, { columns }),
      /an MLflow column has one type/,
    );
    return;
  }
  await using graph = await openColumnGraph(toColumnGraph(model, { columns }));
  check("ONNX columns", await graph.predict(toFed(entry, model)));
  await checkUnseen(entry, model);
}

/** Checks a label that is not in the training frame: LightGBM reads it as missing, XGBoost rejects the rows. */
async function checkUnseen(entry: Entry, model: Model): Promise<void> {
  const feature = model.features.labels?.findIndex((labels) => labels) ?? -1;
  const { type = "" } = entry.columns[feature] ?? {};
  const unseen = { string: "never seen", long: 77, double: 77.5 }[type];
  if (unseen === undefined) return;
  await using graph = await openColumnGraph(
    toColumnGraph(model, { columns: entry.columns }),
  );
  const [first = []] = toFed(entry, model);
  const row = (cell: Cell) => first.map((old, f) => f === feature ? cell : old);
  if (unseenCategory(entry.library) === "error") {
    await rejects(graph.predict([row(unseen)]), /Cannot score ONNX graph/);
    return;
  }
  const [found] = await graph.predict([row(unseen)]);
  const cells = entry.rows[0]?.map((old, f) => f === feature ? null : old);
  const missing = evaluate(model, toMatrix(model, [cells ?? []]), { rows: 1 });
  const error = Math.abs((found ?? NaN) - (missing.predictions[0] ?? NaN));
  ok(error <= 1e-6, `unseen is ${error} from missing`);
}

const head = `tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=3
objective=binary sigmoid:1
feature_names=text flag size z
`;
const tree = `Tree=0
num_leaves=1
num_cat=0
split_feature=
split_gain=
threshold=
decision_type=
left_child=
right_child=
leaf_value=0.5
leaf_weight=
leaf_count=
internal_value=
internal_weight=
internal_count=
is_linear=0
shrinkage=1


`;

/** Returns a LightGBM model with the last line that its Python package writes. */
function lightgbmWith(
  { infos, categorical, lists }: {
    infos: string;
    categorical: string | undefined;
    lists: string;
  },
): Uint8Array {
  const parameters = categorical === undefined
    ? ""
    : `\nparameters:\n[categorical_feature: ${categorical}]\nend of parameters\n`;
  return new TextEncoder().encode(
    `${head}feature_infos=${infos}\ntree_sizes=${tree.length}\n\n${tree}end of trees\n${parameters}\npandas_categorical:${lists}\n`,
  );
}

/** Lists of labels and the features that they belong to; undefined if that is ambiguous. */
const mappings: readonly {
  readonly what: string;
  readonly infos: string;
  readonly categorical: string | undefined;
  readonly lists: string;
  readonly features: readonly number[] | undefined;
}[] = [
  {
    what: "the features that categorical_feature names",
    infos: "-1:2:0:1 [0:1] none -1:0:2",
    categorical: "0,2",
    lists: '[["a","b","c"],["k"]]',
    features: [0, 2],
  },
  {
    what: "an ordered column, if no other feature fits",
    infos: "-1:2:0:1 [-3:1] [0:5] [0.5:1]",
    categorical: "0",
    lists: '[["a","b","c"],["r","s","t","u","v","w"]]',
    features: [0, 2],
  },
  {
    what: "an ordered column, if other features fit too",
    infos: "-1:2:0:1 [0:1] [0:1] [0:1]",
    categorical: "0",
    lists: '[["a","b","c"],["r","s"]]',
    features: undefined,
  },
  {
    what: "numeric categories beside labels, if their codes are too large",
    infos: "-1:2:0:1 [0.5:1] [-1:1] -1:70:80",
    categorical: "0,3",
    lists: '[["a","b","c"]]',
    features: [0],
  },
  {
    what: "numeric categories beside labels, if both fit",
    infos: "-1:2:0:1 [0:1] [0:1] -1:1:2",
    categorical: "0,3",
    lists: '[["a","b","c"]]',
    features: undefined,
  },
  {
    what: "lists that are too short for the named features",
    infos: "-1:2:0:1 [0.5:1] [0.5:1] [0.5:1]",
    categorical: "0",
    lists: '[["a","b"]]',
    features: undefined,
  },
  {
    what: "a file without parameters, if only one feature has categories",
    infos: "-1:2:0:1 [0.5:1] [-1:1] [0.5:1]",
    categorical: undefined,
    lists: '[["a","b","c"]]',
    features: [0],
  },
  {
    what: "no categories",
    infos: "[0:1] [0:1] [0:1] [0:1]",
    categorical: "",
    lists: "[]",
    features: [],
  },
  {
    what: "no pandas frame",
    infos: "[0:1] [0:1] [0:1] [0:1]",
    categorical: "",
    lists: "null",
    features: [],
  },
];

for (const { what, features, ...parts } of mappings) {
  Deno.test(`parseModel() assigns LightGBM's lists of labels: ${what}`, () => {
    const bytes = lightgbmWith(parts);
    if (features === undefined) {
      throws(
        () => parseModel(bytes),
        /pandas_categorical: cannot assign \d lists of labels/,
      );
      return;
    }
    const { labels } = parseModel(bytes).features;
    const found = (labels ?? []).flatMap((list, f) => list ? [f] : []);
    deepStrictEqual(found, features);
  });
}

for (
  const [lists, message] of [
    ['[["a","a"]]', /duplicate label/],
    [
      "[[9007199254740993]]",
      /label 9007199254740992 is not a number of at most/,
    ],
    ['[["a",null]]', /expected a list of strings, numbers and booleans/],
    ['{"a":1}', /expected a list of strings, numbers and booleans/],
    ["[[NaN]]", /pandas_categorical: /],
    ['[["a"', /pandas_categorical: /],
  ] as const
) {
  Deno.test(`parseModel() rejects LightGBM's ${lists}`, () => {
    const infos = "-1:0 [0.5:1] [0.5:1] [0.5:1]";
    const bytes = lightgbmWith({ infos, categorical: "0", lists });
    throws(() => parseModel(bytes), message);
  });
}

/** Returns a golden XGBoost model with other `cats`. */
function xgboostWith(cats: unknown, version = [3, 4, 1]): Uint8Array {
  const path = new URL("../golden/fuzz/categories.json", import.meta.url);
  const document = JSON.parse(Deno.readTextFileSync(path)) as {
    version: number[];
    learner: { gradient_booster: { model: Record<string, unknown> } };
  };
  document.version = version;
  document.learner.gradient_booster.model["cats"] = cats;
  return new TextEncoder().encode(JSON.stringify(document));
}

const plain = parseModel(xgboostWith({
  enc: [],
  feature_segments: [],
  sorted_idx: [],
}));
const none = { offsets: [], values: [] };
const count = plain.features.count;

/** Returns `cats` with the given entry for the first feature. */
function catsWith(entry: unknown, size: number): unknown {
  return {
    enc: [entry, ...new Array(count - 1).fill(none)],
    feature_segments: [0, ...new Array(count).fill(size)],
    sorted_idx: [],
  };
}

Deno.test("parseModel() reads strings, numbers and no labels from XGBoost's cats", () => {
  strictEqual("labels" in plain.features, false);
  const text = { offsets: [0, 2, 2, 5], values: [97, 98, -30, -104, -125] };
  deepStrictEqual(
    parseModel(xgboostWith(catsWith(text, 3))).features.labels?.[0],
    ["ab", "", "☃"],
  );
  const numbers = { type: 15, values: [10, -3] };
  deepStrictEqual(
    parseModel(xgboostWith(catsWith(numbers, 2))).features.labels,
    [[10, -3], ...new Array(count - 1).fill(undefined)],
  );
});

for (
  const [what, cats, message, version] of [
    [
      "strings that XGBoost before 3.4 truncated",
      catsWith({ offsets: [0, 1, 2], values: [-61, -87] }, 2),
      /non-ASCII characters, which XGBoost 3\.2\.0 saves incorrectly/,
      [3, 2, 0],
    ],
    [
      "offsets that do not divide the bytes",
      catsWith({ offsets: [0, 1, 1], values: [97, 98] }, 2),
      /offsets do not divide 2 bytes/,
    ],
    [
      "bytes that are not UTF-8",
      catsWith({ offsets: [0, 1], values: [-1] }, 1),
      /a label is not UTF-8/,
    ],
    [
      "a duplicate label",
      catsWith({ type: 15, values: [4, 4] }, 2),
      /duplicate label/,
    ],
    [
      "segments that do not match",
      catsWith({ type: 15, values: [4, 5] }, 3),
      /cats\.feature_segments: .* does not match 2 labels/,
    ],
    [
      "too few entries",
      { enc: [none], feature_segments: [0, 0], sorted_idx: [] },
      /cats\.enc: 1 entries for \d+ features/,
    ],
    [
      "an unknown key",
      catsWith({ type: 15, values: [4], missing: 1 }, 1),
      /unknown key "missing"/,
    ],
  ] as const
) {
  Deno.test(`parseModel() rejects XGBoost's cats with ${what}`, () => {
    const bytes = xgboostWith(cats, version ? [...version] : undefined);
    throws(() => parseModel(bytes), message);
  });
}
