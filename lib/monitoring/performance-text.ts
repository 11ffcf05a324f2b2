/** Describes the metrics of a measured performance, and a challenger's beside them, in text. */
import { usualNames } from "../config/names.ts";
import type { Performance } from "./performance.ts";
import type { ChallengerComparison, ResultNames } from "./result.ts";

/** The metrics that are shown besides AUC and calibration, which the verdict names. */
const shown = [
  ["log_loss", "log loss"],
  ["brier", "Brier score"],
  ["precision", "precision"],
  ["recall", "recall"],
  ["top_decile_capture", "in the top decile"],
  ["top_decile_lift", "lift of the top decile"],
  ["c_index", "C-index"],
] as const;

/** Returns the metrics with their 95 % intervals, and the several periods that were judged together, one line each; none for a result from before 2026-12. */
export function describeMetrics(
  { metrics, intervals, threshold, pooled }: Performance,
  names: ResultNames,
): string[] {
  if (!intervals) return [];
  const captured = names.outcome === usualNames.outcome
    ? "churners"
    : `all ${names.outcome}`;
  const known = shown.flatMap(([key, name]) => {
    const value = metrics[key];
    if (value === undefined) return [];
    const ends = intervals[key]?.map((end) => end.toFixed(3)).join(" to ");
    const at = key === "precision" || key === "recall"
      ? ` above ${threshold}`
      : "";
    return [
      `${key === "top_decile_capture" ? `${captured} ` : ""}${name}${at} ${
        value.toFixed(3)
      }${ends === undefined ? "" : ` (${ends})`}`,
    ];
  });
  const metricLine = `${known.join(", ")}; in brackets, 95 % intervals`;
  if (!pooled) return [metricLine];
  return [
    metricLine,
    `${pooled.periods.length} periods from ${
      pooled.periods[0]
    } on (${pooled.matured} outcomes of ${pooled.players} ${names.entities}): ${pooled.severity}, ${
      pooled.reasons.join("; ")
    }`,
  ];
}

/** Returns one line of text on a comparison. */
export function describeChallenger(
  {
    asked,
    model_version: version,
    rows,
    champion,
    challenger,
    auc_difference: difference,
    auc_difference_interval: interval,
  }: ChallengerComparison,
  { entities }: ResultNames,
): string {
  const metric = (name: string) =>
    `${champion[name]?.toFixed(4) ?? "–"} and ${
      challenger[name]?.toFixed(4) ?? "–"
    }`;
  const gain = difference === undefined || !interval
    ? ""
    : `, difference ${difference.toFixed(4)} (95 % interval ${
      interval.map((end) => end.toFixed(4)).join(" to ")
    })`;
  return `challenger ${asked}, version ${version}, on the same ${rows} ${entities}: AUC ${
    metric("auc")
  }${gain}; log loss ${metric("log_loss")}`;
}
