/**
 * Plans what one promotion changes in a registered model, independent of where
 * the registry is, and the tag that records it: MLflow itself keeps no history of
 * aliases and stages.
 */
import { InputError } from "../base/errors.ts";
import { toPythonJson, toRecord } from "./json.ts";
import { checkAlias, checkModelName, isActiveStage } from "./validation.ts";
import type { ModelVersion, Promotion, PromotionResult } from "./store.ts";

/** What a promotion writes. */
export interface PromotionPlan extends PromotionResult {
  /** True if the alias points at another version, or at none. */
  readonly movesAlias: boolean;
  /** True if the version is in another stage, or other versions share its stage. */
  readonly movesStage: boolean;
  /** The tag of the version that records the promotion. */
  readonly tag: { readonly key: string; readonly value: string };
}

const tagPrefix = "promotion.";

/** The time in a key, with colons, as early versions of this project wrote it, or with dashes: servers before MLflow 2.16 refuse colons in a key. */
const keyTime = /^(\d{4}-\d\d-\d\dT\d\d)[:-](\d\d)[:-](\d\d\.\d{3}Z)$/;

/**
 * Returns the changes that bring a registered model to the requested state.
 *
 * @param versions All versions that are not deleted.
 * @throws {InputError} If the version is not among them or not READY, or the alias breaks MLflow's rules.
 */
export function planPromotion(
  name: string,
  options: { versions: readonly ModelVersion[]; promotion: Promotion },
): PromotionPlan {
  const { versions, promotion } = options;
  const { version, alias, stage, by } = promotion;
  checkModelName(name);
  if (alias !== undefined) checkAlias(alias);
  const target = versions.find((known) => known.version === version);
  if (!target) throw missingVersion(name, { version, versions });
  if (target.status !== "READY") {
    throw new InputError(
      `Cannot promote version ${version} of "${name}": its status is ${target.status}, not READY`,
    );
  }
  const from = alias === undefined
    ? undefined
    : versions.find((known) => known.aliases.includes(alias))?.version;
  const archived = stage !== undefined && isActiveStage(stage)
    ? versions.filter((known) =>
      known.stage === stage && known.version !== version
    ).map((known) => known.version).sort((a, b) => a - b)
    : [];
  const movesAlias = alias !== undefined && from !== version;
  const movesStage = stage !== undefined &&
    (target.stage !== stage || archived.length > 0);
  return {
    from,
    archived,
    changed: movesAlias || movesStage,
    movesAlias,
    movesStage,
    tag: {
      key: freshKey(target, promotion.timeMs),
      value: toPythonJson({
        by,
        from: from ?? null,
        to: version,
        alias: alias ?? null,
        stage: stage ?? null,
        archived,
      }),
    },
  };
}

/** One recorded promotion, as returned by {@linkcode readPromotions}. */
export interface RecordedPromotion {
  readonly timeMs: number;
  readonly by: string;
  /** The version that the alias pointed at before; undefined if there was none. */
  readonly from: number | undefined;
  readonly to: number;
  readonly alias: string;
  readonly stage: string;
  readonly archived: readonly number[];
}

/**
 * Returns the promotions recorded in a version's tags, oldest first. Ignores other tags.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const [move] = readPromotions({
 *   "promotion.2026-11-23T12-00-00.000Z":
 *     '{"by": "ada", "from": 1, "to": 2, "alias": "champion", "stage": "Production", "archived": [1]}',
 * });
 * strictEqual(move?.timeMs, Date.UTC(2026, 10, 23, 12));
 * strictEqual(move?.from, 1);
 * ```
 */
export function readPromotions(
  tags: Readonly<Record<string, string>>,
): RecordedPromotion[] {
  return Object.entries(tags).flatMap(([key, text]) => {
    const timeMs = key.startsWith(tagPrefix)
      ? Date.parse(key.slice(tagPrefix.length).replace(keyTime, "$1:$2:$3"))
      : NaN;
    const value = Number.isNaN(timeMs) ? undefined : parseObject(text);
    if (!value || typeof value["to"] !== "number") return [];
    const { by, from, to, alias, stage, archived } = value;
    return [{
      timeMs,
      by: String(by ?? ""),
      from: typeof from === "number" ? from : undefined,
      to,
      alias: String(alias ?? ""),
      stage: String(stage ?? ""),
      archived: Array.isArray(archived) ? archived.map(Number) : [],
    }];
  }).sort((a, b) => a.timeMs - b.timeMs);
}

/** Returns the error for a version that does not exist; it lists the versions that do. */
export function missingVersion(
  name: string,
  options: { version: number; versions: readonly { version: number }[] },
): InputError {
  const { version, versions } = options;
  const known = versions.map((each) => each.version).sort((a, b) => a - b);
  return new InputError(
    `Cannot find version ${version} of the registered model "${name}": ${
      known.length === 0
        ? "it has no versions; log one with `deno task log-model`"
        : `it has ${known.length === 1 ? "version" : "versions"} ${
          known.join(", ")
        }`
    }`,
  );
}

/** Returns an unused tag key, so that two promotions in one millisecond are both recorded. */
function freshKey(target: ModelVersion, timeMs: number): string {
  const key = `${tagPrefix}${
    new Date(timeMs).toISOString().replaceAll(":", "-")
  }`;
  return key in target.tags ? freshKey(target, timeMs + 1) : key;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    return toRecord(JSON.parse(text));
  } catch {
    return undefined;
  }
}
