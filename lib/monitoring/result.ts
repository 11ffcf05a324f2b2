/** The result of monitoring one scoring run: the format of `report.json`, from which all other reports are derived. */
import { type Names, usualNames } from "../config/names.ts";
import type { Interval } from "../statistics/estimate.ts";
import type { Performance } from "./performance.ts";
import type { DriftComparison } from "./columns.ts";
import type { DataVerdict } from "./data.ts";
import type { Thresholds } from "../config/monitoring.ts";
import type { Severity } from "./verdict.ts";

/** A monitoring result, with the fields of the JSON; unknown values are absent. */
export interface MonitoringResult {
  /** Version of this format; it increases only when a field changes its meaning or is removed. */
  readonly version: 1;
  /** The variant's key. */
  readonly variant: string;
  readonly title: string;
  /** What the variant calls its rows and its outcome; absent if players who churn. */
  readonly names?: ResultNames | undefined;
  /** ISO 8601, UTC. */
  readonly monitored_at: string;
  readonly scoring_run: RunFacts;
  readonly previous?: RunFacts | undefined;
  readonly reference?: {
    readonly uri: string;
    readonly sha256: string;
    readonly kind: "evaluation" | "sample";
    readonly rows: number;
  } | undefined;
  readonly outcomes?: {
    readonly uri: string;
    readonly sha256: string;
    /** Changes whenever the source or its settings change; undefined for outcomes that a flag named, or if unknown. */
    readonly version?: string | undefined;
  } | undefined;
  readonly verdict: {
    /** Absent in a result of an earlier release. */
    readonly data?: Severity | undefined;
    readonly drift: Severity;
    readonly performance: Severity;
    readonly retrain: boolean;
    readonly reason: string;
    /** Whether the cool-down holds the advice to retrain back; absent if not, and in a result of an earlier release. */
    readonly held_back?: true | undefined;
  };
  /** Absent in a result of an earlier release. */
  readonly data?: DataVerdict | undefined;
  /** The comparisons; the first one, the baseline if there is one, determines the verdict. */
  readonly comparisons: readonly DriftComparison[];
  readonly performance?: Performance | undefined;
  /** Another version on the same players and outcomes; absent if none was measured. */
  readonly challenger?: ChallengerComparison | undefined;
  /** The latest judged performance among the earlier runs of this model version; it determines `retrain` while this run has no judged performance. */
  readonly earlier_performance?: EarlierPerformance | undefined;
  /** Share of rows whose category the model does not know, by raw column. */
  readonly unseen_categories: Readonly<Record<string, number>>;
  /** Remarks and warnings, such as what could not be compared, and why. */
  readonly notes: readonly string[];
  readonly thresholds: Thresholds;
  /** Earlier runs, newest first. */
  readonly history: readonly PastVerdict[];
}

/** What a variant calls its rows and its outcome. */
export type ResultNames = Pick<Names, "entity" | "entities" | "outcome">;

/** Returns what the variant of a result calls its rows and its outcome. */
export function namesOf(
  { names }: Pick<MonitoringResult, "names">,
): ResultNames {
  return names ?? usualNames;
}

/** A scoring run in the ledger. */
export interface RunFacts {
  readonly id: number;
  /** Undefined in a result from before runs had one. */
  readonly period?: string;
  readonly input_uri: string;
  readonly content_sha256: string;
  readonly model_name: string;
  readonly model_version: string;
  readonly rows: number;
  readonly finished_at: string;
  readonly mlflow_run_id: string | null;
}

/** Returns a run's period; of one from before runs had one, the day of scoring. */
export function periodOf(
  { period, finished_at }: Pick<RunFacts, "period" | "finished_at">,
): string {
  return period ?? finished_at.slice(0, 10);
}

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

/** The performance of the same model version on an earlier scoring run's outcomes; unknown values are null. */
export interface EarlierPerformance {
  readonly scoring_run_id: number;
  /** The run's period; like `performance`, absent in a result of an earlier release. */
  readonly period?: string;
  /** What was measured. */
  readonly performance?: Performance;
  readonly severity: Severity;
  readonly auc: number | null;
  readonly outcomes_uri: string | null;
  readonly monitored_at: string;
}

/** What was found in one column of an earlier run. */
export interface PastColumn {
  readonly severity: Severity;
  /** Null if it could not be measured. */
  readonly psi: number | null;
}

/** One earlier monitoring run of a variant, for the trends of the report; unknown values are null. */
export interface PastVerdict {
  readonly scoring_run_id: number;
  /** Like `auc_interval`, `auc_reference` and `columns`, absent in a result of an earlier release. */
  readonly period?: string;
  readonly finished_at: string;
  readonly model_version: string;
  readonly rows: number;
  readonly drift: Severity;
  readonly performance: Severity;
  readonly drifted_share: number | null;
  /** Null or absent if an earlier release judged the run. */
  readonly data?: Severity | null | undefined;
  /** Absent in a result of an earlier release. */
  readonly retrain?: boolean;
  /** What failed in the comparison that determined `drift`: columns, and "the score"; absent in a result of an earlier release. */
  readonly failed?: readonly string[];
  readonly score_psi: number | null;
  readonly auc: number | null;
  /** 95 % interval. */
  readonly auc_interval?: readonly [number, number] | null;
  /** AUC when the run's model version was logged. */
  readonly auc_reference?: number | null;
  /** The columns and groups of this result that fail or warn, and those that failed or warned most often before, by name. */
  readonly columns?: Readonly<Record<string, PastColumn>>;
}
