/** Joins outcomes to scored players and describes how representative they are. */
import { type Names, usualNames } from "../config/names.ts";
import { percent } from "./reason.ts";
import { tenthsOf } from "../statistics/calibration.ts";
import { total } from "../statistics/column-counts.ts";
import { chiSquareTest } from "../statistics/drift.ts";
import { type Thresholds, thresholds } from "../config/monitoring.ts";

/** Scores and the outcomes of their players. */
export interface JoinedOutcomes {
  /** Ids of the players with an outcome; `probabilities` and `found` have their scores and outcomes in the same order. */
  readonly ids: readonly string[];
  readonly probabilities: readonly number[];
  readonly found: readonly number[];
  /** Number of scored players: distinct ids, plus each row without an id. */
  readonly players: number;
  /** Number of scored rows without a player id; they cannot have an outcome. */
  readonly unnamed: number;
  /** Counts of players in each tenth of the scores, lowest first. */
  readonly tenths: readonly Tenth[];
}

/** The number of players with scores in one tenth, and how many of them have an outcome. */
interface Tenth {
  readonly players: number;
  readonly matured: number;
}

/**
 * Joins outcomes to scores by the exact text of the player id. A player with
 * several rows counts once, with the score of the last row.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const scored = { ids: ["a", "b", "a", null], scores: [0.1, 0.2, 0.3, 0.4] };
 * const { probabilities, found, players } = joinOutcomes(scored, new Map([["a", 1]]));
 * deepStrictEqual([probabilities, found, players], [[0.3], [1], 3]);
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
  const players = [...lastRow].map(([id, row]) => ({
    id,
    score: scored.scores[row]!,
    outcome: outcomes.get(id),
  }));
  const ids: string[] = [];
  const probabilities: number[] = [];
  const found: number[] = [];
  for (const { id, score, outcome } of players) {
    if (outcome === undefined) continue;
    ids.push(id);
    probabilities.push(score);
    found.push(outcome);
  }
  return {
    ids,
    probabilities,
    found,
    players: players.length + unnamed,
    unnamed,
    tenths: tenthsOf(players.map(({ score }) => score)).map((rows) => ({
      players: rows.length,
      matured: rows.filter((row) => players[row]!.outcome !== undefined).length,
    })),
  };
}

/**
 * Returns warnings about metrics on these outcomes, one sentence each: low
 * coverage of players, many outcomes of other players, coverage that depends on
 * the score, and rows with a repeated or missing player id.
 */
export function describeCoverage(
  joined: JoinedOutcomes,
  { limits = thresholds, names = usualNames, ...counts }: {
    rows: number;
    outcomes: number;
    limits?: Thresholds;
    names?: Names;
  },
): string[] {
  const { entity, entities } = names;
  const { players, unnamed, found } = joined;
  const warnings: string[] = [];
  const { warn } = limits.coverage;
  if (found.length < warn * players) {
    warnings.push(
      `only ${found.length} of ${players} scored ${entities} (${
        percent(found.length / players)
      }) have an outcome; the metrics cover only those`,
    );
  }
  if (found.length < warn * counts.outcomes) {
    warnings.push(
      `only ${found.length} of ${counts.outcomes} outcomes (${
        percent(found.length / counts.outcomes)
      }) belong to a ${entity} of this scoring run`,
    );
  }
  const spread = scoreSpread(joined.tenths, limits);
  if (spread) {
    warnings.push(
      `the share of ${entities} with an outcome depends on the score: ${
        percent(spread.low)
      } to ${
        percent(spread.high)
      } across tenths of the scores, so the metrics describe a biased selection`,
    );
  }
  const repeated = counts.rows - players;
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
  { players, found, tenths }: JoinedOutcomes,
  { limits, names = usualNames }: { limits: Thresholds; names?: Names },
): string | undefined {
  const { unknown } = limits.coverage;
  if (found.length < unknown * players) {
    return `only ${found.length} of ${players} scored ${names.entities} have an outcome, at least ${
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
  tenths: readonly Tenth[],
  limits: Thresholds,
): { low: number; high: number } | undefined {
  const players = total(tenths.map((each) => each.players));
  const matured = total(tenths.map((each) => each.matured));
  if (players < limits.min_rows || matured === players) return undefined;
  const shares = tenths.map((each) => each.matured / each.players);
  const [low, high] = [Math.min(...shares), Math.max(...shares)];
  if (high - low < limits.coverage.score_spread) return undefined;
  const { pValue } = chiSquareTest(
    tenths.map((each) => each.matured),
    tenths.map((each) => each.players - each.matured),
  );
  return pValue < 0.0001 ? { low, high } : undefined;
}
