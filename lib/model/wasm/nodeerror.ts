/** What `assembly/trees.ts` says of a node of a tree that cannot be. */
import { InputError } from "../../base/errors.ts";

/**
 * The error about a node.
 *
 * @param problem A `NodeProblem` of `assembly/trees.ts`.
 */
export function nodeError(
  problem: number,
  tree: number,
  node: number,
  a: number,
  b: number,
): InputError {
  const words = problems[problem]?.(a, b) ?? "broken";
  return new InputError(
    `Cannot read model: tree ${tree} node ${node}: ${words}`,
  );
}

type Words = (a: number, b: number) => string;

const outside = (side: string): Words => (a, b) =>
  `${side} child ${a} is outside 0..${b - 1}`;

/** What `NodeProblem` means, in its order. */
const problems: readonly Words[] = [
  outside("left"),
  outside("right"),
  (a) => `child ${a} is already another node's child or the root`,
  (a, b) => `right child ${a} does not follow left child ${b}`,
  (a, b) => `its children name ${a} and ${b} as parents`,
  (a) => `default_left ${a} is neither 0 nor 1`,
  (a, b) => `split type ${a}, ${b ? "with" : "without"} categories`,
  (a, b) => `feature ${a} is outside 0..${b - 1}`,
  () => "threshold is NaN",
  (a) => `leaf value is ${a}`,
  (a) => `category ${a} is outside 0..16777215`,
  () => "category sets over 64 MiB",
];
