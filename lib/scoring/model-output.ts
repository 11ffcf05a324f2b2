/**
 * Interprets the output of an ONNX graph: which column is the churn
 * probability, if any. The graph or `variants.yaml` determines it; nothing is
 * guessed.
 */
import { type Names, usualNames } from "../config/names.ts";
import { InputError, UsageError } from "../base/errors.ts";
import type { OutputFacts } from "../model/mod.ts";
import type { RecordedOutput } from "../mlflow/model-folder/signature.ts";
import type { VariantSettings } from "../config/variants.ts";

/** The settings in `variants.yaml` that describe a model's output. */
export type OutputSettings =
  & Pick<
    VariantSettings,
    "positiveClass" | "modelOutput"
  >
  & {
    /** What the outcome is called, for messages; churn by default. */
    readonly names?: Pick<Names, "outcome">;
  };

/** The interpretation of an output: the kind of its predictions, and how to extract them from the graph's columns. */
export interface ModelOutput {
  readonly predictionKind: "probability" | "score";
  /** Predictions per row. */
  readonly outputs: number;
  /** The class whose probability is used: `0` or `1` if the graph has two columns without names; undefined if there is no choice. */
  readonly positiveClass: string | undefined;
  /** The column of that class; undefined if all columns are used. */
  readonly column: number | undefined;
  /**
   * Returns the predictions from the graph's rows × columns.
   *
   * @throws {InputError} If a probability is outside 0 to 1, or the two columns of a row are not the probabilities of two classes.
   */
  take(values: Float32Array): Float32Array;
}

/** Returns true if a model returns one probability per row, which `churn_predictions` requires. */
export function isProbability(
  { predictionKind, outputs }: Pick<ModelOutput, "predictionKind" | "outputs">,
): boolean {
  return predictionKind === "probability" && outputs === 1;
}

/**
 * Returns the interpretation of a graph's output.
 *
 * - Two columns of probabilities give the probability of one class: of `1` for
 *   the classes 0 and 1, of `true` for false and true, otherwise of the class
 *   that `positive_class` names.
 * - More than two columns of probabilities are used unchanged.
 * - Numbers that are not known to be probabilities are scores;
 *   `model_output: probability` declares that they are probabilities.
 *
 * @param options `columns`: number of columns of the graph's output; `what`: the model, for messages.
 * @throws {UsageError} If the positive class is unknown, or `positive_class` is not one of the graph's classes; the message lists them.
 * @throws {InputError} If one column is the probability of several named classes.
 */
export function toModelOutput(
  facts: OutputFacts,
  options: { columns: number; settings: OutputSettings; what: string },
): ModelOutput {
  const { columns, settings, what } = options;
  const { positiveClass, modelOutput } = settings;
  const hasProbabilities = facts.kind === "probability" ||
    modelOutput === "probability";
  const all = {
    outputs: columns,
    positiveClass: undefined,
    column: undefined,
    take: (values: Float32Array) => values,
  };
  if (!hasProbabilities) return { ...all, predictionKind: "score" };
  if (columns > 2) return { ...all, predictionKind: "probability" };
  if (columns === 2) {
    const column = positiveColumn(facts.classes, {
      positiveClass,
      outcome: settings.names?.outcome ?? usualNames.outcome,
      what,
    });
    return {
      predictionKind: "probability",
      outputs: 1,
      positiveClass: (facts.classes ?? unnamed)[column],
      column,
      take: (values) => takeColumn(values, { column, what }),
    };
  }
  if (facts.classes !== undefined) {
    throw new InputError(
      `Cannot use ${what}: its output has one column for the classes ${
        quote(facts.classes)
      }, so it is unclear which class the probability belongs to; export it with one column per class`,
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
 * Returns the settings with which a model was logged. They stay with the
 * version, so that `positive_class` in `variants.yaml` cannot change what an
 * earlier version returns.
 *
 * @param options `recorded`: undefined for a model that was logged without them, by Python; the settings are then those of `variants.yaml`.
 * @throws {UsageError} If `variants.yaml` contradicts what was recorded.
 */
export function settingsOf(
  settings: OutputSettings,
  { recorded, what }: { recorded: RecordedOutput | undefined; what: string },
): OutputSettings {
  if (!recorded) return settings;
  const { positiveClass, modelOutput } = settings;
  const { kind, positive_class: logged } = recorded;
  const contradiction = positiveClass !== undefined && logged !== undefined &&
      !isSame(logged, positiveClass)
    ? `positive_class ${JSON.stringify(positiveClass)}`
    : modelOutput === "probability" && kind === "score"
    ? "model_output probability"
    : undefined;
  if (contradiction !== undefined) {
    throw new UsageError(
      `Cannot use ${contradiction} of variants.yaml for ${what}: it was logged ${
        kind === "score"
          ? "without model_output, so its numbers are scores"
          : `with the probability of class ${JSON.stringify(logged)}`
      }; log the model again with \`log-model\`, or correct variants.yaml`,
    );
  }
  return {
    positiveClass: logged ?? positiveClass,
    modelOutput: kind === "probability" ? kind : undefined,
  };
}

/**
 * Validates the settings of a model that returns one probability and names no
 * classes: the probability is that of class 1.
 *
 * @throws {UsageError} If `positive_class` names another class.
 */
export function checkUnnamed(
  { positiveClass }: Pick<OutputSettings, "positiveClass">,
  what: string,
): void {
  if (positiveClass === undefined || isTrue(positiveClass)) return;
  throw new UsageError(
    `Cannot use positive_class ${
      JSON.stringify(positiveClass)
    } of variants.yaml for ${what}: its file has no class names, and it returns the probability of class 1; ` +
      `remove positive_class for this variant, or set it to 1`,
  );
}

/** The names of two classes that a graph does not name. */
const unnamed: readonly string[] = ["0", "1"];

/** Returns the column of the positive class. */
function positiveColumn(
  classes: readonly string[] | undefined,
  { positiveClass, outcome, what }: {
    positiveClass: string | undefined;
    outcome: string;
    what: string;
  },
): number {
  const known = classes?.length === 2 ? classes : undefined;
  const names = known ?? unnamed;
  const found = known
    ? `its classes are ${quote(known)}`
    : "it has two columns and no class names, so they are 0 (the first) and 1 (the second)";
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
    `Cannot tell which class of ${what} is ${outcome}: ${found}; name it in variants.yaml, for this variant or for all, with the line ${
      names.map((name) => `\`positive_class: ${toYamlText(name)}\``).join(
        " or ",
      )
    }`,
  );
}

/** Returns the probabilities of one of two classes, clipped to 0 to 1, because float32 rounding may leave a value slightly outside. */
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

/** Far larger than the float32 rounding error over a thousand trees, and small enough that unrelated numbers hardly ever pass. */
const tolerance = 1e-4;

function isShare(value: number): boolean {
  return value >= -tolerance && value <= 1 + tolerance;
}

/** Compares class names; case is ignored for booleans, which are `True` in some libraries and `true` in others and in YAML. */
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

/** Returns a class name as YAML, without quotes if it parses as the same text. */
function toYamlText(name: string): string {
  const isPlain = /^(-?(0|[1-9]\d{0,14})|true|false)$/.test(name) ||
    /^[A-Za-z][\w-]*$/.test(name) &&
      !/^(true|false|yes|no|on|off|null|y|n|nan|inf)$/i.test(name);
  return isPlain ? name : JSON.stringify(name);
}
