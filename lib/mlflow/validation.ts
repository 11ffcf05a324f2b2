/**
 * MLflow's rules for names, keys, aliases, stages and URIs as pure functions, which
 * throw where MLflow 3.17.2 refuses. Source:
 * `mlflow/utils/validation.py`, `mlflow/utils/uri.py` and
 * `mlflow/entities/model_registry/model_version_stages.py` of mlflow 3.17.2.
 */
import { posix } from "node:path";
import { InputError } from "../base/errors.ts";
import type { Stage } from "./store.ts";

/** Maximum length of a metric, param or tag key, in characters. */
const maxKeyLength = 250;
const maxAliasLength = 255;
const word = String.raw`\p{L}\p{N}_`; // what `\w` matches in Python's `re` for str patterns
const keyPattern = new RegExp(String.raw`^[/${word}.\- :]*$`, "u");
const aliasPattern = new RegExp(String.raw`^[${word}\-]*$`, "u");

/**
 * Counts characters as Python and Postgres do: in code points.
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
 * Validates a metric, param or tag key. MLflow accepts letters, digits, spaces and
 * `_ - . / :`, at most 250 characters, and no path that normalizes to another one.
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
export function checkKey(
  kind: "metric" | "param" | "tag",
  key: string,
): void {
  const start = `Cannot log the ${kind} ${JSON.stringify(key)}`;
  if (!keyPattern.test(key)) {
    throw new InputError(
      `${start}: MLflow keys may only contain letters, digits, spaces and _ - . : /`,
    );
  }
  if (isAmbiguousPath(key)) {
    throw new InputError(
      `${start}: as a file name it resolves to ${
        JSON.stringify(posix.normalize(key))
      }, which MLflow does not allow`,
    );
  }
  checkLength(key, { limit: maxKeyLength, start });
}

/** Validates an experiment name. @throws {InputError} If it is empty or longer than 500 characters. */
export function checkExperimentName(name: string): void {
  const start = `Cannot use ${JSON.stringify(name)} as an experiment's name`;
  if (name === "") throw new InputError(`${start}: it is empty`);
  checkLength(name, { limit: 500, start });
}

/** Returns the error for the name of a new experiment that is taken. */
export function takenExperiment(name: string, cause?: Error): InputError {
  return new InputError(
    `Cannot create the experiment "${name}": the name is taken, perhaps by a deleted experiment; restore it or choose another name`,
    { cause },
  );
}

/**
 * Validates a registered model's name: not blank, without `/` and `:`, and not a
 * path that normalizes to another one.
 *
 * ```ts
 * import { throws } from "node:assert/strict";
 *
 * checkModelName("churn-prediction-model-us");
 * throws(() => checkModelName("churn:us"), /does not allow "\/" or ":"/);
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
    throw new InputError(`${start}: MLflow does not allow "/" or ":" in it`);
  }
  if (isAmbiguousPath(name)) {
    throw new InputError(
      `${start}: as a file name it means another path, which MLflow does not allow`,
    );
  }
}

/** Validates a logged model's name. @throws {InputError} If it is empty or contains one of `/ : . % " '`. */
export function checkLoggedModelName(name: string): void {
  if (name !== "" && !/[/:.%"']/.test(name)) return;
  throw new InputError(
    `Cannot use ${
      JSON.stringify(name)
    } as a logged model's name: MLflow requires at least one character and none of / : . % " '`,
  );
}

/**
 * Validates an alias: 1 to 255 letters, digits, `_` and `-`, but neither `latest`
 * nor `v` followed by digits.
 *
 * ```ts
 * import { throws } from "node:assert/strict";
 *
 * checkAlias("champion");
 * throws(() => checkAlias("v3"), /MLflow reserves/);
 * ```
 *
 * @throws {InputError} For any other alias.
 */
export function checkAlias(alias: string): void {
  const start = `Cannot use ${JSON.stringify(alias)} as an alias`;
  if (alias === "") throw new InputError(`${start}: it is empty`);
  if (!aliasPattern.test(alias)) {
    throw new InputError(
      `${start}: MLflow aliases may only contain letters, digits, _ and -`,
    );
  }
  if (/^(latest|v\d+)$/i.test(alias)) {
    throw new InputError(`${start}: MLflow reserves that word`);
  }
  checkLength(alias, { limit: maxAliasLength, start });
}

/** MLflow's stages. */
const stages: readonly Stage[] = [
  "None",
  "Staging",
  "Production",
  "Archived",
];

/**
 * Parses a stage, ignoring case.
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

/** Tells whether a stage holds one version at a time, so that moving a version into it archives the others. */
export function isActiveStage(stage: Stage): boolean {
  return stage === "Staging" || stage === "Production";
}

/**
 * Appends path segments to a URI, before its query if there is one
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
 * Returns the logged model's id in `models:/m-…`; undefined for any other URI.
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

/** Validates that a text has at most `limit` characters. @throws {InputError} If it is longer; the message begins with `start`. */
export function checkLength(
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
