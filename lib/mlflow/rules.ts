/**
 * MLflow's own rules for names, lengths and values, as pure functions. Where
 * MLflow 3.17.2 refuses, these throw; where it truncates, they give back the
 * shorter value and the warning. Source: `mlflow/utils/validation.py`,
 * `mlflow/store/tracking/sqlalchemy_store.py` and
 * `mlflow/entities/model_registry/model_version_stages.py` of mlflow 3.17.2.
 */
import { posix } from "node:path";
import { InputError } from "../errors.ts";
import type { DatasetInput, Metric, Stage } from "./store.ts";

/** The most that one batch of MLflow may hold (`MAX_METRICS_PER_BATCH`, `MAX_PARAMS_TAGS_PER_BATCH`). */
export const batchLimits = { metrics: 1000, params: 100, tags: 100 } as const;

/** Longest key of a metric, param or tag, in characters. */
export const maxKeyLength = 250;
/** Longest param value, in characters; longer ones are truncated. */
export const maxParamLength = 6000;
/** Longest value of a run's tag, in characters; longer ones are truncated. */
export const maxTagLength = 8000;

const maxRegistryTagLength = 100_000;
const maxExperimentTagLength = 20_000;
const maxAliasLength = 255;
const word = String.raw`\p{L}\p{N}_`; // what `\w` means to Python's `re` on text
const keyPattern = new RegExp(String.raw`^[/${word}.\- :]*$`, "u");
const aliasPattern = new RegExp(String.raw`^[${word}\-]*$`, "u");

/** A value that fits, and the sentence to print when it had to be shortened to fit. */
export interface Fitted {
  readonly value: string;
  readonly warning: string | undefined;
}

/** What a key belongs to, for messages. */
export type KeyKind = "metric" | "param" | "tag";

/**
 * The number of characters as Python and Postgres count them: code points.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(countCharacters("a😀"), 2);
 * ```
 */
export function countCharacters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/**
 * Nothing, for a key that MLflow accepts: letters, digits and `_ - . / :` and
 * space, at most 250 characters, and no path that means another path.
 *
 * ```ts
 * import { throws } from "node:assert/strict";
 *
 * checkKey("metric", "test/roc_auc");
 * throws(() => checkKey("tag", "a/../b"), /resolves to "b"/);
 * ```
 *
 * @throws {InputError} For any other key.
 */
export function checkKey(kind: KeyKind, key: string): void {
  const start = `Cannot log the ${kind} ${JSON.stringify(key)}`;
  if (!keyPattern.test(key)) {
    throw new InputError(
      `${start}: MLflow's keys hold letters, digits, spaces and _ - . : / only`,
    );
  }
  if (isAmbiguousPath(key)) {
    throw new InputError(
      `${start}: as a file name it resolves to ${
        JSON.stringify(posix.normalize(key))
      }, which MLflow refuses`,
    );
  }
  checkLength(key, { limit: maxKeyLength, start });
}

/**
 * The param's value as MLflow stores it, cut to 6000 characters if need be.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(fitParam("depth", "6").value, "6");
 * strictEqual(fitParam("long", "x".repeat(6001)).value.length, 6000);
 * ```
 *
 * @throws {InputError} If the key breaks {@linkcode checkKey}.
 */
export function fitParam(key: string, value: string): Fitted {
  checkKey("param", key);
  return truncate(value, { limit: maxParamLength, what: `param "${key}"` });
}

/**
 * The run tag's value as MLflow stores it, cut to 8000 characters if need be.
 *
 * @throws {InputError} If the key breaks {@linkcode checkKey}.
 */
export function fitTag(key: string, value: string): Fitted {
  checkKey("tag", key);
  return truncate(value, { limit: maxTagLength, what: `tag "${key}"` });
}

/** Nothing, for a metric that MLflow accepts. @throws {InputError} For a bad key, a negative or broken timestamp, or a broken step. */
export function checkMetric(metric: Metric): void {
  checkKey("metric", metric.key);
  const { timestampMs, step = 0 } = metric;
  const start = `Cannot log the metric "${metric.key}"`;
  if (!Number.isSafeInteger(timestampMs) || timestampMs < 0) {
    throw new InputError(
      `${start}: its time is ${timestampMs}, which is not a whole number of milliseconds from 0`,
    );
  }
  if (!Number.isSafeInteger(step)) {
    throw new InputError(`${start}: its step is ${step}, not a whole number`);
  }
}

/**
 * A metric's number as MLflow's tables hold it: NaN is 0 with a mark, the
 * infinities are the largest finite doubles
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

/** Nothing, for a tag of a registered model or a version. @throws {InputError} If MLflow would refuse key or value. */
export function checkRegistryTag(key: string, value: string): void {
  checkKey("tag", key);
  checkLength(value, {
    limit: maxRegistryTagLength,
    start: `Cannot set the tag "${key}"`,
  });
}

/** Nothing, for a tag of an experiment. @throws {InputError} If MLflow would refuse key or value. */
export function checkExperimentTag(key: string, value: string): void {
  checkKey("tag", key);
  checkLength(value, {
    limit: maxExperimentTagLength,
    start: `Cannot set the experiment's tag "${key}"`,
  });
}

/** Nothing, for a name that an experiment may have. @throws {InputError} If it is empty or longer than 500 characters. */
export function checkExperimentName(name: string): void {
  const start = `Cannot use ${JSON.stringify(name)} as an experiment's name`;
  if (name === "") throw new InputError(`${start}: it is empty`);
  checkLength(name, { limit: 500, start });
}

