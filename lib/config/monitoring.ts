/** The thresholds of `monitor`, and what a variant may set of them in `variants.yaml`. */
import { UsageError } from "../base/errors.ts";
import * as v from "../base/schema.ts";

/** Where a number begins to warn and to fail. */
export interface Bands {
  readonly warn: number;
  readonly fail: number;
}

/** The thresholds of a variant that sets none; `docs/monitoring.md` explains the values. */
export const thresholds = {
  /** Fewest rows that are judged. */
  min_rows: 100,
  /** Share of the scores' dependence on the features from which a failing column fails its verdict. */
  importance: 0.01,
  psi: { warn: 0.1, fail: 0.25 },
  ks: { distance: 0.1 },
  group: { distance: 0.1 },
  p_adjusted: { warn: 0.01, fail: 0.001 },
  /** `periods`: number of earlier ones; the others as in {@linkcode CusumOptions} of `lib/statistics/cusum.ts`. */
  cusum: {
    warn: 5,
    fail: 8,
    periods: 12,
    tolerance: 0.045,
    errors: 3,
    most: 4,
    limit: 10,
  },
  missing_share_change: { warn: 0.02, fail: 0.1 },
  out_of_range_share: { warn: 0.02, fail: 0.1 },
  drifted_share: { fail: 0.5, min_rows_for_one: 300 },
  auc_drop: { warn: 0.02, fail: 0.05, warn_errors: 1.96, fail_errors: 3.09 },
  calibration_shift: { warn: 0.2, fail: 0.5, errors: 3 },
  /** The most periods of a model version whose outcomes are judged together; 1: each alone. */
  pooled_periods: 4,
  coverage: { warn: 0.8, unknown: 0.5, score_spread: 0.2 },
  /** Change of a rank correlation, and the standard errors that it must exceed. */
  association: { warn: 0.15, fail: 0.3, errors: 5 },
  rows_ratio: { warn: 1.8, fail: 5 },
  unseen_share_rise: { warn: 0.02, fail: 0.1 },
  duplicate_share: { warn: 0.02, fail: 0.1 },
  zero_share_rise: { warn: 0.1, fail: 0.25 },
  scale: { factor: 10, values: 30 },
  constant_chance: 1e-6,
} as const;

/** Thresholds for warnings and failures. */
export type Thresholds = Numbers<typeof thresholds>;

type Numbers<T> = {
  readonly [Name in keyof T]: T[Name] extends number ? number
    : Numbers<T[Name]>;
};

/** How a variant is monitored. */
export interface MonitoringSettings {
  readonly thresholds: Thresholds;
  /** Days after the training date from which retraining is advised; undefined: no limit. */
  readonly maxModelAgeDays: number | undefined;
  /** Days without advice to retrain after a version was logged, and after an earlier advice. */
  readonly coolDownDays: number;
}

const days = v.pipe(v.number(), v.minValue(0, "0 or more days"));
const number = v.pipe(v.number(), v.minValue(0, "0 or more"));
const count = v.pipe(
  v.number(),
  v.safeInteger("a whole number"),
  v.minValue(1, "1 or more"),
);

function bands(words: string) {
  return v.optionalKey(
    v.mapping({
      warn: v.optionalKey(number, "Warns from here on."),
      fail: v.optionalKey(number, "Fails from here on."),
    }),
    words,
  );
}

