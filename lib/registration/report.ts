/** Describes the result of `log-model` as JSON and as text. */
import type { Candidate, CandidateFiles } from "./candidate.ts";
import type { EvaluationMetrics } from "../statistics/classification.ts";
import type { ModelVersion } from "../mlflow/store.ts";
import type { ParityReport } from "../model/mod.ts";
import type { Outcome } from "../base/outcome.ts";
import { commandFor } from "../config/variant.ts";
import type { VariantSettings } from "../config/variants.ts";

/** The facts in the report on a logged candidate. */
export interface LoggingFacts {
  readonly settings: VariantSettings;
  readonly files: CandidateFiles;
  readonly version: ModelVersion;
  /** False when the newest version is identical to this candidate. */
  readonly isNew: boolean;
  readonly parity: ParityReport;
  readonly trainingDate: string;
}

/** Returns the outcome of `log-model` for one variant; `status` is `created` or `unchanged`. */
export function describeLogging(
  { metrics }: Candidate,
  facts: LoggingFacts,
): Outcome {
  const { settings: { variant }, files, version, isNew, parity, trainingDate } =
    facts;
  const promotion = `${
    commandFor("promote", variant)
  } --version ${version.version}`;
  return {
    report: {
      status: isNew ? "created" : "unchanged",
      variant: variant.key,
      experiment: variant.experiment,
      run_id: version.runId ?? null,
      model_name: version.name,
      model_version: version.version,
      model_uri: version.artifactUri,
      metrics: metrics ?? null,
      parity,
      training_date: trainingDate,
    },
    text: [
      isNew
        ? `Logged ${version.name} version ${version.version} in run ${version.runId}`
        : `${version.name} version ${version.version} is already this model; nothing was logged (--force logs it again)`,
      `  model file: ${files.model.uri}`,
      metrics
        ? `  metrics on ${files.evaluation?.uri}: ${describeMetrics(metrics)}`
        : "  no metrics, because there is no labelled set",
      ...(version.stage === "Production"
        ? []
        : [`  promote it with \`${promotion}\``]),
    ].join("\n"),
  };
}

function describeMetrics(metrics: EvaluationMetrics): string {
  return Object.entries(metrics).map(([key, value]) =>
    `${key} ${Number(value.toFixed(4))}`
  ).join(", ");
}
