/** Parses outcomes, which record whether each player churned, and after which time. */
import { type Names, usualNames } from "../config/names.ts";
import { InputError } from "../base/errors.ts";
import { type Period, toPeriod } from "../config/periods.ts";
import { cellOf, toId, wrongType } from "../rows/cells.ts";
import type { InputRow } from "../rows/json.ts";
import { RowError, type RowPlace } from "../rows/row-error.ts";

/** The known outcomes of players. */
export interface Outcomes {
  /** 0 or 1 by player id; only players whose outcome has matured. */
  readonly byPlayer: ReadonlyMap<string, number>;
  /** Time until the outcome 1, or until the observation ended with outcome 0, by player id, in the unit of the source; undefined without a duration column. */
  readonly durations: ReadonlyMap<string, number> | undefined;
  /** Number of rows without a player id, which were skipped. */
  readonly unnamed: number;
}

/** The columns of outcomes. */
export interface OutcomeColumns {
  readonly idColumn: string;
  readonly label: string;
  readonly durationColumn?: string | undefined;
  /** What the variant calls its rows; players by default. */
  readonly names?: Names | undefined;
}

/**
 * Returns the outcome of each player. A null outcome has not matured and is
 * skipped, a row without a player id is skipped and counted, and equal outcomes
 * of one player count once.
 *
 * @param options The columns; `file`: the source of the rows, for errors.
 * @throws {InputError} If no row has a player id or no outcome has matured; if an id is not exact, an outcome is not 0, 1 or null, or a player has two different outcomes (names the row).
 */
export function toOutcomes(
  rows: Iterable<InputRow>,
  options: OutcomeColumns & { file: string },
): Outcomes {
  const { idColumn, label, file, names: { entity } = usualNames } = options;
  const collection = new OutcomeCollection(options);
  for (const { number, line, value } of rows) {
    collection.add(value, { where: { file, row: number, line } });
  }
  const { named, unnamed } = collection;
  if (named === 0) {
    throw new InputError(
      `Cannot use ${file}: none of its ${unnamed} rows has a ${entity} id in the column "${idColumn}"; set id_column in variants.yaml to the right column`,
    );
  }
  const outcomes = collection.outcomes();
  if (outcomes.byPlayer.size > 0) return outcomes;
  throw new InputError(
    `Cannot use ${file}: no outcome has matured: "${label}" is null in all ${named} rows that have a ${entity} id`,
  );
}

/** One player's outcome, and the day on which it was known. */
interface KnownOutcome {
  readonly outcome: number;
  readonly duration: number | undefined;
  /** Undefined if the source has no such day. */
  readonly asOf: Period | undefined;
}

/** The columns; `file`: the source, for errors; `keep`: which outcome of a player counts when the as-of days differ, the last by default. */
type CollectionOptions = OutcomeColumns & {
  readonly file: string;
  readonly keep?: "first" | "last";
};

/** The outcomes of one period while its rows are read; the rules are those of {@linkcode toOutcomes}. */
export class OutcomeCollection {
  /** Number of rows with a player id. */
  named = 0;
  /** Number of rows without one. */
  unnamed = 0;
  readonly #options: CollectionOptions;
  readonly #known = new Map<string, KnownOutcome>();
  /** Whether a row had the duration column. */
  #hasDuration = false;

  constructor(options: CollectionOptions) {
    this.#options = options;
  }

  /**
   * Adds a row.
   *
   * @param options `where`: the row, for errors; `asOf`: the day on which the outcome was known, undefined if the source has none.
   * @throws {RowError} As {@linkcode toOutcomes}.
   */
  add(
    value: InputRow["value"],
    { where, asOf }: { where: RowPlace; asOf?: Period | undefined },
  ): void {
    const { idColumn, label, durationColumn } = this.#options;
    const id = toId(value[idColumn], { idColumn, where });
    const outcome = toOutcome(value[label], { label, where });
    const duration = durationColumn === undefined
      ? undefined
      : this.#toDuration(cellOf(value, durationColumn), {
        column: durationColumn,
        where,
      });
    if (id === null) {
      this.unnamed++;
      return;
    }
    this.named++;
    if (outcome === undefined) return;
    const known = this.#known.get(id);
    if (known && known.asOf === asOf) {
      if (known.outcome === outcome && known.duration === duration) return;
      const what = known.outcome === outcome ? "duration" : "outcome";
      throw new RowError({
        place: where,
        verb: "use",
        reason: `: the ${
          (this.#options.names ?? usualNames).entity
        } "${id}" has another ${what} in an earlier row`,
      });
    }
    if (known && this.#isBetter(known, asOf)) return;
    this.#known.set(id, { outcome, duration, asOf });
  }

  /**
   * Returns the outcomes of all rows so far; none if no outcome has matured.
   *
   * @throws {InputError} If no row has the duration column.
   */
  outcomes(): Outcomes {
    const { durationColumn, file } = this.#options;
    if (
      durationColumn !== undefined && !this.#hasDuration && this.named > 0
    ) {
      throw new InputError(
        `Cannot use ${file}: no row has the column "${durationColumn}"; correct outcomes.duration_column in variants.yaml`,
      );
    }
    const known = [...this.#known];
    return {
      byPlayer: new Map(known.map(([id, { outcome }]) => [id, outcome])),
      durations: durationColumn === undefined ? undefined : new Map(
        known.flatMap(([id, { duration }]) =>
          duration === undefined ? [] : [[id, duration]]
        ),
      ),
      unnamed: this.unnamed,
    };
  }

  /** Tells whether a known outcome is better than one as of another day. */
  #isBetter({ asOf = "" }: KnownOutcome, other: Period = ""): boolean {
    return this.#options.keep === "first" ? asOf < other : asOf > other;
  }

  #toDuration(
    cell: unknown,
    { column, where }: { column: string; where: RowPlace },
  ): number | undefined {
    if (cell === undefined) return undefined;
    this.#hasDuration = true;
    if (cell === null || Number.isNaN(cell)) return undefined;
    const duration = typeof cell === "bigint" ? Number(cell) : cell;
    if (typeof duration === "number" && duration >= 0 && duration < Infinity) {
      return duration;
    }
    throw wrongType({
      where,
      column,
      wanted: "a duration of 0 or more, or null",
      found: cell,
    });
  }
}

/**
 * Returns the day in a cell: a day or an ISO week, also as the date of a time.
 * Undefined for null.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const options = { column: "week", where: { file: "a.csv" } };
 * deepStrictEqual(
 *   ["2026-W48", "2026-11-23T22:15:00Z", 20261123, null].map((cell) => toDayCell(cell, options)),
 *   ["2026-11-23", "2026-11-23", "2026-11-23", undefined],
 * );
 * ```
 *
 * @throws {RowError} If it is neither.
 */
export function toDayCell(
  cell: unknown,
  { column, where }: { column: string; where: RowPlace },
): Period | undefined {
  if (cell === null) return undefined;
  const isText = typeof cell === "string" || typeof cell === "number";
  const day = isText
    ? toPeriod(String(cell).replace(/^(\d{4}-\d{2}-\d{2})[T ].*$/s, "$1"))
    : undefined;
  if (day !== undefined) return day;
  throw wrongType({
    where,
    column,
    wanted: "a day such as 2026-11-23, an ISO week such as 2026-W48, or null",
    found: cell,
  });
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
