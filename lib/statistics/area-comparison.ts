/** Compares AUCs of the same rows, and pools those of several periods. */
import {
  areaInfluence,
  areaUnderCurve,
  type Scored,
} from "./classification.ts";
import { type Estimate, toEstimate } from "./estimate.ts";

/**
 * Returns by how much the AUC of other scores of the same rows is higher, with the
 * error of paired AUCs by DeLong, DeLong and Clarke-Pearson (1988,
 * https://doi.org/10.2307/2531595). Undefined if either outcome has fewer than two
 * rows.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const scored = { probabilities: [0.9, 0.4, 0.6, 0.1], outcomes: [1, 1, 0, 0] };
 * const { value, standardError } = areaDifference(scored, [0.9, 0.7, 0.6, 0.1])!;
 * strictEqual(value, 0.25);
 * strictEqual(standardError.toFixed(4), Math.sqrt(0.125).toFixed(4)); // the other AUC is 1 and has no error
 * ```
 *
 * @param other Other probabilities of the same rows.
 * @throws {RangeError} If the lengths differ.
 */
export function areaDifference(
  scored: Scored,
  other: ArrayLike<number>,
): Estimate | undefined {
  const { probabilities, outcomes } = scored;
  if (probabilities.length !== other.length) {
    throw new RangeError(
      `Cannot compare ${probabilities.length} scores with ${other.length}`,
    );
  }
  const changed = { probabilities: other, outcomes };
  const influence = areaInfluence(scored);
  const otherInfluence = areaInfluence(changed);
  if (!influence || !otherInfluence) return undefined;
  const variance = otherInfluence.reduce(
    (sum, each, row) => sum + (each - influence[row]!) ** 2,
    0,
  );
  return toEstimate(
    areaUnderCurve(changed) - areaUnderCurve(scored),
    Math.sqrt(variance),
  );
}

/** The scores and outcomes of one period, and whose they are. */
export interface ScoredPlayers extends Scored {
  /** The player of each row. */
  readonly players: readonly string[];
}

/**
 * Returns the mean AUC of several periods. Players are compared within a period
 * only, so a change of the base rate or of the level of scores between periods
 * does not count. A period's weight is the number of rows of either outcome,
 * m n / (m + n); periods with fewer than two rows of an outcome are left out.
 * Undefined if none is left.
 *
 * The error allows for players who occur in several periods: their influences on
 * the mean are added before they are squared (clusters as in Obuchowski 1997,
 * https://doi.org/10.2307/2533958). With other players in each period, it is that
 * of independent AUCs, and for one period DeLong's. The interval is clipped to 0
 * and 1.
 */
export function pooledArea(
  periods: readonly ScoredPlayers[],
): Estimate | undefined {
  const parts = periods.flatMap((period) => {
    const influence = areaInfluence(period);
    if (!influence) return [];
    const rows = influence.length;
    let positives = 0;
    for (let row = 0; row < rows; row++) positives += period.outcomes[row]!;
    const weight = positives * (rows - positives) / rows;
    return [{ period, influence, weight }];
  });
  const weights = parts.reduce((sum, { weight }) => sum + weight, 0);
  if (weights === 0) return undefined;
  const value = parts.reduce(
    (sum, { period, weight }) =>
      sum + weight / weights * areaUnderCurve(period),
    0,
  );
  const byPlayer = new Map<string, number>();
  for (const { period: { players }, influence, weight } of parts) {
    for (const [row, player] of players.entries()) {
      const own = weight / weights * influence[row]!;
      byPlayer.set(player, (byPlayer.get(player) ?? 0) + own);
    }
  }
  let variance = 0;
  for (const influence of byPlayer.values()) variance += influence ** 2;
  return toEstimate(value, Math.sqrt(variance), [0, 1]);
}