/** The schema of the key `monitoring` of `variants.yaml`. */
export const monitoringSchema = v.mapping({
  max_model_age_days: v.optionalKey(
    days,
    "Retraining is advised when the model's training date is more days ago. By default there is no limit.",
  ),
  cool_down_days: v.optionalKey(
    days,
    "Days after a version was logged, and after retraining was advised, during which it is not advised again. By default 0: the advice holds until a new version scores.",
  ),
  thresholds: v.optionalKey(
    v.mapping({
      min_rows: v.optionalKey(
        count,
        "Fewest rows that are judged. By default 100.",
      ),
      importance: v.optionalKey(
        number,
        "Share of the scores' dependence on the features from which a failing column fails its verdict; others only warn. By default 0.01.",
      ),
      psi: bands("Population stability index. By default 0.1 and 0.25."),
      ks_distance: v.optionalKey(
        number,
        "Kolmogorov-Smirnov distance from which the test's p decides. By default 0.1.",
      ),
      group_distance: v.optionalKey(
        number,
        "Share of rows that changed category in a one-hot group from which the group fails. By default 0.1.",
      ),
      cusum: v.optionalKey(
        v.mapping({
          warn: v.optionalKey(number, "Warns from here on. By default 5."),
          fail: v.optionalKey(number, "Fails from here on. By default 8."),
          periods: v.optionalKey(
            count,
            "Number of earlier periods. By default 12.",
          ),
          tolerance: v.optionalKey(
            number,
            "Shift of the mean rank that is tolerated, as a share. By default 0.045.",
          ),
        }),
        "Cumulative sum of shifts over periods.",
      ),
      missing_share_change: bands(
        "Change of the share of missing values. By default 0.02 and 0.1.",
      ),
      out_of_range_share: bands(
        "Share of values outside the reference's range. By default 0.02 and 0.1.",
      ),
      auc_drop: bands(
        "Fall of AUC since the model was logged. By default 0.02 and 0.05.",
      ),
      calibration_shift: bands(
        "Shift of calibration since the model was logged, in log-odds. By default 0.2 and 0.5.",
      ),
      pooled_periods: v.optionalKey(
        count,
        "The most periods of a model version whose outcomes are judged together. By default 4; 1 judges each alone.",
      ),
      coverage: v.optionalKey(
        v.mapping({
          warn: v.optionalKey(number, "Warns below. By default 0.8."),
          unknown: v.optionalKey(
            number,
            "Performance is unknown below. By default 0.5.",
          ),
        }),
        "Share of scored players with an outcome.",
      ),
      association: bands(
        "Change of the rank correlation of two important columns. By default 0.15 and 0.3.",
      ),
      rows_ratio: bands(
        "Rows against the median of earlier runs, as a factor in either direction. By default 1.8 and 5.",
      ),
      unseen_share_rise: bands(
        "Rise of the share of rows with an unknown category. By default 0.02 and 0.1.",
      ),
      duplicate_share: bands(
        "Share of rows that repeat the player of another row. By default 0.02 and 0.1.",
      ),
      zero_share_rise: bands(
        "Rise of the share of zeros. By default 0.1 and 0.25.",
      ),
    }),
    "Where monitor begins to warn and to fail; docs/monitoring.md explains the values.",
  ),
});

/**
 * Returns the settings of the key `monitoring`, completed by the defaults.
 *
 * @throws {UsageError} If a threshold warns only where it has failed already.
 */
export function toMonitoring(
  input: v.InferOutput<typeof monitoringSchema> | undefined,
): MonitoringSettings {
  const { ks_distance, group_distance, ...same } = input?.thresholds ?? {};
  const given: Readonly<Record<string, number | Group | undefined>> = {
    ...same,
    ks: { distance: ks_distance },
    group: { distance: group_distance },
  };
  const merged = Object.entries(thresholds).map(([name, usual]) => [
    name,
    merge(name, usual, given[name]),
  ]);
  return {
    thresholds: Object.fromEntries(merged) as Thresholds, // the names are those of the defaults
    maxModelAgeDays: input?.max_model_age_days,
    coolDownDays: input?.cool_down_days ?? 0,
  };
}

type Group = Readonly<Record<string, number | undefined>>;

/** Returns a number, or a group of them, with what is given in its place. */
function merge(
  name: string,
  usual: number | Group,
  given: number | Group | undefined,
): number | Group {
  if (typeof given !== "object") return given ?? usual;
  const own = Object.entries(given).filter(([, each]) => each !== undefined);
  const all: Group = {
    ...(typeof usual === "object" ? usual : {}),
    ...Object.fromEntries(own),
  };
  const { warn = -Infinity, fail = Infinity } = all;
  if (warn <= fail) return all;
  throw new UsageError(
    `Cannot use monitoring.thresholds.${name} in variants.yaml: it warns at ${warn} and fails at ${fail}; expected warn to be at most fail`,
  );
}
