/**
 * Traces what a graph does with an input of strings. Graphs of converters only
 * compare them with labels, so a string that is no label gives the same result
 * as any other such string, and rows can hold codes instead of strings.
 */
import { InputError } from "../../base/errors.ts";
import { fieldNumbers, type OnnxGraph, type OnnxNode } from "./nodes.ts";
import { fieldsOf, integersOf, stringsOf } from "./protobuf.ts";

/** The strings that an input is compared with. */
export interface TracedStrings {
  /** Sorted. */
  readonly labels: readonly string[];
  /** Whether the graph fails for any other string, as `OneHotEncoder` does with `zeros = 0`. */
  readonly rejectsOthers: boolean;
}

/** Operators that move strings without reading them. */
const moving = new Set([
  "Identity",
  "Concat",
  "Gather",
  "ArrayFeatureExtractor",
  "Reshape",
  "Flatten",
  "Squeeze",
  "Unsqueeze",
  "Transpose",
  "Slice",
  "Split",
  "Where",
]);

/** Operators that compare strings with labels, and the attributes that hold the labels. */
const comparing: Readonly<Record<string, readonly string[]>> = {
  OneHotEncoder: ["cats_strings"],
  LabelEncoder: ["keys_strings", "classes_strings", "keys_tensor"],
  CategoryMapper: ["cats_strings"],
  Equal: [],
};

/**
 * Returns the strings that an input is compared with.
 *
 * @throws {InputError} If a node does anything else with them, such as splitting a text into words.
 */
export function traceStrings(graph: OnnxGraph, input: string): TracedStrings {
  const { integer } = fieldNumbers.attribute;
  const labels = new Set<string>();
  let rejectsOthers = false;
  const reached = new Set([input]);
  for (const name of reached) { // including those that are added below
    for (const node of graph.nodes) {
      if (!node.inputs.includes(name)) continue;
      const attributes = comparing[node.op];
      if (attributes) {
        labelsOf(graph, node, attributes).forEach((label) => labels.add(label));
        rejectsOthers ||= node.op === "OneHotEncoder" &&
          integersOf(node.attribute("zeros"), integer)[0] === 0n;
        continue;
      }
      if (!moving.has(node.op)) throw unsupported(input, node);
      node.outputs.forEach((output) => reached.add(output));
    }
  }
  const nested = graph.nodes.find((node) => node.hasSubgraph());
  if (nested) throw unsupported(input, nested);
  return { labels: [...labels].sort(), rejectsOthers };
}

function labelsOf(
  graph: OnnxGraph,
  node: OnnxNode,
  attributes: readonly string[],
): string[] {
  const { strings, tensor } = fieldNumbers.attribute;
  const constants = node.inputs.flatMap((name) => {
    const constant = graph.constant(name);
    return constant ? stringsOf(constant, fieldNumbers.tensor.strings) : [];
  });
  return [
    ...constants,
    ...attributes.flatMap((name) => {
      const fields = node.attribute(name);
      const tensors = fields.filter(({ number }) => number === tensor);
      return [
        ...stringsOf(fields, strings),
        ...tensors.flatMap(({ content }) =>
          stringsOf(fieldsOf(content) ?? [], fieldNumbers.tensor.strings)
        ),
      ];
    }),
  ];
}

function unsupported(input: string, { op }: OnnxNode): InputError {
  return new InputError(
    `Cannot score ONNX graph: its operator ${op} reads the strings of input ${input}, ` +
      `and only strings that are compared with categories are supported; encode that column before the model`,
  );
}
