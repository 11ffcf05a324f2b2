import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { InputError, UsageError } from "../../lib/base/errors.ts";
import { openOnnx } from "../../lib/model/onnx/session.ts";
import type { OutputFacts } from "../../lib/model/onnx/output.ts";
import {
  type OutputSettings,
  toModelOutput,
} from "../../lib/scoring/model-output.ts";
import { toVariants } from "../../lib/config/variants.ts";
import { largestError } from "../parity/compare.ts";

const folder = new URL("../golden/onnx/", import.meta.url);
const golden: {
  rows: number[];
  models: Record<string, { classes: string[] | null; expected: number[] }>;
} = JSON.parse(Deno.readTextFileSync(new URL("expected.json", folder)));
const unset: OutputSettings = {
  positiveClass: undefined,
  modelOutput: undefined,
};

function graph(name: string) {
  return Deno.readFileSync(new URL(`${name}.onnx`, folder));
}

/** Graphs of two classes: what `positive_class` must be, undefined where nothing is to be said, and the column of `predict_proba`. */
const pairs: readonly [string, string | undefined, number][] = [
  ["sklearn-forest", undefined, 1],
  ["sklearn-logistic", undefined, 1],
  ["catboost-binary", undefined, 1],
  ["xgboost-matrix", undefined, 1],
  ["booleans", undefined, 1],
  ["booleans-matrix", undefined, 1],
  ["booleans", "0", 0],
  ["text-first", "churn", 0],
  ["text-first", "stay", 1],
  ["text-first-matrix", "churn", 0],
  ["text-second", "churned", 1],
  ["text-second-matrix", "churned", 1],
  ["integers-one-two", "2", 1],
  ["integers-one-two-matrix", "1", 0],
  ["integers-signed-matrix", "1", 1],
  ["integers-signed-matrix", "-1", 0],
  ["pipeline", "churn", 0],
  ["pipeline-matrix", "churned", 1],
  ["calibrated", "churn", 0],
  ["calibrated-matrix", "churn", 0],
  ["boosted-matrix", "churn", 0],
  ["stacking-matrix", "churn", 0],
  ["bagging-matrix", "churn", 0],
  ["network-matrix", "churn", 0],
  ["descent-matrix", "churn", 0],
  ["bayes-matrix", "churn", 0],
  ["catboost-text", "churn", 0],
  ["catboost-integers", "2", 1],
  ["lightgbm-text", "churn", 0],
  ["lightgbm-text-matrix", "churn", 0],
  ["net-softmax", "1", 1],
];

for (const [name, positiveClass, column] of pairs) {
  const title = positiveClass ?? "its own 1 or true";
  Deno.test(`toModelOutput() returns the library's probability of ${title} from ${name}`, async () => {
    const { output, found } = await score(name, { ...unset, positiveClass });
    strictEqual(output.predictionKind, "probability");
    strictEqual(output.outputs, 1);
    const both = golden.models[name]!.expected;
    const expected = Float64Array.from(
      both.filter((_, index) => index % 2 === column),
    );
    ok(largestError(expected, found) <= 1e-6);
    // The other class would have shown.
    ok(expected.some((p) => Math.abs(p - (1 - p)) > 0.1));
  });
}

/** Graphs of which variants.yaml must say what they are: what the error says. */
const unknownClass: readonly [string, string | undefined, RegExp][] = [
  [
    "text-first",
    undefined,
    /its classes are "churn", "stay"; name it .* `positive_class: churn` or `positive_class: stay`/,
  ],
  ["text-first-matrix", "left", /positive_class "left" .* "churn", "stay"/],
  [
    "integers-one-two",
    undefined,
    /`positive_class: 1` or `positive_class: 2`/,
  ],
  ["integers-signed-matrix", undefined, /its classes are "-1", "1"/],
  ["stacking-matrix", undefined, /its classes are "churn", "stay"/],
  ["bagging-matrix", "1", /its classes are "churn", "stay"/],
  ["calibrated", undefined, /its classes are "churn", "stay"/],
  ["catboost-text", undefined, /its classes are "churn", "stay"/],
  ["net-softmax", undefined, /it has two columns and no class names/],
  ["net-sigmoid", "churn", /its file has no class names/],
  ["net-sigmoid", "0", /it returns the probability of class 1/],
];

