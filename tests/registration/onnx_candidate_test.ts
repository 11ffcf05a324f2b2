/** ONNX files as candidates: graphs with one input per column, settings of the output, and graphs that cannot be logged. */
import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { InputError, UsageError } from "../../lib/base/errors.ts";
import { openLocal } from "../../lib/storage/local.ts";
import {
  type Candidate,
  toCandidate,
} from "../../lib/registration/candidate.ts";
import { proveParity } from "../../lib/registration/parity-gate.ts";
import { toModelFolder } from "../../lib/registration/model-folder.ts";
import { readModelFolder } from "../../lib/mlflow/model-folder/read.ts";
import { openScorer, type Scorer } from "../../lib/scoring/scorer.ts";
import { parseJsonLines } from "../../lib/rows/json-lines.ts";
import { plainRecipe } from "../../lib/rows/recipe.ts";
import { toFeatures } from "../../lib/rows/features.ts";
import {
  bytesField,
  concat,
  integerField,
  stringField,
} from "../../lib/model/onnx/protobuf.ts";
import type { OutputSettings } from "../../lib/scoring/model-output.ts";
import { tempFolder } from "../support/servers.ts";

const golden = fileURLToPath(new URL("../golden/", import.meta.url));
const unset: OutputSettings = {
  positiveClass: undefined,
  modelOutput: undefined,
};

type Cells = Record<string, unknown>;

/** Labelled rows of a pipeline, and what scikit-learn says of each. */
function goldenRows(name: string): Cells[] {
  return Deno.readTextFileSync(`${golden}onnx_columns/${name}.jsonl`).trim()
    .split("\n").map((line): Cells => JSON.parse(line));
}

/** The candidate of a graph with rows; the features file lists the names. */
async function candidateOf(
  bytes: Uint8Array,
  { rows, names, settings = unset, missingValue, scores }: {
    rows: readonly Cells[];
    names: readonly string[];
    settings?: OutputSettings;
    missingValue?: number;
    scores?: string;
  },
): Promise<Candidate> {
  const file = (uri: string, text: string) => ({
    uri,
    bytes: new TextEncoder().encode(text),
  });
  const sample = file(
    "rows.jsonl",
    rows.map((row) => JSON.stringify(row)).join("\n"),
  );
  const parsed = {
    ...sample,
    rows: [...parseJsonLines(sample.bytes, { file: "rows.jsonl" })],
  };
  return await toCandidate({
    model: { uri: "model.onnx", bytes: new Uint8Array(bytes) },
    features: file("names.json", JSON.stringify(names)),
    sample: parsed,
    evaluation: "churned" in rows[0]! ? parsed : undefined,
    manifest: undefined,
  }, {
    ...settings,
    recipe: { ...plainRecipe, missingValue },
    idColumn: "player_id",
    label: "churned",
    scores,
  });
}

/** Opens the scorer of a candidate from its folder, as `predict` does. */
async function scorerOf(
  candidate: Candidate,
  settings = unset,
  engine: "auto" | "trees" = "auto",
): Promise<Scorer> {
  await using folder = await tempFolder();
  const { files } = toModelFolder(candidate, {
    artifactPath: folder.path,
    modelId: undefined,
    runId: "1".repeat(32),
    createdMs: 0,
  });
  for (const [path, bytes] of files) {
    await Deno.writeFile(`${folder.path}/${path}`, bytes);
  }
  const loaded = await readModelFolder(openLocal(folder.path), {
    mlmodelSha256: undefined,
    cache: { find: () => Promise.resolve(undefined), store: async () => {} },
  });
  return await openScorer(loaded, { engine, settings });
}

/** The scores of rows, as `predict` encodes them. */
async function scoresOf(scorer: Scorer, rows: readonly Cells[]) {
  const features = toFeatures(
    rows.map((value, index) => ({ number: index + 1, line: undefined, value })),
    {
      columns: scorer.columns ?? [],
      recipe: plainRecipe,
      idColumn: "player_id",
      file: "new.jsonl",
    },
  );
  const scores = await scorer.predict(features.matrix, features.rows);
  return { scores, unknown: features.unknownCategories };
}

const own = ["player_id", "churned", "expected"];
const columnsOf = (rows: readonly Cells[]) =>
  Object.keys(rows[0]!).filter((name) => !own.includes(name));

