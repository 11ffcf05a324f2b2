/**
 * What MLflow accepts as a name, a key, an alias, a stage and a URI, as pure
 * functions: where MLflow 3.17.2 refuses, these throw. Source:
 * `mlflow/utils/validation.py`, `mlflow/utils/uri.py` and
 * `mlflow/entities/model_registry/model_version_stages.py` of mlflow 3.17.2.
 */
import { posix } from "node:path";
import { InputError } from "../base/errors.ts";
import type { Stage } from "./store.ts";

/** Longest key of a metric, param or tag, in characters. */
const maxKeyLength = 250;
const maxAliasLength = 255;
const word = String.raw`\p{L}\p{N}_`; // what `\w` means to Python's `re` on text
const keyPattern = new RegExp(String.raw`^[/${word}.\- :]*$`, "u");
const aliasPattern = new RegExp(String.raw`^[${word}\-]*$`, "u");

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
 * Validates the key of a metric, parameter or tag. MLflow accepts letters, digits and `_ - . / :` and
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

/** Nothing, for a text of at most `limit` characters. @throws {InputError} Otherwise; the message begins with `start`. */
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