for (const [name, positiveClass, message] of unknownClass) {
  Deno.test(`toModelOutput() asks for the class of ${name} when it is ${positiveClass ?? "not named"}`, async () => {
    await using session = await openOnnx(graph(name));
    const settings = { ...unset, positiveClass };
    throws(
      () =>
        toModelOutput(session.facts, {
          columns: session.outputs,
          settings,
          what: name,
        }),
      (error) =>
        error instanceof UsageError && message.test(error.message) || error,
    );
  });
}

for (
  const [name, outputs] of [
    ["forest-of-shares", 1],
    ["linear", 1],
    ["sklearn-boosting", 1],
    ["catboost-regression", 1],
    ["net-named", 1],
    ["net-tail", 1],
    ["raw-margins", 2],
    ["support-vectors", 2],
  ] as const
) {
  Deno.test(`toModelOutput() treats ${name} as a score, even if its values are from 0 to 1`, async () => {
    const { output, found } = await score(name, unset);
    deepStrictEqual([output.predictionKind, output.outputs], [
      "score",
      outputs,
    ]);
    strictEqual(found.length, golden.models[name]!.expected.length);
  });
}

Deno.test("toModelOutput() returns the columns of three classes unchanged", async () => {
  for (const name of ["sklearn-forest-of-three", "catboost-three"]) {
    const { output, found } = await score(name, {
      ...unset,
      positiveClass: "1",
    });
    deepStrictEqual([output.predictionKind, output.outputs], [
      "probability",
      3,
    ]);
    strictEqual(found.length, 60);
  }
});

Deno.test("model_output: probability accepts an undeclared output if its values are probabilities", async () => {
  const said: OutputSettings = { ...unset, modelOutput: "probability" };
  for (const name of ["net-tail", "forest-of-shares"]) {
    const { output, found } = await score(name, said);
    deepStrictEqual([output.predictionKind, output.outputs], [
      "probability",
      1,
    ]);
    const expected = Float64Array.from(golden.models[name]!.expected);
    ok(largestError(expected, found) <= 1e-6);
  }
  await refuses("net-named", said, /row \d+ has -0\.\d+, expected a prob/);
  await refuses("sklearn-boosting", said, /expected a probability from 0 to 1/);
  await refuses(
    "raw-margins",
    { ...said, positiveClass: "churn" },
    /row 1 has .* expected the probabilities of two classes/,
  );
});

Deno.test("a decision function with one column for two classes is rejected", async () => {
  await refuses("ridge", unset, /one column for the classes "churn", "stay"/);
});

Deno.test("toModelOutput() clips rounding errors outside 0 to 1, and rejects larger ones", () => {
  const facts: OutputFacts = { kind: "probability", classes: ["0", "1"] };
  const output = toModelOutput(facts, {
    columns: 2,
    settings: unset,
    what: "m",
  });
  const above = Math.fround(1 + 2 ** -23);
  deepStrictEqual(
    output.take(Float32Array.of(0, above, 1, -1e-8)),
    Float32Array.of(1, 0),
  );
  for (const pair of [[-1, 1], [0.2, 0.2], [NaN, 1], [0, NaN]]) {
    throws(() => output.take(Float32Array.from(pair)), InputError);
  }
});

Deno.test("variants.yaml can name the positive class as a string, an integer or a boolean", () => {
  const read = (positive_class: unknown) =>
    toVariants({ positive_class, variants: [{}] }).listed[0]?.positiveClass;
  deepStrictEqual(["churn", 2, -1, true, undefined].map(read), [
    "churn",
    "2",
    "-1",
    "true",
    undefined,
  ]);
  throws(() => read(["churn"]), /positive_class should be a string/);
  throws(
    () => toVariants({ model_output: "score", variants: [{}] }),
    /model_output should be "probability"/,
  );
  const [base, us] = toVariants({
    positive_class: "churn",
    variants: [{}, { geography: "US", positive_class: "left" }],
  }).listed;
  deepStrictEqual([base?.positiveClass, us?.positiveClass], ["churn", "left"]);
});

/** What an output is, and what it makes of the golden rows. */
async function score(name: string, settings: OutputSettings) {
  await using session = await openOnnx(graph(name));
  const { facts, outputs: columns } = session;
  const output = toModelOutput(facts, { columns, settings, what: name });
  const rows = Float32Array.from(golden.rows);
  const values = await session.predict(rows, rows.length / 5);
  return { output, found: output.take(values) };
}

async function refuses(
  name: string,
  settings: OutputSettings,
  message: RegExp,
): Promise<void> {
  const error = await score(name, settings).then(() => undefined, (e) => e);
  ok(error instanceof InputError, `${name}: ${error}`);
  ok(message.test(error.message), error.message);
}
