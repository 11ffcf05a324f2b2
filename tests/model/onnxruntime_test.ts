import {
  deepStrictEqual,
  ok,
  rejects,
  strictEqual,
  throws,
} from "node:assert/strict";
import { InputError } from "../../lib/base/errors.ts";
import type { TreeEnsemble } from "../../lib/model/ensemble.ts";
import { evaluate } from "../../lib/model/evaluate.ts";
import { toOnnx } from "../../lib/model/onnx/write.ts";
import { openOnnx } from "../../lib/model/onnx/session.ts";
import { rejectCycles } from "../../lib/model/onnx/cycles.ts";
import { parseModel } from "../../lib/model/formats/detect.ts";
import {
  bytesField,
  concat,
  integerField,
  integersField,
  stringField,
} from "../../lib/model/onnx/protobuf.ts";
import { differences, largestError } from "../parity/compare.ts";
import { seededNumbers } from "../support/ensembles.ts";

const folder = new URL("../golden/onnx/", import.meta.url);

/** What each model's library returned, by `golden/make_onnx.py`. */
interface Golden {
  readonly rows: number[];
  readonly models: Record<string, {
    classes: string[] | null;
    kind: "probability" | "unknown";
    /** Rows × columns. */
    expected: number[];
  }>;
}

const golden: Golden = JSON.parse(
  Deno.readTextFileSync(new URL("expected.json", folder)),
);
const rows = Float32Array.from(golden.rows);
const rowCount = rows.length / 5;

for (const [name, model] of Object.entries(golden.models)) {
  Deno.test(`openOnnx() scores ${name} as the library does, and reads its classes`, async () => {
    const bytes = await Deno.readFile(new URL(`${name}.onnx`, folder));
    await using session = await openOnnx(bytes);
    strictEqual(session.features, 5);
    const found = await session.predict(rows, rowCount);
    const expected = Float64Array.from(model.expected);
    strictEqual(session.outputs, expected.length / rowCount);
    const size = Math.max(1, ...expected.map(Math.abs)); // margins are relative
    ok(largestError(expected, found) <= 1e-6 * size);
    deepStrictEqual(session.facts, {
      kind: model.kind,
      classes: model.classes ?? undefined,
    });
  });
}

const rejections: readonly [string, RegExp][] = [
  // From the fuzz test, seed 781: onnxruntime-web 1.30 never finishes scoring it.
  ["cycle", /TreeEnsembleRegressor: node \d+ is its own descendant/],
  [
    "two-inputs",
    /it has 2 inputs \(x, second\) and x is float32 \[n,2\], expected one float matrix/,
  ],
  ["integers", /which of its outputs \(y\) is the prediction/],
  [
    "one-row",
    /input x is float32 \[1,2\], expected float32 \[rows, features\]/,
  ],
  [
    "two-outputs",
    /cannot tell which of its outputs \(y, z\) is the prediction/,
  ],
];

for (const [name, message] of rejections) {
  Deno.test(`openOnnx() rejects ${name}`, async () => {
    const bytes = await Deno.readFile(new URL(`refused-${name}.onnx`, folder));
    await rejects(openOnnx(bytes), (error) => {
      ok(error instanceof InputError);
      return message.test(error.message) || error;
    });
  });
}

const model = parseModel(
  Deno.readFileSync(new URL("../golden/fuzz/logistic.ubj", import.meta.url)),
);

Deno.test("openOnnx() rejects bytes that are not a graph", async () => {
  const bytes = new TextEncoder().encode("not a graph");
  await rejects(openOnnx(bytes), /^InputError: Cannot open ONNX graph/);
});

Deno.test("toOnnx() is deterministic", () => {
  deepStrictEqual(toOnnx(model), toOnnx(model));
});

Deno.test("predict() returns the same in batches as at once", async () => {
  const rows = 40_000; // three batches
  const random = seededNumbers(13);
  const matrix = Float32Array.from(
    { length: rows * 7 },
    () => random() < 0.1 ? NaN : random() * 6 - 3,
  );
  await using session = await openOnnx(toOnnx(model));
  const found = await session.predict(matrix, rows);
  const { predictions } = evaluate(model, matrix, { rows });
  strictEqual(found.length, rows);
  ok(largestError(predictions, found) <= 1e-6);
  const last = await session.predict(matrix.subarray(-7), 1);
  strictEqual(differences(found.subarray(-1), last), 0);
});

