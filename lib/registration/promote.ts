/** Decides which alias and stage a promotion moves, and describes its result as JSON and as text. */
import type { Outcome } from "../base/outcome.ts";
import type { Variant } from "../config/variant.ts";
import type { Promotion, PromotionResult, Stage } from "../mlflow/store.ts";

/** The alias and stage that a promotion moves; undefined is left unchanged. */
export interface Moves {
  readonly alias: string | undefined;
  readonly stage: Stage | undefined;
}

/**
 * Returns what a promotion moves if the given alias and stage are requested:
 * `champion` and Production together, because `predict` uses both; any other
 * alias or stage alone. Without a request, champion and Production.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const neither = { alias: undefined, stage: undefined };
 * deepStrictEqual(toMoves(neither), { alias: "champion", stage: "Production" });
 * deepStrictEqual(toMoves({ ...neither, alias: "challenger" }), { alias: "challenger", stage: undefined });
 * ```
 */
export function toMoves({ alias, stage }: Moves): Moves {
  const isProduction = stage === undefined || stage === "Production";
  const isChampion = alias === undefined || alias === "champion";
  return {
    alias: alias ?? (isProduction ? "champion" : undefined),
    stage: stage ?? (isChampion ? "Production" : undefined),
  };
}

/** Returns the outcome of `promote` for one variant; `status` is `promoted` or `unchanged`. */
export function describePromotion(
  variant: Variant,
  { version, alias, stage, by }: Promotion,
  { from, archived, changed }: PromotionResult,
): Outcome {
  const name = variant.modelName;
  const marks = [alias && `@${alias}`, stage].filter(Boolean).join(" and ");
  return {
    report: {
      status: changed ? "promoted" : "unchanged",
      variant: variant.key,
      model_name: name,
      model_version: version,
      from_version: from ?? null,
      archived_versions: archived,
      alias: alias ?? null,
      stage: stage ?? null,
      by,
    },
    text: changed
      ? `${name} version ${version} is now ${marks}${
        from === undefined ? "" : `, previously version ${from}`
      }`
      : `${name} version ${version} is already ${marks}`,
  };
}
