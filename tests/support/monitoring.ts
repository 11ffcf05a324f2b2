/** Monitoring results for tests of what is derived from them. */
import type { MonitoringResult } from "../../lib/monitoring/result.ts";
import { thresholds } from "../../lib/config/monitoring.ts";
import type { Severity } from "../../lib/monitoring/verdict.ts";

/** What a test says about a result; all else is ordinary. */
export interface ResultParts {
  /** First day of the period. */
  readonly period: string;
  readonly run?: number;
  /** The time of the result; midnight of the day of the period by default. */
  readonly at?: string;
  readonly data?: Severity;
  readonly drift?: Severity;
  readonly performance?: Severity;
  readonly retrain?: boolean;
  readonly heldBack?: boolean;
  readonly more?: Partial<MonitoringResult>;
}

/** A result of the variant `base`, all verdicts `ok` but performance, which is `unknown`. */
export function resultOf(
  {
    period,
    run = Date.parse(period) / 86_400_000,
    at = `${period}T00:00:00.000Z`,
    data = "ok",
    drift = "ok",
    performance = "unknown",
    retrain = false,
    heldBack = false,
    more = {},
  }: ResultParts,
): MonitoringResult {
  return {
    version: 1,
    variant: "base",
    title: "base",
    monitored_at: at,
    scoring_run: {
      id: run,
      period,
      input_uri: "/data/week.jsonl",
      content_sha256: "a".repeat(64),
      model_name: "churn-prediction-model",
      model_version: "1",
      rows: 1000,
      finished_at: at,
      mlflow_run_id: null,
    },
    verdict: {
      data,
      drift,
      performance,
      retrain,
      reason: "for a test",
      ...(heldBack ? { held_back: true } : {}),
    },
    comparisons: [],
    unseen_categories: {},
    notes: [],
    thresholds,
    history: [],
    ...more,
  };
}
