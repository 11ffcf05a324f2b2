/** Logs one scored batch as an MLflow run: its inputs and parameters at first, its score distribution at the end. */
import type { Experiment, MlflowStore, ModelVersion } from "../mlflow/store.ts";
import type { VariantSettings } from "../config/variants.ts";
import { toDataset } from "../mlflow/tags.ts";
import type { Services } from "../services/services.ts";
import { ledgerTag, notInLedger } from "./interrupted.ts";
import type { ScoredBatch } from "./scoring-run.ts";

/** Options for the MLflow run of one scored input. */
export interface ScoringRunOptions {
  readonly experiment: Experiment;
  readonly settings: VariantSettings;
  readonly version: ModelVersion;
  readonly modelUri: string;
  readonly engine: string;
  readonly tags: Readonly<Record<string, string>>;
  /** The run's id in the ledger; undefined if its scores do not go there. */
  readonly ledgerId: number | undefined;
  /** Retries a step while MLflow is unavailable. */
  readonly withRetry: Services["withRetry"];
}

/** Starts the MLflow run of one scored input and links it to the input and the model; its status remains RUNNING. Returns the run id. */
export async function startScoringRun(
  mlflow: MlflowStore,
  scored: ScoredBatch,
  options: ScoringRunOptions,
): Promise<string> {
  const { settings: { variant }, version, withRetry } = options;
  const { batch: { uri, source, period }, rows, contentSha256 } = scored;
  const ofPeriod = period === undefined ? {} : { period };
  const { runId } = await withRetry(
    "create the scoring run",
    () =>
      mlflow.createRun(options.experiment.experimentId, {
        name: variant.runName.replace("Model Logging", "Scoring"),
        startTimeMs: scored.startedAt.getTime(),
        tags: {
          ...options.tags,
          ...variant.tags,
          "churn.data_source": source,
          ...(period === undefined ? {} : { "churn.period": period }),
          [ledgerTag]: String(options.ledgerId ?? notInLedger),
        },
      }),
  );
  const inputs = {
    datasets: [
      toDataset(uri, { digest: contentSha256, rows, context: "scoring" }),
    ],
    ...(version.modelId === undefined ? {} : { modelIds: [version.modelId] }),
  };
  const params = {
    model_uri: options.modelUri,
    model_name: version.name,
    model_version: String(version.version),
    input_uri: uri,
    data_source: source,
    ...ofPeriod,
    engine: options.engine,
  };
  await withRetry(
    "link the scoring run to its inputs",
    () => mlflow.logInputs(runId, inputs),
  );
  await withRetry(
    "log the scoring run's parameters",
    () => mlflow.logBatch(runId, { params }),
  );
  return runId;
}

/** Logs the score distribution and ends the run as FINISHED, also after the command was told to stop: the scores are stored. */
export async function finishScoringRun(
  mlflow: MlflowStore,
  runId: string,
  options: { scored: ScoredBatch; withRetry: ScoringRunOptions["withRetry"] },
): Promise<void> {
  const { scored, withRetry } = options;
  const timestampMs = Date.now();
  const { histogram: _, ...quantiles } = scored.scores.distribution();
  const values = {
    rows: scored.rows,
    ...(scored.rowsSetAside > 0 ? { rows_set_aside: scored.rowsSetAside } : {}),
    ...withPrefix("score_", quantiles),
    ...withPrefix("unknown_", scored.findings.unknownCategories),
    scoring_seconds: (timestampMs - scored.startedAt.getTime()) / 1000,
  };
  const metrics = Object.entries(values).map(([key, value]) => ({
    key,
    value,
    timestampMs,
  }));
  await withRetry(
    "log the score distribution",
    () => mlflow.logBatch(runId, { metrics }),
    { always: true },
  );
  await withRetry(
    "finish the scoring run",
    () =>
      mlflow.finishRun(runId, { status: "FINISHED", endTimeMs: timestampMs }),
    { always: true },
  );
}

function withPrefix(
  prefix: string,
  values: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [prefix + name, value]),
  );
}