/**
 * Nothing, for a name that a registered model may have: not blank, without
 * `/` and `:`, and no path that means another path.
 *
 * ```ts
 * import { throws } from "node:assert/strict";
 *
 * checkModelName("churn-prediction-model-us");
 * throws(() => checkModelName("churn:us"), /without "\/" and ":"/);
 * ```
 *
 * @throws {InputError} For any other name.
 */
export function checkModelName(name: string): void {
  const start = `Cannot use ${
    JSON.stringify(name)
  } as a registered model's name`;
  if (name.trim() === "") throw new InputError(`${start}: it is blank`);
  if (/[/:]/.test(name)) {
    throw new InputError(`${start}: MLflow wants it without "/" and ":"`);
  }
  if (isAmbiguousPath(name)) {
    throw new InputError(
      `${start}: as a file name it means another one, which MLflow refuses`,
    );
  }
}

/** Nothing, for a name that a logged model may have. @throws {InputError} If it is empty or holds one of `/ : . % " '`. */
export function checkLoggedModelName(name: string): void {
  if (name !== "" && !/[/:.%"']/.test(name)) return;
  throw new InputError(
    `Cannot use ${
      JSON.stringify(name)
    } as a logged model's name: MLflow wants at least one character and none of / : . % " '`,
  );
}

/**
 * Nothing, for an alias that MLflow accepts: letters, digits, `_` and `-`,
 * 1 to 255 characters, neither `latest` nor `v` with digits.
 *
 * ```ts
 * import { throws } from "node:assert/strict";
 *
 * checkAlias("champion");
 * throws(() => checkAlias("v3"), /reserved/);
 * ```
 *
 * @throws {InputError} For any other alias.
 */
export function checkAlias(alias: string): void {
  const start = `Cannot use ${JSON.stringify(alias)} as an alias`;
  if (alias === "") throw new InputError(`${start}: it is empty`);
  if (!aliasPattern.test(alias)) {
    throw new InputError(
      `${start}: MLflow's aliases hold letters, digits, _ and - only`,
    );
  }
  if (/^(latest|v\d+)$/i.test(alias)) {
    throw new InputError(`${start}: MLflow keeps that word reserved`);
  }
  checkLength(alias, { limit: maxAliasLength, start });
}

const stages: readonly Stage[] = ["None", "Staging", "Production", "Archived"];

/**
 * The stage that a word means, in any case.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(parseStage("PRODUCTION"), "Production");
 * ```
 *
 * @throws {InputError} If MLflow has no such stage.
 */
export function parseStage(text: string): Stage {
  const wanted = text.toLowerCase();
  const stage = stages.find((known) => known.toLowerCase() === wanted);
  if (stage) return stage;
  throw new InputError(
    `Cannot use the stage ${JSON.stringify(text)}: MLflow's stages are ${
      stages.join(", ")
    }`,
  );
}

/** True for the stages that one version at a time serves from, which a move into them clears of others. */
export function isActiveStage(stage: Stage): boolean {
  return stage === "Staging" || stage === "Production";
}

/** Nothing, for a dataset that MLflow accepts as an input. @throws {InputError} Naming the part that is too long. */
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

/**
 * The URI with more path behind it, before a query if there is one
 * (`mlflow.utils.uri.append_to_uri_path`).
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(appendToUri("s3://bucket/root/", "7", "artifacts"), "s3://bucket/root/7/artifacts");
 * strictEqual(appendToUri("s3://bucket?region=x", "7"), "s3://bucket/7?region=x");
 * ```
 */
export function appendToUri(uri: string, ...segments: string[]): string {
  const hasScheme = /^[A-Za-z][A-Za-z0-9+.-]*:/.test(uri);
  const end = hasScheme ? uri.search(/[?#]/) : -1;
  const base = end < 0 ? uri : uri.slice(0, end);
  const separator = base.endsWith("/") ? "" : "/";
  return `${base}${separator}${segments.join("/")}${
    end < 0 ? "" : uri.slice(end)
  }`;
}

/**
 * The id in `models:/m-…`, which names a logged model; undefined for any other URI.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(toModelId("models:/m-0a"), "m-0a");
 * strictEqual(toModelId("models:/churn/3"), undefined);
 * ```
 */
export function toModelId(uri: string): string | undefined {
  return /^models:\/(m-[^/@]+)$/.exec(uri)?.[1];
}

function isAmbiguousPath(name: string): boolean {
  return name === "." || name.startsWith("..") || name.startsWith("/") ||
    name.endsWith("/") || posix.normalize(name) !== name;
}

function checkLength(
  value: string,
  options: { limit: number; start: string },
): void {
  const { limit, start } = options;
  if (value.length <= limit) return;
  const count = countCharacters(value);
  if (count <= limit) return;
  throw new InputError(
    `${start}: it has ${count} characters and MLflow allows ${limit}`,
  );
}

function truncate(
  value: string,
  options: { limit: number; what: string },
): Fitted {
  const { limit, what } = options;
  const count = value.length <= limit ? value.length : countCharacters(value);
  if (count <= limit) return { value, warning: undefined };
  return {
    value: [...value].slice(0, limit).join(""),
    warning:
      `The ${what} has ${count} characters; MLflow keeps the first ${limit}`,
  };
}