for (const name of ["mixed", "strict", "numbers", "booleans", "none"]) {
  Deno.test(`a graph with one input per column scores like scikit-learn: ${name}`, async () => {
    const rows = goldenRows(name);
    const bytes = Deno.readFileSync(`${golden}onnx_columns/${name}.onnx`);
    const names = columnsOf(rows);
    // Inputs are bound by name, in any order.
    const candidate = await candidateOf(bytes, {
      rows,
      names: names.toReversed(),
    });
    deepStrictEqual(candidate.columns.map(({ name }) => name), names);
    ok(candidate.columns.every(({ required }) => required));
    const parity = await proveParity(candidate);
    strictEqual(parity.sampleRows, 240);
    await using scorer = await scorerOf(candidate);
    strictEqual(scorer.engine, "onnxruntime");
    const { scores } = await scoresOf(scorer, rows);
    strictEqual(scores.length, 240);
    scores.forEach((score, row) =>
      ok(
        Math.abs(score - Number(rows[row]?.["expected"])) <= 1e-6,
        `row ${row + 1}`,
      )
    );
  });
}

Deno.test("the columns of a graph have its types, and unknown categories what the graph makes of them", async () => {
  const rows = goldenRows("mixed");
  const bytes = Deno.readFileSync(`${golden}onnx_columns/mixed.onnx`);
  const candidate = await candidateOf(bytes, { rows, names: columnsOf(rows) });
  deepStrictEqual(
    candidate.columns.map(({ name, type }) => [name, type]),
    [
      ["spend", "double"],
      ["months", "long"],
      ["brand", "string"],
      ["tier", "string"],
    ],
  );
  await using scorer = await scorerOf(candidate);
  const base = { spend: 50, months: 5, brand: "US", tier: "gold" };
  const { scores, unknown } = await scoresOf(scorer, [
    base,
    { ...base, brand: "FR" },
    { ...base, brand: "gold" },
    { ...base, brand: null },
  ]);
  deepStrictEqual(unknown, { brand: 2 });
  ok(scores[0] !== scores[1]);
  // OneHotEncoder(handle_unknown="ignore") makes all of them zeros.
  deepStrictEqual([scores[2], scores[3]], [scores[1], scores[1]]);
  for (
    const [cells, message] of [
      [{ months: null }, /input "months" is int64 and a row has a missing/],
      [{ months: 2 ** 24 }, /"months" is int64 and a row has 16777216/],
      [{ months: 1.5 }, /"months": expected a whole number/],
      [{ brand: 3 }, /"brand": expected one of the .* categories/],
    ] as const
  ) {
    await rejects(scoresOf(scorer, [{ ...base, ...cells }]), message);
  }
});

Deno.test("a graph that rejects unknown categories makes them errors, and missing ones too", async () => {
  const rows = goldenRows("strict");
  const bytes = Deno.readFileSync(`${golden}onnx_columns/strict.onnx`);
  const candidate = await candidateOf(bytes, { rows, names: columnsOf(rows) });
  await using scorer = await scorerOf(candidate);
  const base = { spend: 50, months: 5, brand: "US", tier: "gold" };
  await rejects(
    scoresOf(scorer, [{ ...base, brand: "FR" }]),
    /column "brand": expected one of the \d+ categories/,
  );
  await rejects(
    scoresOf(scorer, [{ ...base, tier: null }]),
    /input "tier" is string and a row has a missing value/,
  );
});

Deno.test("a category None of the training data is scored as such, and is no unknown one", async () => {
  const rows = goldenRows("none");
  const bytes = Deno.readFileSync(`${golden}onnx_columns/none.onnx`);
  const candidate = await candidateOf(bytes, { rows, names: columnsOf(rows) });
  await using scorer = await scorerOf(candidate);
  await rejects(
    scoresOf(scorer, [{ spend: 1, months: 1, brand: "FR" }]),
    InputError,
  );
});

const names = ["x0", "x1", "x2", "x3", "x4"];
const graphOf = (name: string) =>
  Deno.readFileSync(`${golden}onnx/${name}.onnx`);
const some: Cells[] = Array.from(
  { length: 30 },
  (_, row) => ({
    player_id: `p${row}`,
    ...Object.fromEntries(
      names.map((name, column) => [name, ((row * 5 + column) % 17) / 8 - 1]),
    ),
  }),
);

