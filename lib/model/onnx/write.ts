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
  constant,
  elementType,
  encodeModel,
  type Graph,
  type GraphNode,
  integerAttribute,
} from "./graph.ts";
import { treeAttributes } from "./tree-ensemble.ts";

/** A graph under construction. */
export interface Draft {
  readonly nodes: GraphNode[];
  readonly constants: Uint8Array[];
  /** The prefix of all names of results and constants, so that none equals an input's name. */
  readonly prefix: string;
}

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
  const { float: type } = elementType;
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

/** Appends a node and returns the name of its result. */
export function add(
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
  const output = options.output ??
    `${draft.prefix}${op.toLowerCase()}_${draft.nodes.length}`;
  draft.nodes.push({ ...options, op, output });
  return output;
}

/** Appends a cast to another element type and returns the name of its result. */
export function addCast(
  draft: Draft,
  from: string,
  to: keyof typeof elementType,
  output?: string,
): string {
  return add(draft, "Cast", {
    inputs: [from],
    ...(output === undefined ? {} : { output }),
    attributes: [integerAttribute("to", elementType[to])],
  });
}

/** Adds a float32 scalar, which operators broadcast, and returns its name. */
function number(draft: Draft, value: number): string {
  return addConstant(
    draft,
    `constant_${draft.constants.length}`,
    { values: Float32Array.of(value), dims: [] },
  );
}

/** Adds a constant tensor and returns its name. */
export function addConstant(
  draft: Draft,
  name: string,
  { values, dims }: {
    values: Parameters<typeof constant>[1];
    dims: readonly number[];
  },
): string {
  const full = `${draft.prefix}${name}`;
  draft.constants.push(constant(full, values, dims));
  return full;
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
    : addCast(draft, columns, "double");
  const sum = add(draft, "TreeEnsembleRegressor", {
    inputs: [matrix],
    attributes: treeAttributes(model, { categoryColumn }),
    domain: "ai.onnx.ml",
  });
  if (model.divisor === 1) return sum;
  return add(draft, "Div", { inputs: [sum, number(draft, model.divisor)] });
}

/** Replaces zeros by NaN in the columns where zero means missing. */
function addZeroIsMissing(
  draft: Draft,
  model: TreeEnsemble,
  input: string,
): string {
  const { zeroIsMissing } = model;
  if (zeroIsMissing === undefined) return input;
  const columns = addConstant(draft, "zero_is_missing", {
    values: zeroIsMissing,
    dims: [1, zeroIsMissing.length],
  });
  const size = add(draft, "Abs", { inputs: [input] });
  const isZero = add(draft, "LessOrEqual", {
    inputs: [size, number(draft, zeroThreshold)],
  });
  const isMissing = add(draft, "And", { inputs: [isZero, columns] });
  return add(draft, "Where", {
    inputs: [isMissing, number(draft, NaN), input],
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
  const categorical = addConstant(draft, "categorical", {
    values: indices,
    dims: [indices.length],
  });
  const values = add(draft, "Gather", {
    inputs: [matrix, categorical],
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

function addWeights(
  draft: Draft,
  model: LinearModel,
  input: string,
): string {
  const { features: { count }, groups, bias, baseMargins } = model;
  const weights = addConstant(draft, "weights", {
    values: model.weights,
    dims: [count, groups],
  });
  const start = addConstant(draft, "start", {
    values: bias.map((value, g) => value + (baseMargins[g] ?? 0)),
    dims: [1, groups],
  });
  const isMissing = add(draft, "IsNaN", { inputs: [input] });
  const present = add(draft, "Where", {
    inputs: [isMissing, number(draft, 0), input],
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
    add(draft, op, { inputs: [margins], ...(into ? { output: into } : {}) });
  const toFloat = (from: string) => addCast(draft, from, "float", output);
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
 * Appends `1 / (1 + exp(min(-slope * margin, 88.7)))` instead of `Sigmoid`, for
 * which runtimes use an approximation that is never below 1.5e-8.
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
  const all = addConstant(draft, "all", {
    values: BigInt64Array.of(BigInt(groups)),
    dims: [1],
  });
  add(draft, "TopK", {
    inputs: [margins, all],
    output,
    unused: `${draft.prefix}order`,
    attributes: [integerAttribute("axis", 1), integerAttribute("largest", 0)],
  });
}
