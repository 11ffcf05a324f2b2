/**
 * The steps of a recipe that convert cells of a row before categories become
 * columns: a closed list, without expressions. What each does to a row is in
 * `apply-steps.ts`.
 */
import * as v from "../base/schema.ts";

const column = v.string();
const to = column;
const bound = v.exactOptional(v.number());
const values = v.record(v.union([v.number(), v.boolean(), v.string()]));

/** The schema of a step as it is recorded with a model version. `to` is the column that receives the result, the same as `column` if the step replaces it. */
export const recordedStep = v.union(
  [
    // Moves columns, all at once: the new name by the old one.
    v.mapping({ kind: v.literal("rename"), names: v.record(column) }),
    // Replaces missing and absent cells: the value by column.
    v.mapping({ kind: v.literal("default"), values }),
    // Replaces labels; a label that is not listed becomes missing and is counted.
    v.mapping({ kind: v.literal("map"), column, to, values }),
    // Limits a number; at least one of the bounds is there.
    v.mapping({
      kind: v.literal("clip"),
      column,
      to,
      min: bound,
      max: bound,
    }),
    // The natural logarithm of 1 + x.
    v.mapping({ kind: v.literal("log1p"), column, to }),
    // A quotient; missing if the denominator is 0.
    v.mapping({
      kind: v.literal("ratio"),
      numerator: column,
      denominator: column,
      to,
    }),
    // Whole days from one date or time to another, rounded down.
    v.mapping({
      kind: v.literal("days_between"),
      start: column,
      end: column,
      to,
    }),
  ],
  "a step that this release knows",
);

/** A step as it is recorded with a model version: without its limit. */
export type RecordedStep = v.InferOutput<typeof recordedStep>;

/** One step; plain data. A `map` has the largest share of rows, 0 to 1, whose label may be unknown. */
export type Step =
  | Exclude<RecordedStep, { kind: "map" }>
  | Extract<RecordedStep, { kind: "map" }> & { readonly unknownLimit: number };

/** A value that a step may set. */
export type StepValue = v.InferOutput<typeof values>[string];

/** The names of the steps, as in `variants.yaml`. */
export const stepKinds: readonly Step["kind"][] = recordedStep.options.map(
  ({ entries }) => entries.kind.literal,
);

/** Returns the recorded form of a step. */
export function toRecordedStep(step: Step): RecordedStep {
  if (step.kind !== "map") return step;
  const { unknownLimit: _, ...recorded } = step;
  return recorded;
}

/** Returns the columns that a step reads. */
export function inputsOf(step: Step): readonly string[] {
  switch (step.kind) {
    case "rename":
      return Object.keys(step.names);
    case "default":
      return Object.keys(step.values);
    case "map":
    case "clip":
    case "log1p":
      return [step.column];
    case "ratio":
      return [step.numerator, step.denominator];
    case "days_between":
      return [step.start, step.end];
  }
}

/** Returns the columns that a step writes. */
export function outputsOf(step: Step): readonly string[] {
  switch (step.kind) {
    case "rename":
      return Object.values(step.names);
    case "default":
      return Object.keys(step.values);
    default:
      return [step.to];
  }
}

/** What a step takes the cells of a column for. */
export type StepUse =
  | { readonly kind: "number" | "date" }
  | { readonly kind: "label"; readonly labels: readonly string[] };

/** Where the columns of a row come from after all steps. */
export interface Flow {
  /** Returns the file's columns whose cells may become the column unchanged: none if a step computes it. */
  originsOf(name: string): readonly string[];
  /** Returns all the file's columns that the column depends on. */
  sourcesOf(name: string): readonly string[];
  /** Returns what steps take the cells of one of the file's columns for. */
  usesOf(name: string): readonly StepUse[];
  /** The file's columns that a step computes with. */
  readonly used: readonly string[];
}

/**
 * Follows the columns of a file through the steps.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const flow = traceSteps([
 *   { kind: "rename", names: { deposits: "spend" } },
 *   { kind: "log1p", column: "spend", to: "spend_log" },
 * ]);
 * deepStrictEqual(flow.originsOf("spend"), ["deposits", "spend"]);
 * deepStrictEqual(flow.originsOf("spend_log"), []);
 * deepStrictEqual(flow.sourcesOf("spend_log"), ["deposits", "spend"]);
 * ```
 */
export function traceSteps(steps: readonly Step[]): Flow {
  const origins = new Map<string, readonly string[]>();
  const sources = new Map<string, readonly string[]>();
  const uses = new Map<string, StepUse[]>();
  const originsOf = (name: string) => origins.get(name) ?? [name];
  const sourcesOf = (name: string) => sources.get(name) ?? [name];
  for (const step of steps) {
    if (step.kind === "default") continue;
    if (step.kind === "rename") {
      const moved = Object.entries(step.names).map(([from, to]) => ({
        from,
        to,
        origins: originsOf(from),
        sources: sourcesOf(from),
      }));
      for (const { from } of moved) {
        origins.set(from, []);
        sources.set(from, []);
      }
      for (const { to, ...own } of moved) {
        origins.set(to, [...own.origins, ...originsOf(to)]);
        sources.set(to, [...own.sources, ...sourcesOf(to)]);
      }
      continue;
    }
    const inputs = inputsOf(step);
    for (const origin of inputs.flatMap(originsOf)) {
      const own = uses.get(origin) ?? [];
      uses.set(origin, [...own, toUse(step)]);
    }
    sources.set(step.to, [...new Set(inputs.flatMap(sourcesOf))]);
    origins.set(step.to, []);
  }
  return {
    originsOf,
    sourcesOf,
    usesOf: (name) => uses.get(name) ?? [],
    used: [...uses.keys()],
  };
}

function toUse(step: Exclude<Step, { kind: "rename" | "default" }>): StepUse {
  if (step.kind === "map") {
    return { kind: "label", labels: Object.keys(step.values) };
  }
  return { kind: step.kind === "days_between" ? "date" : "number" };
}
