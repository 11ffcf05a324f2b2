/** Reads the outcomes of earlier periods again, to judge several periods together. */
import { InputError } from "../base/errors.ts";
import type { Period } from "../config/periods.ts";
import type { Services } from "../services/services.ts";
import { coverageFault, joinOutcomes } from "./coverage.ts";
import type {
  FoundOutcomes,
  OutcomeSource,
  RunOutcomes,
} from "./outcome-source.ts";
import type { PeriodWindow } from "./outcome-table.ts";
import { toSample } from "./performance.ts";
import type { PeriodSample } from "./pooled.ts";
import { type LedgerRun, readScores } from "./runs.ts";
import type { Thresholds } from "../config/monitoring.ts";

/** A period's newest run, and when its outcomes are known. */
export interface PeriodRun extends PeriodWindow {
  readonly run: LedgerRun;
}

/** The outcomes of earlier periods. */
export interface Pool {
  /** Keeps outcomes that were read, so that they are not read again. */
  add(period: Period, outcomes: RunOutcomes): void;
  /** Leaves out a run whose data failed: its scores say nothing about the model. */
  leaveOut(run: Pick<LedgerRun, "id">): void;
  /**
   * Returns the samples of the periods that are judged together with one: the
   * newest ones before it that the same model version scored, oldest first.
   * Periods without usable outcomes, or whose outcomes do not represent the scored
   * players, are left out.
   */
  before(period: PeriodRun): Promise<PeriodSample[]>;
}

/**
 * Opens the pool of a variant. Periods must be asked for in their order.
 *
 * @param options `periods`: all of the variant, oldest first; `limits`: the variant's thresholds; `broken`: ids of the runs whose data failed.
 */
export function openPool(
  services: Services,
  source: OutcomeSource,
  { periods, limits, broken }: {
    periods: readonly PeriodRun[];
    limits: Thresholds;
    broken: Iterable<number>;
  },
): Pool {
  const leftOut = new Set(broken);
  const outcomes = new Map<Period, RunOutcomes | undefined>();
  const samples = new Map<Period, PeriodSample | undefined>();
  return {
    add: (period, own) => void outcomes.set(period, own),
    leaveOut: ({ id }) => void leftOut.add(id),
    async before({ period, run }) {
      const wanted = periods.filter((each) =>
        each.period < period && each.run.modelName === run.modelName &&
        each.run.modelVersion === run.modelVersion &&
        !leftOut.has(each.run.id)
      );
      wanted.splice(0, wanted.length - (limits.pooled_periods - 1));
      const missing = wanted.filter((each) =>
        !samples.has(each.period) && !outcomes.has(each.period)
      );
      const read: FoundOutcomes = missing.length > 0
        ? await source.read(missing)
        : new Map();
      for (const each of wanted) {
        if (samples.has(each.period)) continue;
        const own = outcomes.get(each.period) ?? read.get(each.period);
        samples.set(
          each.period,
          own && !(own instanceof InputError)
            ? await readSample(services, each, {
              outcomes: own.byPlayer,
              limits,
            })
            : undefined,
        );
      }
      // Later periods need none of these.
      for (const known of [outcomes, samples]) {
        for (const day of known.keys()) {
          if (day < (wanted[0]?.period ?? period)) known.delete(day);
        }
      }
      return wanted.flatMap((each) => samples.get(each.period) ?? []);
    },
  };
}

async function readSample(
  { predictions, withRetry }: Services,
  { period, run }: PeriodRun,
  { outcomes, limits }: {
    outcomes: ReadonlyMap<string, number>;
    limits: Thresholds;
  },
): Promise<PeriodSample | undefined> {
  const database = await predictions();
  const scored = await withRetry(
    `read the scores of ${period}`,
    () => readScores(database, run),
  );
  const joined = joinOutcomes(scored, outcomes);
  if (
    joined.found.length === 0 || coverageFault(joined, { limits }) !== undefined
  ) {
    return undefined;
  }
  return toSample(joined, { period });
}
