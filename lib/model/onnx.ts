/** Models as ONNX graphs: one float matrix in, the final predictions out. */
import { modelError } from "./document.ts";
import type {
  LinearModel,
  Model,
  Transform,
  TreeEnsemble,
} from "./ensemble.ts";
import {
  constant,
  elementType,
  encodeModel,
  type GraphNode,
  integerAttribute,
} from "./onnx-graph.ts";
import { treeAttributes } from "./onnx-trees.ts";

/** A graph while it is written: each step appends, and names what it made. */
interface Draft {
  readonly nodes: GraphNode[];
  readonly constants: Uint8Array[];
}

/** The graph's input, rows × features in the model's order, float32, NaN for missing. */
const input = "input";

/** Runtimes follow a tree by calling themselves; onnxruntime-web's stack ended between 2,000 and 4,000. */
const deepest = 1000;

/**
 * The bytes of an ONNX file that gives a model's predictions: input `input`
 * (float, rows × features), output `probability` or `score` (float, rows ×
 * outputs), no labels, no maps, so that `mlflow.onnx` gives one column.
 *
 * Written again from the same model, it has the same bytes.
 *
 * @throws {InputError} If a category set is too large for a graph, or a tree too deep.
 */
export function toOnnx(model: Model): Uint8Array {
  if (model.kind === "trees" && model.maxDepth > deepest) {
    throw modelError(
      "trees",
      `depth ${model.maxDepth} is over ${deepest}, too deep for an ONNX graph`,
    );
  }
  const draft: Draft = { nodes: [], constants: [] };
  const margins = model.kind === "trees"
    ? addTrees(draft, model)
    : addWeights(draft, model);
  const output = model.predictionKind;
  addTransform(draft, model.transform, { margins, output, model });
  return encodeModel({
    name: "predictions",
    doc:
      `${model.objective} of ${model.library} ${model.libraryVersion}; NaN is missing`,
    ...draft,
    input: { name: input, columns: model.features.count },
    output: { name: output, columns: model.outputs },
    metadata: {
      ...model.parameters,
      feature_names: JSON.stringify(model.features.names),
    },
  });
}

/** Appends one step and gives back the name of its result. */
function add(
  draft: Draft,
  op: string,
  options: {
    inputs: readonly string[];
    output?: string;
    unused?: string;
    attributes?: readonly Uint8Array[];
    domain?: string;
  },
): string {
  const output = options.output ?? `${op.toLowerCase()}_${draft.nodes.length}`;
  draft.nodes.push({ ...options, op, output });
  return output;
}

/** Adds a constant float32 of one value, which every operator spreads over a matrix. */
function number(draft: Draft, value: number): string {
  const name = `constant_${draft.constants.length}`;
  draft.constants.push(constant(name, Float32Array.of(value), []));
  return name;
}

function addTrees(draft: Draft, model: TreeEnsemble): string {
  const present = addZeroIsMissing(draft, model);
  const { columns, categoryColumn } = addCategories(draft, model, present);
  const matrix = model.precision === "float32" ? columns : add(draft, "Cast", {
    inputs: [columns],
    attributes: [integerAttribute("to", elementType.double)],
  });
  const sum = add(draft, "TreeEnsembleRegressor", {
    inputs: [matrix],
    attributes: treeAttributes(model, { categoryColumn }),
    domain: "ai.onnx.ml",
  });
  if (model.divisor === 1) return sum;
  return add(draft, "Div", { inputs: [sum, number(draft, model.divisor)] });
}

/** NaN in place of |x| ≤ 1e-35 in the columns where the model takes 0 for missing. */
function addZeroIsMissing(draft: Draft, model: TreeEnsemble): string {
  const { zeroIsMissing } = model;
  if (zeroIsMissing === undefined) return input;
  draft.constants.push(
    constant("zero_is_missing", zeroIsMissing, [1, zeroIsMissing.length]),
  );
  const size = add(draft, "Abs", { inputs: [input] });
  const isZero = add(draft, "LessOrEqual", {
    inputs: [size, number(draft, 1e-35)],
  });
  const isMissing = add(draft, "And", { inputs: [isZero, "zero_is_missing"] });
  return add(draft, "Where", {
    inputs: [isMissing, number(draft, NaN), input],
  });
}

