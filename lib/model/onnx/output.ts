/**
 * Determines what an ONNX graph's output is: probabilities of classes, one
 * probability, or numbers of unknown meaning. The nodes that compute the output
 * decide, not its name or values.
 */
import {
  constantLabels,
  constantNumber,
  fieldNumbers,
  labelsOf,
  type OnnxGraph,
  type OnnxNode,
} from "./nodes.ts";
import { stringsOf } from "./protobuf.ts";

/** The properties of an output, known before anything is scored. */
export interface OutputFacts {
  /** `probability` if the nodes that compute it always return probabilities, otherwise `unknown`. */
  readonly kind: "probability" | "unknown";
  /** The class of each column; undefined if the graph names no classes. */
  readonly classes: readonly string[] | undefined;
}

/**
 * Returns the properties of a float output.
 *
 * It is a probability if it comes from a classifier of `ai.onnx.ml`, `Sigmoid`,
 * `Softmax`, a regressor with such a transform, or `1 / (1 + exp(x))`. If the
 * graph also outputs class labels, as scikit-learn's converter does for
 * ensembles and calibrated classifiers, other nodes count too unless they are
 * known not to return probabilities. A regressor's numbers, a decision function
 * and margins are `unknown`.
 *
 * @param output `name`: the tensor; `zipped`: the labels of the `ZipMap` that was removed from it.
 */
export function describeOutput(
  graph: OnnxGraph,
  output: { name: string; zipped: readonly string[] | undefined },
): OutputFacts {
  const { name, zipped } = output;
  const node = originOf(graph, name);
  const stated = zipped ?? labelsOfOutputs(graph, name);
  const classes = stated ?? (node && labelsOf(node));
  const kind = node && kindOf(graph, node);
  const isProbability = kind === "probability" ||
    kind === "undetermined" && stated !== undefined;
  return { kind: isProbability ? "probability" : "unknown", classes };
}

/** Operators that change a tensor's type or shape but not its values or their order. */
const passThrough = new Set([
  "Identity",
  "Cast",
  "Reshape",
  "Flatten",
  "Squeeze",
  "Unsqueeze",
]);

/** Returns the node that computes a tensor's values; undefined for inputs and constants. */
function originOf(graph: OnnxGraph, tensor: string): OnnxNode | undefined {
  return graph.producerOf(originTensor(graph, tensor));
}

/** Returns the labels that another output of the graph selects from; undefined if there are none, or different ones. */
function labelsOfOutputs(
  graph: OnnxGraph,
  name: string,
): string[] | undefined {
  const found = graph.outputs.filter((output) => output !== name)
    .flatMap((output) => {
      const node = originOf(graph, output);
      const labels = node && selectableLabels(graph, node, output);
      return labels ? [labels] : [];
    });
  const [first, ...others] = found;
  const isOne = others.every((labels) =>
    JSON.stringify(labels) === JSON.stringify(first)
  );
  return isOne ? first : undefined;
}

/** Returns the labels from which a node selects one per row: a classifier's, or those in a constant. */
function selectableLabels(
  graph: OnnxGraph,
  node: OnnxNode,
  output: string,
): string[] | undefined {
  if (node.op === "ArrayFeatureExtractor" || node.op === "Gather") {
    const constant = graph.constant(node.inputs[0] ?? "");
    return constant && constantLabels(constant);
  }
  const isLabel = originTensor(graph, output) === node.outputs[0];
  return isLabel ? labelsOf(node) : undefined;
}

/** Returns the tensor that a chain of pass-through operators starts from. */
function originTensor(graph: OnnxGraph, tensor: string): string {
  let name = tensor;
  // A valid graph has no cycle; the bound stops at one in an invalid graph.
  for (let left = graph.nodes.length; left > 0; left--) {
    const node = graph.producerOf(name);
    if (!node || !passThrough.has(node.op)) break;
    name = node.inputs[0] ?? "";
  }
  return name;
}

/** `score`: known not to be a probability; `undetermined`: the node alone does not tell. */
type Kind = "probability" | "score" | "undetermined";

/** Values of `post_transform` that return 0 to 1. */
const toProbability = new Set(["LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]);

function kindOf(graph: OnnxGraph, node: OnnxNode): Kind {
  const [transform = "NONE"] = stringsOf(
    node.attribute("post_transform"),
    fieldNumbers.attribute.string,
  );
  switch (node.op) {
    case "Sigmoid":
    case "Softmax":
    // Without a transform, its leaves are shares of classes.
    case "TreeEnsembleClassifier":
      return "probability";
    case "LinearClassifier":
    case "TreeEnsembleRegressor":
    case "LinearRegressor":
      return toProbability.has(transform) ? "probability" : "score";
    // Without Platt's coefficients it returns its decision function.
    case "SVMClassifier":
      return node.attribute("prob_a").length > 0 ? "probability" : "score";
    case "SVMRegressor":
      return "score";
    case "Normalizer": {
      const from = originOf(graph, node.inputs[0] ?? "");
      return from ? kindOf(graph, from) : "undetermined";
    }
    default:
      return isLogistic(graph, node) ? "probability" : "undetermined";
  }
}

/** Returns whether a node computes `1 / (1 + exp(x))`, as a division or a reciprocal. */
function isLogistic(graph: OnnxGraph, node: OnnxNode): boolean {
  const [first = "", second = ""] = node.inputs;
  const denominator = node.op === "Reciprocal"
    ? first
    : node.op === "Div" && isOne(graph, first)
    ? second
    : undefined;
  const sum = denominator === undefined
    ? undefined
    : graph.producerOf(denominator);
  if (sum?.op !== "Add") return false;
  const [left = "", right = ""] = sum.inputs;
  const isExponential = (tensor: string) =>
    graph.producerOf(tensor)?.op === "Exp";
  return isOne(graph, left) && isExponential(right) ||
    isOne(graph, right) && isExponential(left);
}

function isOne(graph: OnnxGraph, tensor: string): boolean {
  const constant = graph.constant(tensor);
  return constant !== undefined && constantNumber(constant) === 1;
}
