/**
 * Plans what one promotion changes in a registered model, independent of where
 * the registry is, and the tag that records it: MLflow itself keeps no history of
 * aliases and stages.
 */
import { InputError } from "../base/errors.ts";
import { toPythonJson } from "./json.ts";
import { checkAlias, isActiveStage } from "./validation.ts";
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

/**
 * Returns the changes that bring a registered model to the requested state.
 *
 * @throws {InputError} If the version is not READY, or the alias breaks MLflow's rules.
 */
export function planPromotion(
  promotion: Promotion,
  { target, from, inStage }: {
    readonly target: ModelVersion;
    /** The version that the requested alias points at; undefined if none. */
    readonly from: number | undefined;
    /** The versions in the requested stage; with or without the target. */
    readonly inStage: readonly number[];
  },
): PromotionPlan {
  const { version, alias, stage, by } = promotion;
  if (alias !== undefined) checkAlias(alias);
  if (target.status !== "READY") {
    throw new InputError(
      `Cannot promote version ${version} of "${target.name}": its status is ${target.status}, not READY`,
    );
  }
  const archived = stage !== undefined && isActiveStage(stage)
    ? inStage.filter((other) => other !== version).sort((a, b) => a - b)
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
