/** Writes models as ONNX graphs with a float matrix as input and the predictions as output. */
import { modelError } from "../formats/document.ts";
import {
  type LinearModel,
  type Model,
  type Transform,
  type TreeEnsemble,
  zeroThreshold,
} from "../ensemble.ts";
import {
  add,
  addCast,
  addConstant,
  addNumber,
  type Draft,
  elementType,
  encodeModel,
  type Graph,
  integerAttribute,
} from "./graph.ts";
import { treeAttributes } from "./tree-ensemble.ts";

/** The name of the graph's input. */
const input = "input";

/** Runtimes walk trees recursively; onnxruntime-web's stack overflowed between 2,000 and 4,000. */
const depthLimit = 1000;

/**
 * Returns an ONNX file that computes a model's predictions. Input: `input`,
 * float, rows × features in the model's order, NaN for missing. Output:
 * `probability` or `score`, float, rows × outputs; there is no label output, so
 * `mlflow.onnx` returns one column per output.
 *
 * The same model gives the same bytes.
 *
 * @throws {InputError} If a category set is too large for a graph, or a tree is too deep.
 */
export function toOnnx(model: Model): Uint8Array {
  const draft: Draft = { nodes: [], constants: [], prefix: "" };
  const { float32: type } = elementType;
  const output = model.predictionKind;
  addModel(draft, model, { matrix: input, output });
  return encodeModel({
    ...describeModel(model),
    ...draft,
    inputs: [{ name: input, type, columns: model.features.count }],
    output: { name: output, type, columns: model.outputs },
  });
}

/** Returns the description of a model in a graph. */
export function describeModel(
  model: Model,
): Pick<Graph, "name" | "doc" | "metadata"> {
  return {
    name: "predictions",
    doc:
      `${model.objective} of ${model.library} ${model.libraryVersion}; NaN is missing`,
    metadata: {
      ...model.parameters,
      feature_names: JSON.stringify(model.features.names),
    },
  };
}

/**
 * Appends a model, from a matrix (rows × features, categories as codes) to its
 * predictions, which are named `output`.
 *
 * @throws {InputError} As {@linkcode toOnnx}.
 */
export function addModel(
  draft: Draft,
  model: Model,
  { matrix, output }: { matrix: string; output: string },
): void {
  if (model.kind === "trees" && model.maxDepth > depthLimit) {
    throw modelError(
      "trees",
      `depth ${model.maxDepth} exceeds ${depthLimit}, the limit for ONNX graphs`,
    );
  }
  const margins = model.kind === "trees"
    ? addTrees(draft, model, matrix)
    : addWeights(draft, model, matrix);
  addTransform(draft, model.transform, { margins, output, model });
}

function addTrees(
  draft: Draft,
  model: TreeEnsemble,
  input: string,
): string {
  const present = addZeroIsMissing(draft, model, input);
  const { columns, categoryColumn } = addCategories(draft, model, present);
  const matrix = model.precision === "float32"
    ? columns
    : addCast(draft, columns, "float64");
  const sum = add(draft, "TreeEnsembleRegressor", {
    inputs: [matrix],
    attributes: treeAttributes(model, { categoryColumn }),
    domain: "ai.onnx.ml",
  });
  if (model.divisor === 1) return sum;
  return add(draft, "Div", { inputs: [sum, addNumber(draft, model.divisor)] });
}

/** Replaces zeros by NaN in the columns where zero means missing. */
function addZeroIsMissing(
  draft: Draft,
  model: TreeEnsemble,
  input: string,
): string {
  const { zeroIsMissing } = model;
  if (zeroIsMissing === undefined) return input;
  const columns = addConstant(draft, "zero_is_missing", zeroIsMissing, {
    dims: [1, zeroIsMissing.length],
  });
  const size = add(draft, "Abs", { inputs: [input] });
  const isZero = add(draft, "LessOrEqual", {
    inputs: [size, addNumber(draft, zeroThreshold)],
  });
  const isMissing = add(draft, "And", { inputs: [isZero, columns] });
  return add(draft, "Where", {
    inputs: [isMissing, addNumber(draft, NaN), input],
  });
}

/** Appends a column of rounded categories per categorical feature, because the operator tests equality. */
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
  const values = add(draft, "Gather", {
    inputs: [matrix, addConstant(draft, "categorical", indices)],
    attributes: [integerAttribute("axis", 1)],
  });
  const floor = add(draft, "Floor", { inputs: [values] });
  const whole = model.categories?.rounding === "trunc"
    ? add(draft, "Where", {
      inputs: [
        add(draft, "Less", { inputs: [values, addNumber(draft, 0)] }),
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

function addWeights(
  draft: Draft,
  model: LinearModel,
  input: string,
): string {
  const { features: { count }, groups, bias, baseMargins } = model;
  const weights = addConstant(draft, "weights", model.weights, {
    dims: [count, groups],
  });
  const sums = bias.map((value, g) => value + (baseMargins[g] ?? 0));
  const start = addConstant(draft, "start", sums, { dims: [1, groups] });
  const isMissing = add(draft, "IsNaN", { inputs: [input] });
  const present = add(draft, "Where", {
    inputs: [isMissing, addNumber(draft, 0), input],
  });
  const product = add(draft, "MatMul", { inputs: [present, weights] });
  return add(draft, "Add", { inputs: [product, start] });
}

/** Appends the nodes from margins to predictions; the last result is named `output`. */
function addTransform(
  draft: Draft,
  transform: Transform,
  options: { margins: string; output: string; model: Model },
): void {
  const { margins, output, model } = options;
  const one = (op: string, into?: string) =>
    add(draft, op, { inputs: [margins], output: into });
  const toFloat = (from: string) => addCast(draft, from, "float32", output);
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
        add(draft, "Greater", { inputs: [margins, addNumber(draft, 0)] }),
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
 * Appends `1 / (1 + exp(min(-slope * margin, 88.7)))` instead of `Sigmoid`, for
 * which runtimes use an approximation that is never below 1.5e-8.
 */
function addLogistic(
  draft: Draft,
  options: { margins: string; output: string; slope: number },
): void {
  const { margins, output, slope } = options;
  const scaled = add(draft, "Mul", {
    inputs: [margins, addNumber(draft, -slope)],
  });
  const exponent = add(draft, "Min", {
    inputs: [scaled, addNumber(draft, 88.7)],
  });
  const power = add(draft, "Exp", { inputs: [exponent] });
  const denominator = add(draft, "Add", {
    inputs: [power, addNumber(draft, 1)],
  });
  add(draft, "Reciprocal", { inputs: [denominator], output });
}

function addSort(
  draft: Draft,
  options: { margins: string; output: string; groups: number },
): void {
  const { margins, output, groups } = options;
  const all = BigInt64Array.of(BigInt(groups));
  add(draft, "TopK", {
    inputs: [margins, addConstant(draft, "all", all)],
    output,
    unused: `${draft.prefix}order`,
    attributes: [integerAttribute("axis", 1), integerAttribute("largest", 0)],
  });
}
