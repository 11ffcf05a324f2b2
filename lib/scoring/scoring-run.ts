/** Scores one input: binds its rows to the model's columns, computes its scores, and logs them as an MLflow run. */
import { sha256 } from "../base/digest.ts";
import {
  type ScoreDistribution,
  scoreDistribution,
} from "../statistics/distribution.ts";
import type { Log } from "../base/log.ts";
import { InputError } from "../base/errors.ts";
import type { Column } from "../rows/cells.ts";
import { type Features, toFeatures } from "../rows/features.ts";
import type { InputFile } from "../services/variant-files.ts";
import { toDataset } from "../mlflow/tags.ts";
import type { Experiment, MlflowStore, ModelVersion } from "../mlflow/store.ts";
import {
  differsFrom,
  fromRecorded,
  type Recipe,
  resolveRecipe,
} from "../rows/recipe.ts";
import { parseRows } from "../rows/json.ts";
import type { Scorer } from "./scorer.ts";
import type { VariantSettings } from "../config/variants.ts";

/** An input and its scores. */
export interface ScoredFile {
  readonly file: InputFile;
  readonly contentSha256: string;
  readonly features: Features;
  /** Rows × outputs. */
  readonly scores: Float32Array;
  readonly distribution: ScoreDistribution;
  /** Kind of the scores, and their number per row. */
  readonly output: Pick<Scorer, "predictionKind" | "outputs">;
  readonly startedAt: Date;
}

/** How the rows of a file are converted to the scorer's input. */
export interface Binding {
  readonly columns: readonly Column[];
  readonly recipe: Recipe;
}

/**
 * Returns the scores of all rows of a file. Messages report ignored columns,
 * unknown categories, absent cells, empty columns and rows without a player.
 *
 * @throws {InputError} If a row cannot be used (names row, line and column), no row has a player id although the variant has an id column, or every column of the model is missing in all rows.
 */
export async function scoreFile(
  scorer: Scorer,
  file: InputFile,
  options: Binding & {
    settings: VariantSettings;
    log: Pick<Log, "info" | "warn">;
  },
): Promise<ScoredFile> {
  const { settings: { idColumn }, columns, recipe, log } = options;
  const startedAt = new Date();
  const rows = parseRows(file.bytes, { file: file.uri });
  const features = toFeatures(rows, {
    columns,
    recipe,
    idColumn,
    file: file.uri,
  });
  requirePlayers(features, { idColumn, file: file.uri });
  requireValues(features, { columns, file: file.uri });
  for (const { isWarning, text } of remarksOn(features)) {
    (isWarning ? log.warn : log.info)(`${file.uri}: ${text}`);
  }
  const scores = await scorer.predict(features.matrix, features.rows);
  if (scores.length !== features.rows * scorer.outputs) {
    throw new InputError(
      `Cannot use the scores of ${file.uri}: ${scores.length} came back for ${features.rows} rows`,
    );
  }
  return {
    file,
    contentSha256: sha256(file.bytes),
    features,
    scores,
    distribution: scoreDistribution(scores),
    output: {
      predictionKind: scorer.predictionKind,
      outputs: scorer.outputs,
    },
    startedAt,
  };
}

/** Rejects rows without any player id, unless the variant declares that it has none. */
function requirePlayers(
  { ids, rows }: Features,
  { idColumn, file }: { idColumn: string | undefined; file: string },
): void {
  if (idColumn === undefined || ids?.some((id) => id !== null)) return;
  const found = ids === undefined
    ? `none of the ${rows} rows has the column "${idColumn}"`
    : `"${idColumn}" is null in all ${rows} rows`;
  throw new InputError(
    `Cannot use ${file}: ${found}, which names the player; ` +
      `name the right column as "id_column" in variants.yaml, or write "id_column: none" if the rows name nobody`,
  );
}

function requireValues(
  { emptyColumns, rows }: Features,
  { columns, file }: { columns: readonly Column[]; file: string },
): void {
  if (emptyColumns.length < columns.length) return;
  throw new InputError(
    `Cannot use ${file}: every column of the model is missing in all ${rows} rows`,
  );
}

/** The share of unknown categories above which a remark is a warning. */
const unknownWarning = 0.05;

/** An observation on a file's rows that does not prevent scoring. */
interface Remark {
  readonly isWarning: boolean;
  readonly text: string;
}

