/** The faults that monitoring should find: what each does to the players or rows of a week. */
import {
  type Draws,
  drawsFrom,
  type PlayerRow,
  Population,
} from "./players.ts";
import type { World } from "./players.ts";

/** What a fault is found by. */
export type Verdict = "data" | "drift" | "performance";

type RawColumn = Exclude<keyof PlayerRow, "player_id">;

/** One kind of fault. */
export interface Fault {
  /** Short name, for `--only`. */
  readonly name: string;
  readonly title: string;
  /** The verdict that should find it. */
  readonly by: Verdict;
  /** The raw columns that it changes. */
  readonly columns: readonly RawColumn[];
  /** Weeks from its begin until it must be found. */
  readonly within: number;
  /** The world in a week, counted from 0 at the begin; by default that of the training data. */
  readonly world?: (week: number) => World;
  /** Changes delivered rows. */
  readonly change?: (
    rows: readonly PlayerRow[],
    draws: Draws,
  ) => readonly PlayerRow[];
}

/** Weeks of a slow fault, over which it grows to one standard deviation. */
export const slowWeeks = 12;

const spread = measureSpread();

/** All faults, in the order of the table. */
export const faults: readonly Fault[] = [
  ...[0.1, 0.5].map((size) =>
    onRows(`months-${size}`, `months +${size} sd`, {
      by: "drift",
      columns: ["months_active"],
      to: (row) => ({
        months_active: (row.months_active ?? 0) + size * spread.months,
      }),
    })
  ),
  ...[0.25, 0.5, 1].map((size) =>
    onRows(`handle-${size}`, `handle (log) +${size} sd`, {
      by: "drift",
      columns: ["total_handle"],
      to: ({ total_handle }) => ({
        total_handle: times(total_handle, Math.exp(size * spread.logHandle)),
      }),
    })
  ),
  ...(["total_deposit", "total_handle", "total_ngr"] as const).map((column) =>
    onRows(`zero-${column}`, `${column} zeroed`, {
      by: "data",
      columns: [column],
      to: () => ({ [column]: 0 }),
    })
  ),
  ...[0.03, 0.1].map((share) =>
    onRows(`new-brand-${share}`, `new brand at ${100 * share} %`, {
      by: "data",
      columns: ["brand_id"],
      to: (_, { uniform }) => uniform() < share ? { brand_id: "XX" } : {},
    })
  ),
  ...[100, 0.01].map((factor) =>
    onRows(`deposit-${factor}`, `deposit × ${factor}`, {
      by: "data",
      columns: ["total_deposit"],
      to: ({ total_deposit }) => ({
        total_deposit: times(total_deposit, factor),
      }),
    })
  ),
  {
    name: "brand-mix",
    title: "GM, NJ, NY × 3",
    by: "drift",
    columns: ["brand_id"],
    within: 2,
    world: () => ({ brandWeights: { GM: 18, NJ: 12, NY: 12 } }),
  },
  onRows("zero-in-brand", "deposit zeroed in GM only", {
    by: "drift",
    columns: ["total_deposit"],
    to: ({ brand_id }) => brand_id === "GM" ? { total_deposit: 0 } : {},
  }),
  {
    name: "handle-shuffled",
    title: "handle shuffled",
    by: "drift",
    columns: ["total_handle"],
    within: 2,
    change: shuffleHandle,
  },
  {
    name: "slow-months",
    title: `slow months, +1 sd in ${slowWeeks} weeks`,
    by: "drift",
    columns: ["months_active"],
    within: 4,
    world: (week) => ({
      meanMonths: 9 + spread.months * (week + 1) / slowWeeks,
    }),
  },
  {
    name: "slow-handle",
    title: `slow handle (log), +1 sd in ${slowWeeks} weeks`,
    by: "drift",
    columns: ["total_handle"],
    within: 4,
    world: (week) => ({
      handle: Math.exp(spread.logHandle * (week + 1) / slowWeeks),
    }),
  },
  onRows("brand-case", "brand lower-cased", {
    by: "data",
    columns: ["brand_id"],
    to: ({ brand_id }) => ({ brand_id: brand_id?.toLowerCase() ?? null }),
  }),
  onRows("missing", "deposit missing +5 %", {
    by: "data",
    columns: ["total_deposit"],
    to: (_, { uniform }) => uniform() < 0.05 ? { total_deposit: null } : {},
  }),
  {
    name: "volume",
    title: "half of the rows",
    by: "data",
    columns: [],
    within: 2,
    change: (rows, { uniform }) => rows.filter(() => uniform() < 0.5),
  },
  ...[0.5, 1].map((intercept): Fault => ({
    name: `intercept-${intercept}`,
    title: `concept: intercept +${intercept}`,
    by: "performance",
    columns: [],
    within: 2,
    world: () => ({ intercept }),
  })),
  ...([["gone", 0], ["halved", 0.5]] as const).map((
    [what, monthsEffect],
  ): Fault => ({
    name: `months-effect-${what}`,
    title: `concept: effect of months ${what}`,
    by: "performance",
    columns: [],
    within: 2,
    world: () => ({ monthsEffect }),
  })),
];

function onRows(
  name: string,
  title: string,
  { by, columns, to }: {
    by: Verdict;
    columns: readonly RawColumn[];
    to: (row: PlayerRow, draws: Draws) => Partial<PlayerRow>;
  },
): Fault {
  return {
    name,
    title,
    by,
    columns,
    within: 2,
    change: (rows, draws) => rows.map((row) => ({ ...row, ...to(row, draws) })),
  };
}

function times(value: number | null, factor: number): number | null {
  return value === null ? null : value * factor;
}

/** Gives each row the handle of another row. */
function shuffleHandle(
  rows: readonly PlayerRow[],
  { uniform }: Draws,
): PlayerRow[] {
  const handles = rows.map(({ total_handle }) => total_handle);
  for (let last = handles.length - 1; last > 0; last--) {
    const other = Math.floor(uniform() * (last + 1));
    [handles[last], handles[other]] = [handles[other]!, handles[last]!];
  }
  return rows.map((row, index) => ({ ...row, total_handle: handles[index]! }));
}

/** Measures the standard deviations in the population: of months, and of the logarithm of a handle that is not 0. */
function measureSpread(): { months: number; logHandle: number } {
  const { rows } = new Population(0, { staying: 0 }).next({ rows: 20_000 });
  return {
    months: deviation(rows.map(({ months_active }) => months_active ?? 0)),
    logHandle: deviation(
      rows.flatMap(({ total_handle }) =>
        total_handle ? [Math.log(total_handle)] : []
      ),
    ),
  };
}

function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / values.length);
}

/** Returns the random numbers of a fault in a week. */
export function faultDraws(seed: number): Draws {
  return drawsFrom(seed * 7919 + 1);
}