/** Appends a column of whole categories for each categorical feature, because the operator compares with whole numbers. */
function addCategories(
  draft: Draft,
  model: TreeEnsemble,
  matrix: string,
): { columns: string; categoryColumn: ReadonlyMap<number, number> } {
  const categoryColumn = new Map<number, number>();
  model.categories?.start.forEach((start, node) => {
    const feature = model.feature[node] ?? 0;
    const isEmpty = model.categories?.size[node] === 0;
    if (start < 0 || isEmpty || categoryColumn.has(feature)) return;
    categoryColumn.set(feature, model.features.count + categoryColumn.size);
  });
  if (categoryColumn.size === 0) return { columns: matrix, categoryColumn };
  const indices = BigInt64Array.from([...categoryColumn.keys()], BigInt);
  draft.constants.push(constant("categorical", indices, [indices.length]));
  const values = add(draft, "Gather", {
    inputs: [matrix, "categorical"],
    attributes: [integerAttribute("axis", 1)],
  });
  const floor = add(draft, "Floor", { inputs: [values] });
  const whole = model.categories?.rounding === "trunc"
    ? add(draft, "Where", {
      inputs: [
        add(draft, "Less", { inputs: [values, number(draft, 0)] }),
        add(draft, "Ceil", { inputs: [values] }),
        floor,
      ],
    })
    : floor;
  const columns = add(draft, "Concat", {
    inputs: [matrix, whole],
    attributes: [integerAttribute("axis", 1)],
  });
  return { columns, categoryColumn };
}

function addWeights(draft: Draft, model: LinearModel): string {
  const { features: { count }, groups, weights, bias, baseMargins } = model;
  const start = bias.map((value, g) => value + (baseMargins[g] ?? 0));
  draft.constants.push(
    constant("weights", weights, [count, groups]),
    constant("start", start, [1, groups]),
  );
  const isMissing = add(draft, "IsNaN", { inputs: [input] });
  const present = add(draft, "Where", {
    inputs: [isMissing, number(draft, 0), input],
  });
  const product = add(draft, "MatMul", { inputs: [present, "weights"] });
  return add(draft, "Add", { inputs: [product, "start"] });
}

/** Appends the steps from margins to predictions; the last one has the output's name. */
function addTransform(
  draft: Draft,
  transform: Transform,
  options: { margins: string; output: string; model: Model },
): void {
  const { margins, output, model } = options;
  const one = (op: string, into?: string) =>
    add(draft, op, { inputs: [margins], ...(into ? { output: into } : {}) });
  const toFloat = (from: string) =>
    add(draft, "Cast", {
      inputs: [from],
      output,
      attributes: [integerAttribute("to", elementType.float)],
    });
  switch (transform.kind) {
    case "identity":
      return void one("Identity", output);
    case "exponential":
      return void one("Exp", output);
    case "softplus":
      return void one("Softplus", output);
    case "logistic":
      return addLogistic(draft, { margins, output, slope: transform.slope });
    case "step":
      return void toFloat(
        add(draft, "Greater", { inputs: [margins, number(draft, 0)] }),
      );
    case "signed-square":
      return void add(draft, "Mul", { inputs: [margins, one("Abs")], output });
    case "softmax":
      return void add(draft, "Softmax", {
        inputs: [margins],
        output,
        attributes: [integerAttribute("axis", 1)],
      });
    case "argmax":
      return void toFloat(add(draft, "ArgMax", {
        inputs: [margins],
        attributes: [integerAttribute("axis", 1)],
      }));
    case "sort":
      return addSort(draft, { margins, output, groups: model.groups });
  }
}

/**
 * `1 / (1 + exp(min(-slope * margin, 88.7)))`, written out because runtimes
 * compute `Sigmoid` by an approximation that ends at 1.5e-8.
 */
function addLogistic(
  draft: Draft,
  options: { margins: string; output: string; slope: number },
): void {
  const { margins, output, slope } = options;
  const scaled = add(draft, "Mul", {
    inputs: [margins, number(draft, -slope)],
  });
  const exponent = add(draft, "Min", {
    inputs: [scaled, number(draft, 88.7)],
  });
  const power = add(draft, "Exp", { inputs: [exponent] });
  const denominator = add(draft, "Add", {
    inputs: [power, number(draft, 1)],
  });
  add(draft, "Reciprocal", { inputs: [denominator], output });
}

function addSort(
  draft: Draft,
  options: { margins: string; output: string; groups: number },
): void {
  const { margins, output, groups } = options;
  draft.constants.push(
    constant("all", BigInt64Array.of(BigInt(groups)), [1]),
  );
  add(draft, "TopK", {
    inputs: [margins, "all"],
    output,
    unused: "order",
    attributes: [integerAttribute("axis", 1), integerAttribute("largest", 0)],
  });
}