Deno.test("the output is recorded with the version, and variants.yaml cannot contradict it", async () => {
  const graph = graphOf("text-first-matrix");
  await rejects(
    candidateOf(graph, { rows: some, names }),
    (error) =>
      error instanceof UsageError &&
      /which class of model\.onnx is churn.*"churn", "stay"/.test(
        error.message,
      ),
  );
  const churn = { ...unset, positiveClass: "churn" };
  const candidate = await candidateOf(graph, {
    rows: some,
    names,
    settings: churn,
  });
  const stay = await candidateOf(graph, {
    rows: some,
    names,
    settings: { ...unset, positiveClass: "stay" },
  });
  strictEqual(candidate.digests.model, stay.digests.model);
  ok(candidate.digests.recipe !== stay.digests.recipe);
  strictEqual(candidate.model.parameters["classes"], "churn, stay");
  strictEqual(candidate.model.parameters["positive_class"], "churn");
  for (const settings of [unset, churn]) {
    await using scorer = await scorerOf(candidate, settings);
    const { scores } = await scoresOf(scorer, some);
    deepStrictEqual([...scores], [...candidate.sample.scores]);
  }
  await rejects(
    scorerOf(candidate, { ...unset, positiveClass: "stay" }),
    (error) =>
      error instanceof UsageError &&
      /logged with the probability of class "churn"/.test(error.message),
  );
  await rejects(
    scorerOf(candidate, unset, "trees"),
    (error) =>
      error instanceof UsageError &&
      /an ONNX graph only; use --engine auto/.test(error.message),
  );
});

Deno.test("scores and several classes are logged as what they are, without metrics", async () => {
  const labelled = some.map((row, index) => ({ ...row, churned: index % 2 }));
  for (
    const [name, outputs] of [
      ["sklearn-boosting", 1],
      ["forest-of-shares", 1],
      ["raw-margins", 2],
      ["catboost-three", 3],
    ] as const
  ) {
    const candidate = await candidateOf(graphOf(name), {
      rows: labelled,
      names,
    });
    await proveParity(candidate);
    strictEqual(candidate.metrics, undefined, name);
    await using scorer = await scorerOf(candidate);
    strictEqual(scorer.outputs, outputs);
    strictEqual(
      scorer.predictionKind,
      name === "catboost-three" ? "probability" : "score",
    );
  }
  const declared = await candidateOf(graphOf("forest-of-shares"), {
    rows: labelled,
    names,
    settings: { ...unset, modelOutput: "probability" },
  });
  ok(declared.metrics?.["auc"] !== undefined);
  await using scorer = await scorerOf(declared);
  strictEqual(scorer.predictionKind, "probability");
  const undeclared = await candidateOf(graphOf("forest-of-shares"), {
    rows: some,
    names,
  });
  await rejects(
    scorerOf(undeclared, { ...unset, modelOutput: "probability" }),
    /it was logged without model_output/,
  );
});

Deno.test("the library's own scores in the sample must be ours", async () => {
  const rows = goldenRows("mixed");
  const options = { names: columnsOf(rows), scores: "expected" };
  const bytes = Deno.readFileSync(`${golden}onnx_columns/mixed.onnx`);
  const candidate = await candidateOf(bytes, { ...options, rows });
  ok(candidate.libraryError! > 0 && candidate.libraryError! <= 1e-6);
  const { maxAbsoluteError } = await proveParity(candidate);
  strictEqual(maxAbsoluteError["the library"], candidate.libraryError);
  const changed = rows.map((row, index) =>
    index === 6 ? { ...row, expected: Number(row["expected"]) + 2e-5 } : row
  );
  await rejects(
    candidateOf(bytes, { ...options, rows: changed }),
    /1 of 240 scores of rows\.jsonl differ from column.*row 7 scores 0\.\d+, expected 0\.\d+; nothing was logged/,
  );
  await rejects(
    candidateOf(bytes, { ...options, rows, scores: "proba" }),
    /row 1, column "proba": expected the library's score, a number, found nothing/,
  );
  await rejects(
    candidateOf(graphOf("catboost-three"), { rows: some, names, scores: "p" }),
    UsageError,
  );
});

Deno.test("missing_value is missing for ours and in Python's graph", async () => {
  const rows = some.map((row, index) =>
    index % 3 === 0 ? { ...row, x1: -999 } : row
  );
  const graph = graphOf("xgboost-matrix");
  const candidate = await candidateOf(graph, {
    rows,
    names,
    missingValue: -999,
  });
  await proveParity(candidate);
  ok(!candidate.graphs.loadsInPython);
  const asNull = await candidateOf(graph, {
    rows: rows.map((row) => row.x1 === -999 ? { ...row, x1: null } : row),
    names,
  });
  deepStrictEqual(candidate.sample.scores, asNull.sample.scores);
});

