/** The comparison of a version that scored a run with a challenger. */
import { type Names, usualNames } from "../config/names.ts";
import type { Interval } from "../statistics/estimate.ts";

/** The challenger's metrics beside those of the run's version, with the fields of the JSON report. */
export interface ChallengerComparison {
  readonly model_name: string;
  readonly model_version: string;
  /** The alias or version that was asked for. */
  readonly asked: string;
  /** Id of the stored run whose scores were used; absent if the run's rows were scored again. */
  readonly scoring_run_id?: number | undefined;
  /** Number of players with an outcome and both scores. */
  readonly rows: number;
  /** Metrics of the version that scored the run, and of the challenger, on these players. */
  readonly champion: Readonly<Record<string, number>>;
  readonly challenger: Readonly<Record<string, number>>;
  /** AUC of the challenger minus that of the champion, and its 95 % interval (DeLong, paired); absent with too few rows of an outcome. */
  readonly auc_difference?: number | undefined;
  readonly auc_difference_interval?: Interval | undefined;
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
  { entities }: Pick<Names, "entities"> = usualNames,
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
