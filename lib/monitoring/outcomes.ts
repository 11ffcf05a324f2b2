/** Parses the rows of an outcomes file, which record whether each player churned. */
import { InputError } from "../base/errors.ts";
import { toId, wrongType } from "../rows/cells.ts";
import type { InputRow } from "../rows/json.ts";
import { RowError, type RowPlace } from "../rows/row-error.ts";

/** The known outcomes of players. */
export interface Outcomes {
  /** 0 or 1 by player id; only players whose outcome has matured. */
  readonly byPlayer: ReadonlyMap<string, number>;
  /** Number of rows without a player id, which were skipped. */
  readonly unnamed: number;
}

/**
 * Returns the outcome of each player. A null outcome has not matured and is
 * skipped, a row without a player id is skipped and counted, and equal outcomes
 * of one player count once.
 *
 * @param options `idColumn`, `label`: the columns of player id and outcome; `file`: the source of the rows, for errors.
 * @throws {InputError} If no row has a player id or no outcome has matured; if an id is not exact, an outcome is not 0, 1 or null, or a player has two different outcomes (names the row).
 */
export function toOutcomes(
  rows: Iterable<InputRow>,
  options: { idColumn: string; label: string; file: string },
): Outcomes {
  const { idColumn, label, file } = options;
  const byPlayer = new Map<string, number>();
  let unnamed = 0;
  let named = 0;
  for (const { number, line, value } of rows) {
    const where = { file, row: number, line };
    const id = toId(value[idColumn], { idColumn, where });
    const outcome = toOutcome(value[label], { label, where });
    if (id === null) {
      unnamed++;
      continue;
    }
    named++;
    if (outcome === undefined) continue;
    const known = byPlayer.get(id);
    if (known !== undefined && known !== outcome) {
      throw new RowError({
        place: where,
        verb: "use",
        reason: `: the player "${id}" has another outcome in an earlier row`,
      });
    }
    byPlayer.set(id, outcome);
  }
  if (named === 0) {
    throw new InputError(
      `Cannot use ${file}: none of its ${unnamed} rows has a player id in the column "${idColumn}"; set id_column in variants.yaml to the right column`,
    );
  }
  if (byPlayer.size > 0) return { byPlayer, unnamed };
  throw new InputError(
    `Cannot use ${file}: no outcome has matured: "${label}" is null in all ${named} rows that have a player id`,
  );
}

function toOutcome(
  cell: unknown,
  { label, where }: { label: string; where: RowPlace },
): number | undefined {
  if (cell === null) return undefined;
  if (cell === 0 || cell === 1 || typeof cell === "boolean") {
    return Number(cell);
  }
  throw wrongType({
    where,
    column: label,
    wanted: "the outcome 0, 1 or null",
    found: cell,
  });
}