function remarksOn(features: Features): Remark[] {
  const { extraColumns, unknownCategories, absentCells, emptyColumns, ids } =
    features;
  const withoutPlayer = ids?.filter((id) => id === null).length ?? 0;
  const ofRows = (count: number) =>
    `${count} of ${features.rows} rows (${
      (count / features.rows * 100).toFixed(1)
    } %)`;
  const remarks: Remark[] = [];
  if (extraColumns.length > 0) {
    remarks.push({
      isWarning: false,
      text:
        `ignored ${extraColumns.length} columns that the model does not use: ${
          extraColumns.join(", ")
        }`,
    });
  }
  for (const [column, count] of Object.entries(unknownCategories)) {
    remarks.push({
      isWarning: count / features.rows > unknownWarning,
      text: `${
        ofRows(count)
      } have a value in "${column}" that the model was not trained on`,
    });
  }
  for (const [column, count] of Object.entries(absentCells)) {
    remarks.push({
      isWarning: false,
      text: `${
        ofRows(count)
      } lack the column "${column}", which counts as missing`,
    });
  }
  if (emptyColumns.length > 0) {
    remarks.push({
      isWarning: true,
      text: `missing in every row: ${emptyColumns.join(", ")}`,
    });
  }
  if (withoutPlayer > 0) {
    remarks.push({
      isWarning: true,
      text: `${ofRows(withoutPlayer)} have no player id`,
    });
  }
  return remarks;
}

/**
 * Returns the recipe for scoring with a version: the recorded one, or the one in
 * `variants.yaml` for a version without a recorded recipe. Warns if
 * `variants.yaml` declares a different recipe from the recorded one.
 */
export function recipeOf(
  scorer: Scorer,
  options: {
    declared: Recipe;
    columns: readonly Column[];
    log: Pick<Log, "info" | "warn">;
  },
): Recipe {
  const { declared, columns, log } = options;
  if (!scorer.recipe) return resolveRecipe(declared, { columns, rows: [] });
  if (differsFrom(scorer.recipe, declared)) {
    log.warn(
      "the recipe in variants.yaml is not the one that this version was logged with; the recorded one is used. Log the model again to use the new one",
    );
  }
  return fromRecorded(scorer.recipe, declared);
}

/** Options for the MLflow run of one scored input. */
export interface ScoringRunOptions {
  readonly experiment: Experiment;
  readonly settings: VariantSettings;
  readonly version: ModelVersion;
  readonly modelUri: string;
  readonly engine: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Retries a step while MLflow is unavailable. */
  readonly withRetry: <T>(what: string, step: () => Promise<T>) => Promise<T>;
}

/** Starts the MLflow run of one scored input and links it to the input and the model; its status remains RUNNING. Returns the run id. */
export async function startScoringRun(
  mlflow: MlflowStore,
  scored: ScoredFile,
  options: ScoringRunOptions,
): Promise<string> {
  const {
    experiment,
    settings: { variant },
    version,
    modelUri,
    engine,
    withRetry,
  } = options;
  const { file, features, contentSha256 } = scored;
  const { runId } = await withRetry(
    "create the scoring run",
    () =>
      mlflow.createRun(experiment.experimentId, {
        name: variant.runName.replace("Model Logging", "Scoring"),
        startTimeMs: scored.startedAt.getTime(),
        tags: {
          ...options.tags,
          ...variant.tags,
          "churn.data_source": file.source,
        },
      }),
  );
  const inputs = {
    datasets: [
      toDataset(file.uri, {
        digest: contentSha256,
        rows: features.rows,
        context: "scoring",
      }),
    ],
    ...(version.modelId === undefined ? {} : { modelIds: [version.modelId] }),
  };
  const params = {
    model_uri: modelUri,
    model_name: version.name,
    model_version: String(version.version),
    input_uri: file.uri,
    data_source: file.source,
    engine,
  };
  await withRetry(
    "link the scoring run to its inputs",
    () => mlflow.logInputs(runId, inputs),
  );
  await withRetry(
    "log what the scoring run uses",
    () => mlflow.logBatch(runId, { params }),
  );
  return runId;
}

/** Logs the score distribution and ends the run as FINISHED. */
export async function finishScoringRun(
  mlflow: MlflowStore,
  runId: string,
  options: { scored: ScoredFile; withRetry: ScoringRunOptions["withRetry"] },
): Promise<void> {
  const { scored, withRetry } = options;
  const timestampMs = Date.now();
  const { histogram: _, ...quantiles } = scored.distribution;
  const unknown = Object.entries(scored.features.unknownCategories);
  const values = {
    rows: scored.features.rows,
    ...Object.fromEntries(
      Object.entries(quantiles).map((
        [name, value],
      ) => [`score_${name}`, value]),
    ),
    ...Object.fromEntries(
      unknown.map(([column, count]) => [`unknown_${column}`, count]),
    ),
    scoring_seconds: (timestampMs - scored.startedAt.getTime()) / 1000,
  };
  const metrics = Object.entries(values).map(([key, value]) => ({
    key,
    value,
    timestampMs,
  }));
  await withRetry(
    "log the scores' distribution",
    () => mlflow.logBatch(runId, { metrics }),
  );
  await withRetry(
    "finish the scoring run",
    () =>
      mlflow.finishRun(runId, { status: "FINISHED", endTimeMs: timestampMs }),
  );
}
