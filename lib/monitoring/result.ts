/** Everything that one look at a scoring run found: the form of `report.json`, which all other reports are made of. */
import type { Performance } from "./performance.ts";
import type { DriftComparison } from "./columns.ts";
import type { Severity, thresholds } from "./verdict.ts";

/** Fields are those of the JSON; what is not known is absent. */
export interface MonitoringResult {
  /** Of this form; it grows only when a field changes its meaning or goes. */
  readonly version: 1;
  /** The variant's key. */
  readonly variant: string;
  readonly title: string;
  /** ISO 8601, UTC. */
  readonly monitored_at: string;
  readonly scoring_run: RunFacts;
  readonly previous?: RunFacts;
  readonly reference?: {
    readonly uri: string;
    readonly sha256: string;
    readonly kind: "evaluation" | "sample";
    readonly rows: number;
  };
  readonly outcomes?: { readonly uri: string; readonly sha256: string };
  readonly verdict: {
    readonly drift: Severity;
    readonly performance: Severity;
    readonly retrain: boolean;
    readonly reason: string;
  };
  /** The one that decides first: the baseline where there is one. */
  readonly comparisons: readonly DriftComparison[];
  readonly performance?: Performance;
  /** The latest judged performance among the earlier runs of this model version; it decides on `retrain` while this run has none. */
  readonly earlier_performance?: EarlierPerformance;
  /** Share of rows whose category the model has no column for, by raw column. */
  readonly unseen_categories: Readonly<Record<string, number>>;
  /** What could not be looked at, and why. */
  readonly notes: readonly string[];
  readonly thresholds: typeof thresholds;
  /** Earlier runs, newest first. */
  readonly history: readonly PastVerdict[];
}

/** A scoring run of the ledger. */
export interface RunFacts {
  readonly id: number;
  readonly input_uri: string;
  readonly content_sha256: string;
  readonly model_name: string;
  readonly model_version: string;
  readonly rows: number;
  readonly finished_at: string;
  readonly mlflow_run_id: string | null;
}

/** What an earlier scoring run's outcomes said of the same model version; null is what was not known. */
export interface EarlierPerformance {
  readonly scoring_run_id: number;
  readonly severity: Severity;
  readonly auc: number | null;
  readonly outcomes_uri: string | null;
  readonly monitored_at: string;
}

/** One earlier look at a variant, for a line in the report; null is what was not known. */
export interface PastVerdict {
  readonly scoring_run_id: number;
  readonly finished_at: string;
  readonly model_version: string;
  readonly rows: number;
  readonly drift: Severity;
  readonly performance: Severity;
  readonly drifted_share: number | null;
  readonly score_psi: number | null;
  readonly auc: number | null;
}