Deno.test("trees that skl2onnx converted are logged with a warning if the sample has missing values", async () => {
  const rows = some.map((row, index) => index < 4 ? { ...row, x1: null } : row);
  const { warnings } = await candidateOf(graphOf("sklearn-forest"), {
    rows,
    names,
  });
  strictEqual(warnings.length, 1);
  match(warnings[0]!, /^4 of 30 rows of rows\.jsonl have missing values/);
  for (const name of ["catboost-binary", "xgboost-matrix"]) {
    const candidate = await candidateOf(graphOf(name), { rows, names });
    deepStrictEqual(candidate.warnings, [], name);
  }
});

Deno.test("names must match the graph: their number, its inputs, its metadata", async () => {
  const graph = graphOf("sklearn-logistic");
  await rejects(
    candidateOf(graph, { rows: some, names: names.slice(1) }),
    /names 4 features, the model was trained on 5/,
  );
  const columns = Deno.readFileSync(`${golden}onnx_columns/numbers.onnx`);
  await rejects(
    candidateOf(columns, {
      rows: goldenRows("numbers"),
      names: ["spend", "tenure"],
    }),
    /feature 2 is "tenure", the model has "months" there/,
  );
  const entry = concat([
    stringField(1, "feature_names"),
    stringField(2, JSON.stringify(names.toReversed())),
  ]);
  await rejects(
    candidateOf(concat([graph, bytesField(14, entry)]), { rows: some, names }),
    /feature 1 is "x0", the model has "x4" there/,
  );
});

/** A graph of one node over a matrix of three features. */
function graphWith(
  { op = "Identity", domain = "", opset = 15, constants = [] }: {
    op?: string;
    domain?: string;
    opset?: number;
    constants?: Uint8Array[];
  },
): Uint8Array {
  const tensor = (name: string) => {
    const dims = concat([
      bytesField(1, stringField(2, "rows")),
      bytesField(1, integerField(1, 3)),
    ]);
    const type = concat([integerField(1, 1), bytesField(2, dims)]);
    return concat([stringField(1, name), bytesField(2, bytesField(1, type))]);
  };
  const node = concat([
    stringField(1, "x"),
    stringField(2, "y"),
    stringField(4, op),
    stringField(7, domain),
  ]);
  const version = (name: string, number: number) =>
    bytesField(8, concat([stringField(1, name), integerField(2, number)]));
  return concat([
    integerField(1, 8),
    stringField(2, "test"),
    bytesField(
      7,
      concat([
        bytesField(1, node),
        stringField(2, "g"),
        ...constants.map((constant) => bytesField(5, constant)),
        bytesField(11, tensor("x")),
        bytesField(12, tensor("y")),
      ]),
    ),
    version("", opset),
    ...domain ? [version(domain, 1)] : [],
  ]);
}

const weights = concat([
  integerField(1, 1),
  integerField(2, 1),
  stringField(8, "w"),
  bytesField(
    13,
    concat([stringField(1, "location"), stringField(2, "weights.data")]),
  ),
  integerField(14, 1),
]);
const whole = graphOf("catboost-binary");

for (
  const [what, bytes, message] of [
    [
      "weights in another file",
      graphWith({ constants: [weights] }),
      /model\.onnx.*weights in another file \(weights\.data\).*save_as_external_data=False/,
    ],
    [
      "a truncated file",
      whole.subarray(0, whole.length / 2),
      /model\.onnx.*truncated or damaged \(\d+ bytes\)/,
    ],
    [
      "no graph",
      concat([integerField(1, 8), stringField(2, "test")]),
      /model\.onnx.*has no graph.*Core ML/,
    ],
    [
      "an unreleased operator set",
      graphWith({ opset: 99 }),
      /model\.onnx: the ONNX runtime rejects the graph \(ai\.onnx 99, written by test\): ONNX Runtime only.*operator set of 18 or lower/,
    ],
    [
      "an operator of another domain",
      graphWith({ op: "Foo", domain: "com.acme" }),
      /rejects the graph \(ai\.onnx 15, com\.acme 1, written by test\).*Foo/,
    ],
    [
      "an operator that does not exist",
      graphWith({ op: "Nonsense" }),
      /No Op registered for Nonsense/,
    ],
  ] as const
) {
  Deno.test(`an ONNX file with ${what} is rejected with what to do`, async () => {
    const rows = [{ a: 1, b: 2, c: 3 }];
    await rejects(
      candidateOf(bytes, { rows, names: ["a", "b", "c"] }),
      (error) =>
        error instanceof InputError &&
          message.test(`${error.message}: ${error.cause}`) || error,
    );
  });
}
