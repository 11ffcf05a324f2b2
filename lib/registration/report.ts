/** Describes the results of `log-model` and `compare` as JSON and as text. */
import type { Candidate, CandidateFiles } from "./candidate.ts";
import type { OnnxCandidate } from "./candidate-model.ts";
import type { EncodedCheck } from "./encoded-sample.ts";
import type { EvaluationMetrics } from "../statistics/classification.ts";
import type { Comparison } from "./compare.ts";
import type { ModelVersion } from "../mlflow/store.ts";
import type { ParityReport } from "../model/mod.ts";
import type { Outcome } from "../base/outcome.ts";
import { commandFor, type Variant } from "../config/variant.ts";
import type { VariantSettings } from "../config/variants.ts";

/** The facts in the report on a logged candidate. */
export interface LoggingFacts {
  readonly settings: VariantSettings;
  readonly files: CandidateFiles;
  readonly version: ModelVersion;
  /** False when the newest version is identical to this candidate. */
  readonly isNew: boolean;
  readonly parity: ParityReport;
  /** The comparison with the sample as pandas encoded it; undefined without one. */
  readonly encoded: EncodedCheck | undefined;
  readonly trainingDate: string;
}

/** Returns the outcome of `log-model` for one variant; `status` is `created` or `unchanged`. */
export function describeLogging(
  { metrics, model }: Candidate,
  facts: LoggingFacts,
): Outcome {
  const { settings: { variant }, files, version, isNew, parity } = facts;
  const { encoded, trainingDate } = facts;
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
      ...model.kind === "onnx"
        ? {
          classes: model.output.classes ?? null,
          positive_class: model.output.positive_class ?? null,
        }
        : {},
      metrics: metrics ?? null,
      parity,
      ...encoded ? { encoded_cells: encoded.cells } : {},
      training_date: trainingDate,
    },
    text: [
      isNew
        ? `Logged ${version.name} version ${version.version} in run ${version.runId}`
        : `${version.name} version ${version.version} is already this model; nothing was logged (--force logs it again)`,
      `  model file: ${files.model.uri}`,
      ...model.kind === "onnx" ? [`  output: ${describeOutput(model)}`] : [],
      metrics
        ? `  metrics on ${files.evaluation?.uri}: ${describeMetrics(metrics)}`
        : `  no metrics, because ${
          files.evaluation === undefined
            ? "there is no labelled set"
            : "the model is not known to return one probability per row"
        }`,
      ...(version.stage === "Production"
        ? []
        : [`  promote it with \`${promotion}\``]),
    ].join("\n"),
  };
}

/** The facts in the report on a comparison. */
export interface ComparisonFacts {
  readonly candidate: ModelVersion;
  readonly champion: ModelVersion;
  readonly labelledUri: string;
  readonly metrics: {
    readonly candidate: EvaluationMetrics;
    readonly champion: EvaluationMetrics;
  };
  readonly comparison: Comparison;
}

/** Returns the outcome of `compare` for one variant. */
export function describeComparison(
  variant: Variant,
  facts: ComparisonFacts,
): Outcome {
  const { candidate, champion, labelledUri, metrics } = facts;
  const { status, reasons } = facts.comparison;
  return {
    report: {
      status,
      variant: variant.key,
      model_name: candidate.name,
      model_version: candidate.version,
      champion_version: champion.version,
      labelled_set: labelledUri,
      reasons: reasons.join("; "),
      comparison: metrics,
    },
    text: [
      status === "unchanged"
        ? `${candidate.name} version ${candidate.version} is identical to champion version ${champion.version}; nothing to compare`
        : `${candidate.name} version ${candidate.version} is ${status} than champion version ${champion.version}:`,
      ...reasons.map((reason) => `  ${reason}`),
    ].join("\n"),
  };
}

/** Returns how the output of an ONNX model is read. */
function describeOutput({ output, outputs }: OnnxCandidate): string {
  const { kind, positive_class: positive, classes } = output;
  if (kind === "score") return "scores, which are not probabilities";
  if (outputs > 1) return `the probabilities of ${outputs} classes`;
  const known = classes ? ` of ${classes.join(", ")}` : "";
  return positive === undefined
    ? "a probability"
    : `the probability of class ${positive}${known}`;
}

/** Returns metrics in one line, each rounded to four digits. */
export function describeMetrics(metrics: EvaluationMetrics): string {
  return Object.entries(metrics).map(([key, value]) =>
    `${key} ${Number(value.toFixed(4))}`
  ).join(", ");
}