Deno.test("predict() returns nothing for no rows, and rejects a matrix of another shape", async () => {
  await using session = await openOnnx(toOnnx(model));
  deepStrictEqual(
    await session.predict(new Float32Array(), 0),
    new Float32Array(),
  );
  await rejects(
    session.predict(new Float32Array(8), 1),
    /the matrix has 8 values, expected 7 \(1 × 7 features\)/,
  );
});

/** Returns a tree of `depth` splits, each of which has a leaf to its left. */
function chain(depth: number): TreeEnsemble {
  const size = 2 * depth + 1;
  const left = Int32Array.from(
    { length: size },
    (_, node) =>
      node === 0 ? 1 : node % 2 === 0 && node < size - 1 ? node + 1 : -1,
  );
  return {
    ...model as TreeEnsemble,
    roots: Int32Array.of(0),
    treeGroups: Int32Array.of(0),
    left,
    feature: new Int32Array(size),
    threshold: Float32Array.from(left, (_, node) => 1 + node / 2),
    defaultLeft: new Uint8Array(size),
    leaf: Float32Array.from(left, (_, node) => node / size),
    maxDepth: depth,
  };
}

Deno.test("openOnnx() scores the deepest tree that toOnnx() writes", async () => {
  const deep = chain(1000);
  await using session = await openOnnx(toOnnx(deep));
  const matrix = new Float32Array(7 * 5);
  [0, 1, 500.5, 999, 1e9].forEach((x, row) => matrix[row * 7] = x);
  const { predictions } = evaluate(deep, matrix, { rows: 5 });
  const found = await session.predict(matrix, 5);
  ok(largestError(predictions, found) <= 1e-6);
});

Deno.test("toOnnx() rejects a deeper tree", () => {
  throws(() => toOnnx(chain(1001)), /depth 1001 exceeds 1000/);
});

Deno.test("rejectCycles() finds a cycle in each operator, including in subgraphs, and accepts trees that share a node", () => {
  const integers = (name: string, values: number[], packed: boolean) =>
    bytesField(
      5,
      concat([
        stringField(1, name),
        ...packed
          ? [integersField(8, values)]
          : values.map((value) => integerField(8, value)),
      ]),
    );
  const modes = (names: string[]) =>
    bytesField(
      5,
      concat([
        stringField(1, "nodes_modes"),
        ...names.map((name) => stringField(9, name)),
      ]),
    );
  const byId = (below: number, packed: boolean) =>
    concat([
      stringField(4, "TreeEnsembleClassifier"),
      integers("nodes_treeids", [7, 7, 7], packed),
      integers("nodes_nodeids", [0, 1, 2], packed),
      integers("nodes_truenodeids", [1, below, 0], packed),
      integers("nodes_falsenodeids", [2, 2, 0], packed),
      modes(["BRANCH_LT", "BRANCH_LT", "LEAF"]),
    ]);
  const byPosition = (below: number, leaf: number) =>
    concat([
      stringField(4, "TreeEnsemble"),
      integers("nodes_truenodeids", [1, below], true),
      integers("nodes_trueleafs", [0, leaf], true),
      integers("nodes_falsenodeids", [0, 0], true),
      integers("nodes_falseleafs", [1, 1], true),
    ]);
  const inGraph = (node: Uint8Array) => bytesField(7, bytesField(1, node));
  const inBranch = (node: Uint8Array) =>
    inGraph(
      concat([
        stringField(4, "If"),
        bytesField(
          5,
          concat([
            stringField(1, "then_branch"),
            bytesField(6, bytesField(1, node)),
          ]),
        ),
      ]),
    );
  for (const wrap of [inGraph, inBranch]) {
    for (const packed of [true, false]) {
      rejectCycles(wrap(byId(2, packed)));
      for (const below of [0, 1]) {
        throws(() => rejectCycles(wrap(byId(below, packed))), InputError);
      }
    }
    rejectCycles(wrap(byPosition(0, 1)));
    for (const below of [0, 1]) {
      throws(() => rejectCycles(wrap(byPosition(below, 0))), InputError);
    }
  }
});
