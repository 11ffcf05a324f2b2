/**
 * What the numbers of an ONNX graph mean for churn: which column is the
 * probability, or that none is. The graph says it, or `variants.yaml` does;
 * nothing is guessed.
 */
import { InputError, UsageError } from "../base/errors.ts";
import type { OutputFacts } from "../model/mod.ts";
import type { VariantSettings } from "../config/variants.ts";

/** The settings of `variants.yaml` that say what a model's output is. */
export type OutputSettings = Pick<
  VariantSettings,
  "positiveClass" | "modelOutput"
>;

/** An output as it is used: what its predictions are, and how they are taken from the graph's columns. */
export interface ModelOutput {
  readonly predictionKind: "probability" | "score";
  /** Predictions per row. */
  readonly outputs: number;
  /** The class whose probability is taken; undefined where the graph names none. */
  readonly positiveClass: string | undefined;
  /**
   * The predictions, from the graph's rows × columns.
   *
   * @throws {InputError} If a probability is outside 0 to 1, or the two columns of a row are no probabilities of two classes.
   */
  take(values: Float32Array): Float32Array;
}

/**
 * How the output of a graph is used.
 *
 * - Two columns of probabilities are the probability of one class: `1` of 0 and
 *   1, `true` of false and true, otherwise the one that `positive_class` names.
 * - More columns, and numbers that are not known to be probabilities, are
 *   scores; `model_output: probability` says that one or two columns are.
 *
 * @param options `columns`: of the graph's output; `what`: the model, for messages.
 * @throws {UsageError} If the positive class is not known, or `positive_class` names none of the graph's; the message lists them.
 */
export function toModelOutput(
  facts: OutputFacts,
  options: { columns: number; settings: OutputSettings; what: string },
): ModelOutput {
  const { columns, settings, what } = options;
  const { positiveClass, modelOutput } = settings;
  const isProbability = facts.kind === "probability" ||
    modelOutput === "probability";
  const all = {
    outputs: columns,
    positiveClass: undefined,
    take: (values: Float32Array) => values,
  };
  if (!isProbability) return { ...all, predictionKind: "score" };
  if (columns > 2) return { ...all, predictionKind: "probability" };
  if (columns === 2) {
    const column = positiveColumn(facts.classes, { positiveClass, what });
    return {
      predictionKind: "probability",
      outputs: 1,
      positiveClass: facts.classes?.[column],
      take: (values) => takeColumn(values, { column, what }),
    };
  }
  if (facts.classes !== undefined) {
    throw new InputError(
      `Cannot use ${what}: its output has one column for the classes ${
        quote(facts.classes)
      }, so it is not known whose probability that is; export it with one column per class`,
    );
  }
  checkUnnamed(settings, what);
  return {
    ...all,
    predictionKind: "probability",
    take: (values) => checkProbabilities(values, what),
  };
}

/**
 * Checks the settings of a model that gives one probability and names no
 * classes: it is that of class 1.
 *
 * @throws {UsageError} If `positive_class` asks for another class.
 */
export function checkUnnamed(
  { positiveClass }: Pick<OutputSettings, "positiveClass">,
  what: string,
): void {
  if (positiveClass === undefined || isTrue(positiveClass)) return;
  throw new UsageError(
    `Cannot use positive_class ${
      JSON.stringify(positiveClass)
    } of variants.yaml for ${what}: its file names no classes, and it gives the probability of class 1; ` +
      `remove positive_class for this variant, or set it to 1`,
  );
}

/** The column of the positive class. */
function positiveColumn(
  classes: readonly string[] | undefined,
  { positiveClass, what }: { positiveClass: string | undefined; what: string },
): number {
  const known = classes?.length === 2 ? classes : undefined;
  const names = known ?? ["0", "1"];
  const found = known
    ? `its classes are ${quote(known)}`
    : "it has two columns and names no classes, so they are 0 (the first) and 1 (the second)";
  if (positiveClass !== undefined) {
    const column = names.findIndex((name) => isSame(name, positiveClass));
    if (column >= 0) return column;
    throw new UsageError(
      `Cannot use positive_class ${
        JSON.stringify(positiveClass)
      } of variants.yaml for ${what}: ${found}; expected one of these`,
    );
  }
  const positive = names.findIndex(isTrue);
  if (known && positive >= 0 && isFalse(names[1 - positive] ?? "")) {
    return positive;
  }
  throw new UsageError(
    `Cannot tell which class of ${what} is churn: ${found}; name it in variants.yaml, for this variant or for all, with the line ${
      names.map((name) => `\`positive_class: ${toYamlText(name)}\``).join(
        " or ",
      )
    }`,
  );
}

/** The probabilities of one of two classes. Rounding may leave a sum of float32 shares just outside 0 to 1; that is cut off. */
function takeColumn(
  values: Float32Array,
  { column, what }: { column: number; what: string },
): Float32Array {
  const result = new Float32Array(values.length / 2);
  for (let row = 0; row < result.length; row++) {
    const first = values[2 * row] ?? NaN;
    const second = values[2 * row + 1] ?? NaN;
    const isDistribution = isShare(first) && isShare(second) &&
      Math.abs(first + second - 1) <= tolerance;
    if (!isDistribution) {
      throw new InputError(
        `Cannot use the output of ${what}: row ${
          row + 1
        } has ${first} and ${second}, expected the probabilities of two classes, which add up to 1`,
      );
    }
    const value = column === 0 ? first : second;
    result[row] = Math.min(1, Math.max(0, value));
  }
  return result;
}

function checkProbabilities(values: Float32Array, what: string): Float32Array {
  const row = values.findIndex((value) => !(value >= 0 && value <= 1));
  if (row < 0) return values;
  throw new InputError(
    `Cannot use the output of ${what}: row ${row + 1} has ${
      values[row]
    }, expected a probability from 0 to 1`,
  );
}

/** Far more than what float32 loses over a thousand trees, far less than what two numbers miss by chance. */
const tolerance = 1e-4;

function isShare(value: number): boolean {
  return value >= -tolerance && value <= 1 + tolerance;
}

/** Booleans are `True` in one library's files and `true` in another's and in YAML. */
function isSame(name: string, wanted: string): boolean {
  const isBoolean = /^(true|false)$/i.test(name);
  return isBoolean
    ? name.toLowerCase() === wanted.toLowerCase()
    : name === wanted;
}

function isTrue(name: string): boolean {
  return /^(1|1\.0|true)$/i.test(name);
}

function isFalse(name: string): boolean {
  return /^(0|0\.0|false)$/i.test(name);
}

function quote(classes: readonly string[]): string {
  return classes.map((name) => JSON.stringify(name)).join(", ");
}

/** A class as it is written in YAML: plain where that reads back as the same text. */
function toYamlText(name: string): string {
  const isPlain = /^(-?(0|[1-9]\d{0,14})|true|false)$/.test(name) ||
    /^[A-Za-z][\w-]*$/.test(name) &&
      !/^(true|false|yes|no|on|off|null|y|n|nan|inf)$/i.test(name);
  return isPlain ? name : JSON.stringify(name);
}
