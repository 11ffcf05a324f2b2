/**
 * MLflow's rules for the values of params, tags, metrics and datasets as pure
 * functions: where MLflow 3.17.2 refuses, they throw; where it truncates, they
 * return the truncated value and a warning. Source:
 * `mlflow/utils/validation.py` and `mlflow/store/tracking/sqlalchemy_store.py`
 * of mlflow 3.17.2.
 */
import { InputError } from "../base/errors.ts";
import { checkKey, checkLength, countCharacters } from "./validation.ts";
import type { DatasetInput, Metric } from "./store.ts";

/** Maximum numbers of items in one MLflow batch (`MAX_METRICS_PER_BATCH`, `MAX_PARAMS_TAGS_PER_BATCH`). */
export const batchLimits = { metrics: 1000, params: 100, tags: 100 } as const;

/** Maximum lengths of values, in characters; longer ones are truncated. */
const maxLengths = { param: 6000, tag: 8000 } as const;

const maxRegistryTagLength = 100_000;
const maxExperimentTagLength = 20_000;

/**
 * Returns params or tags of a run as MLflow stores them: a param's value truncated
 * to 6000 characters, a tag's to 8000.
 *
 * ```ts
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 *
 * const warnings: string[] = [];
 * const params = { depth: "6", long: "x".repeat(6001) };
 * strictEqual(fitAll("param", params, (text) => warnings.push(text)).long?.length, 6000);
 * deepStrictEqual(warnings, ['The param "long" has 6001 characters; MLflow stores the first 6000']);
 * ```
 *
 * @param warn Called for each truncated value.
 * @throws {InputError} If a key breaks {@linkcode checkKey}.
 */
export function fitAll(
  kind: "param" | "tag",
  values: Readonly<Record<string, string>> = {},
  warn: (warning: string) => void,
): Record<string, string> {
  const limit = maxLengths[kind];
  const fit = (key: string, value: string) => {
    checkKey(kind, key);
    const count = value.length <= limit ? value.length : countCharacters(value);
    if (count <= limit) return value;
    warn(
      `The ${kind} "${key}" has ${count} characters; MLflow stores the first ${limit}`,
    );
    return [...value].slice(0, limit).join("");
  };
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, fit(key, value)]),
  );
}

/**
 * Returns the values in order, in arrays of at most `size`.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(toBatches([1, 2, 3], 2), [[1, 2], [3]]);
 * ```
 */
export function toBatches<T>(values: readonly T[], size: number): T[][] {
  return Array.from(
    { length: Math.ceil(values.length / size) },
    (_, index) => values.slice(index * size, (index + 1) * size),
  );
}

/** Validates a metric. @throws {InputError} If the key is invalid, the timestamp is negative or not an integer, or the step is not an integer. */
export function checkMetric(metric: Metric): void {
  checkKey("metric", metric.key);
  const { timestampMs, step = 0 } = metric;
  const start = `Cannot log the metric "${metric.key}"`;
  if (!Number.isSafeInteger(timestampMs) || timestampMs < 0) {
    throw new InputError(
      `${start}: its time is ${timestampMs}, expected a whole number of milliseconds, 0 or greater`,
    );
  }
  if (!Number.isSafeInteger(step)) {
    throw new InputError(`${start}: its step is ${step}, not a whole number`);
  }
}

/**
 * Returns a metric's value as MLflow's tables store it: NaN becomes 0 with `isNan`
 * set, and infinities become the largest finite doubles
 * (`SqlAlchemyStore.sanitize_metric_value`).
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(storedMetricValue(NaN), { value: 0, isNan: true });
 * deepStrictEqual(storedMetricValue(-Infinity), { value: -Number.MAX_VALUE, isNan: false });
 * ```
 */
export function storedMetricValue(
  value: number,
): { value: number; isNan: boolean } {
  if (Number.isNaN(value)) return { value: 0, isNan: true };
  const limit = Number.MAX_VALUE;
  return { value: Math.min(limit, Math.max(-limit, value)), isNan: false };
}

/** Validates a tag of a registered model or a version. @throws {InputError} If MLflow would refuse the key or value. */
export function checkRegistryTag(key: string, value: string): void {
  checkKey("tag", key);
  checkLength(value, {
    limit: maxRegistryTagLength,
    start: `Cannot set the tag "${key}"`,
  });
}

/** Validates an experiment's tag. @throws {InputError} If MLflow would refuse the key or value. */
export function checkExperimentTag(key: string, value: string): void {
  checkKey("tag", key);
  checkLength(value, {
    limit: maxExperimentTagLength,
    start: `Cannot set the experiment's tag "${key}"`,
  });
}

/** Validates a dataset input. @throws {InputError} If a part is too long; the message names it. */
export function checkDataset(dataset: DatasetInput): void {
  const start = `Cannot log the dataset ${JSON.stringify(dataset.name)}`;
  const limits = [
    ["name", dataset.name, 500],
    ["digest", dataset.digest, 36],
    ["source", dataset.source, 65_535],
    ["schema", dataset.schema ?? "", 1_048_575],
    ["profile", dataset.profile ?? "", 16_777_215],
    ["context", dataset.context, 500],
  ] as const;
  for (const [part, value, limit] of limits) {
    checkLength(value, { limit, start: `${start}: its ${part}` });
  }
}
