/**
 * What the output of an ONNX graph is: probabilities of classes, one
 * probability, or numbers of which the graph does not say what they are. Read
 * from the nodes that compute it, never from its name or its values.
 */
import {
  constantLabels,
  constantNumber,
  labelsOf,
  type OnnxGraph,
  type OnnxNode,
  textAttributeOf,
} from "./nodes.ts";

/** What is known of an output before anything is scored. */
export interface OutputFacts {
  /** `probability` where the nodes that compute it give nothing else, otherwise `unknown`. */
  readonly kind: "probability" | "unknown";
  /** The class of each column, in their order; undefined where the graph names no classes. */
  readonly classes: readonly string[] | undefined;
}

/**
 * The facts of a float output.
 *
 * A probability is what a classifier of `ai.onnx.ml`, `Sigmoid`, `Softmax`, a
 * regressor with such a transform, or `1 / (1 + exp(x))` gives. Where the graph
 * also gives class labels, as scikit-learn's converter writes ensembles and
 * calibrated classifiers, one column per class counts as well. A regressor's
 * numbers, a decision function and margins are `unknown`.
 *
 * @param output `name`: the tensor; `zipped`: the labels of the `ZipMap` that was taken off it.
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
    kind === "open" && stated !== undefined;
  return { kind: isProbability ? "probability" : "unknown", classes };
}

/** Operators that change a tensor's type or shape and none of its numbers' order. */
const carriers = new Set([
  "Identity",
  "Cast",
  "Reshape",
  "Flatten",
  "Squeeze",
  "Unsqueeze",
]);

/** The node that computes a tensor's numbers; undefined where they are an input's or a constant's. */
function originOf(graph: OnnxGraph, tensor: string): OnnxNode | undefined {
  let node = graph.producerOf(tensor);
  // A valid graph has no cycle; a broken one ends here.
  for (let left = graph.nodes.length; left > 0; left--) {
    if (!node || !carriers.has(node.op)) return node;
    node = graph.producerOf(node.inputs[0] ?? "");
  }
  return undefined;
}

/** The labels that another output of the graph chooses from; undefined where there are none, or several that differ. */
function labelsOfOutputs(
  graph: OnnxGraph,
  name: string,
): string[] | undefined {
  const found = graph.outputs.filter((output) => output !== name)
    .flatMap((output) => {
      const node = originOf(graph, output);
      const labels = node && chosenLabels(graph, node, output);
      return labels ? [labels] : [];
    });
  const [first, ...others] = found;
  const isOne = others.every((labels) =>
    JSON.stringify(labels) === JSON.stringify(first)
  );
  return isOne ? first : undefined;
}

/** The labels that a node gives one of a row: a classifier's own, or those that an index chooses from a constant. */
function chosenLabels(
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

/** The tensor that a chain of carriers begins with. */
function originTensor(graph: OnnxGraph, tensor: string): string {
  let name = tensor;
  for (let left = graph.nodes.length; left > 0; left--) {
    const node = graph.producerOf(name);
    if (!node || !carriers.has(node.op)) break;
    name = node.inputs[0] ?? "";
  }
  return name;
}

/** `score` for what is known to be no probability, `open` for what the node alone does not tell. */
type Kind = "probability" | "score" | "open";

/** Values of `post_transform` that give 0 to 1. */
const toProbability = new Set(["LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]);

function kindOf(graph: OnnxGraph, node: OnnxNode): Kind {
  const transform = textAttributeOf(node, "post_transform") ?? "NONE";
  switch (node.op) {
    case "Sigmoid":
    case "Softmax":
    // Its leaves hold shares of classes where it has no transform.
    case "TreeEnsembleClassifier":
      return "probability";
    case "LinearClassifier":
    case "TreeEnsembleRegressor":
    case "LinearRegressor":
      return toProbability.has(transform) ? "probability" : "score";
    // Without Platt's coefficients it gives its decision function.
    case "SVMClassifier":
      return node.attribute("prob_a") ? "probability" : "score";
    case "SVMRegressor":
      return "score";
    case "Normalizer": {
      const from = originOf(graph, node.inputs[0] ?? "");
      return from ? kindOf(graph, from) : "open";
    }
    default:
      return isLogistic(graph, node) ? "probability" : "open";
  }
}

/** Whether a node is the last of `1 / (1 + exp(x))`, however the quotient is written. */
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
