/** Joins outcomes to scored players and describes how representative they are. */
import { type Names, usualNames } from "../config/names.ts";
import { percent } from "./numbers.ts";
import type { ScoredPlayers } from "../statistics/area-comparison.ts";
import { tenthsOf } from "../statistics/calibration.ts";
import { total } from "../statistics/column-counts.ts";
import { chiSquareTest } from "../statistics/drift.ts";
import { type Thresholds, thresholds } from "../config/monitoring.ts";

/** The scored players with an outcome, and how many others there are. */
export interface JoinedOutcomes extends ScoredPlayers {
  readonly probabilities: readonly number[];
  readonly outcomes: readonly number[];
  /** Number of scored rows. */
  readonly rows: number;
  /** Number of scored players: distinct ids, plus each row without an id. */
  readonly scored: number;
  /** Number of scored rows without a player id; they cannot have an outcome. */
  readonly unnamed: number;
  /** Number of players with an outcome, scored or not. */
  readonly known: number;
  /** Number of scored players per tenth of the scores, lowest first, and how many of them have an outcome. */
  readonly tenths: readonly {
    readonly scored: number;
    readonly matured: number;
  }[];
}

/**
 * Joins outcomes to scores by the exact text of the player id. A player with
 * several rows counts once, with the score of the last row.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const rows = { ids: ["a", "b", "a", null], scores: [0.1, 0.2, 0.3, 0.4] };
 * const { probabilities, outcomes, scored } = joinOutcomes(rows, new Map([["a", 1]]));
 * deepStrictEqual([probabilities, outcomes, scored], [[0.3], [1], 3]);
 * ```
 *
 * @param scored `ids`: the player id of each score, in row order; null for a score without one.
 */
export function joinOutcomes(
  scored: { ids: readonly (string | null)[]; scores: ArrayLike<number> },
  outcomes: ReadonlyMap<string, number>,
): JoinedOutcomes {
  const lastRow = new Map<string, number>();
  let unnamed = 0;
  for (const [row, id] of scored.ids.entries()) {
    if (id === null) unnamed++;
    else lastRow.set(id, row);
  }
  const all = [...lastRow].map(([id, row]) => ({
    id,
    score: scored.scores[row]!,
    outcome: outcomes.get(id),
  }));
  const matured = all.filter(({ outcome }) => outcome !== undefined);
  return {
    players: matured.map(({ id }) => id),
    probabilities: matured.map(({ score }) => score),
    outcomes: matured.map(({ outcome }) => outcome!),
    rows: scored.ids.length,
    scored: all.length + unnamed,
    unnamed,
    known: outcomes.size,
    tenths: tenthsOf(all.map(({ score }) => score)).map((rows) => ({
      scored: rows.length,
      matured: rows.filter((row) => all[row]!.outcome !== undefined).length,
    })),
  };
}

/**
 * Returns warnings about metrics on these outcomes, one sentence each: low
 * coverage of players, many outcomes of other players, coverage that depends on
 * the score, and rows with a repeated or missing player id.
 */
export function describeCoverage(
  { outcomes, rows, scored, unnamed, known, tenths }: JoinedOutcomes,
  { limits = thresholds, names = usualNames }: {
    limits?: Thresholds;
    names?: Names;
  } = {},
): string[] {
  const { entity, entities } = names;
  const matured = outcomes.length;
  const warnings: string[] = [];
  const { warn } = limits.coverage;
  if (matured < warn * scored) {
    warnings.push(
      `only ${matured} of ${scored} scored ${entities} (${
        percent(matured / scored)
      }) have an outcome; the metrics cover only those`,
    );
  }
  if (matured < warn * known) {
    warnings.push(
      `only ${matured} of ${known} outcomes (${
        percent(matured / known)
      }) belong to a ${entity} of this scoring run`,
    );
  }
  const spread = scoreSpread(tenths, limits);
  if (spread) {
    warnings.push(
      `the share of ${entities} with an outcome depends on the score: ${
        percent(spread.low)
      } to ${
        percent(spread.high)
      } across tenths of the scores, so the metrics describe a biased selection`,
    );
  }
  const repeated = rows - scored;
  if (repeated > 0) {
    warnings.push(
      `scored rows that repeat a ${entity}: ${repeated}; each ${entity} counts once, with the score of the last row`,
    );
  }
  if (unnamed > 0) {
    warnings.push(`scored rows without a ${entity} id: ${unnamed}`);
  }
  return warnings;
}

/**
 * Returns why metrics on these outcomes say nothing about all scored players:
 * too few have an outcome, or which ones have one depends on the score.
 * Undefined if neither is the case.
 */
export function coverageFault(
  { outcomes, scored, tenths }: JoinedOutcomes,
  { limits, names = usualNames }: { limits: Thresholds; names?: Names },
): string | undefined {
  const { unknown } = limits.coverage;
  if (outcomes.length < unknown * scored) {
    return `only ${outcomes.length} of ${scored} scored ${names.entities} have an outcome, at least ${
      percent(unknown)
    } are needed`;
  }
  const spread = scoreSpread(tenths, limits);
  return spread &&
    `the share of ${names.entities} with an outcome depends on the score (${
      percent(spread.low)
    } to ${percent(spread.high)} across its tenths)`;
}

/**
 * Returns the lowest and the highest coverage of a tenth of the scores;
 * undefined when they are close, or the difference can be due to chance
 * (chi-square test of equal shares, p 0.0001).
 */
function scoreSpread(
  tenths: JoinedOutcomes["tenths"],
  limits: Thresholds,
): { low: number; high: number } | undefined {
  const matured = tenths.map((tenth) => tenth.matured);
  const others = tenths.map((tenth) => tenth.scored - tenth.matured);
  const rest = total(others);
  if (total(matured) + rest < limits.min_rows || rest === 0) return undefined;
  const shares = tenths.map((tenth) => tenth.matured / tenth.scored);
  const [low, high] = [Math.min(...shares), Math.max(...shares)];
  if (high - low < limits.coverage.score_spread) return undefined;
  const { pValue } = chiSquareTest(matured, others);
  return pValue < 0.0001 ? { low, high } : undefined;
}
