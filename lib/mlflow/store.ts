/**
 * What this project asks of an MLflow tracking server and registry, as one
 * interface with two places behind it: MLflow's own Postgres tables
 * (`tables.ts`) and its REST API (`rest.ts`). The words are MLflow's.
 */

/** One experiment; deleted ones are given back too, because their names stay taken. */
export interface Experiment {
  readonly experimentId: string;
  readonly name: string;
  readonly artifactLocation: string;
  readonly lifecycleStage: "active" | "deleted";
}

/** A run as it was created; `artifactUri` is where its files belong. */
export interface Run {
  readonly runId: string;
  readonly experimentId: string;
  readonly artifactUri: string;
}

/** How a run can end. */
export type FinalStatus = "FINISHED" | "FAILED" | "KILLED";

/** One measured value; `modelId` also files it under that logged model. */
export interface Metric {
  readonly key: string;
  /** NaN and infinities are stored as MLflow stores them. */
  readonly value: number;
  readonly timestampMs: number;
  readonly step?: number;
  readonly modelId?: string;
  readonly datasetName?: string;
  readonly datasetDigest?: string;
}

/** What one call logs to a run; MLflow's limits hold (`rules.ts`). */
export interface RunData {
  readonly params?: Readonly<Record<string, string>>;
  readonly metrics?: readonly Metric[];
  readonly tags?: Readonly<Record<string, string>>;
}

/** A dataset as MLflow files it under a run (`mlflow.data`). */
export interface DatasetInput {
  readonly name: string;
  /** At most 36 characters. */
  readonly digest: string;
  readonly sourceType: string;
  /** JSON text, such as `{"uri": "s3://bucket/key"}`. */
  readonly source: string;
  /** JSON text of the columns, or undefined. */
  readonly schema?: string;
  /** JSON text such as `{"num_rows": 10}`, or undefined. */
  readonly profile?: string;
  /** MLflow's `mlflow.data.context` tag: `training`, `evaluation`, `scoring`. */
  readonly context: string;
}

/** A model as MLflow 3 knows it, beside the run that made it. */
export interface LoggedModel {
  readonly modelId: string;
  readonly artifactLocation: string;
}

/** What an MLflow has on record of a logged model that is not deleted. */
export interface LoggedModelRecord extends LoggedModel {
  readonly name: string;
  /** The run that made it; undefined when none did. */
  readonly runId: string | undefined;
  readonly status: "UNSPECIFIED" | "PENDING" | "READY" | "UPLOAD_FAILED";
  readonly tags: Readonly<Record<string, string>>;
}

/** A registered model: a name, its tags, and which version each alias names. */
export interface RegisteredModel {
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly aliases: Readonly<Record<string, number>>;
}

/** The four stages of MLflow's registry. */
export type Stage = "None" | "Staging" | "Production" | "Archived";

/** A registered version that is not deleted. */
export interface ModelVersion {
  readonly name: string;
  readonly version: number;
  readonly stage: Stage;
  readonly aliases: readonly string[];
  /** MLflow's status: only `READY` versions can be scored with. */
  readonly status: string;
  /** As it was registered: `models:/m-…`, or an artifact URI. */
  readonly source: string;
  /** Where the files truly are: `storage_location`, else `source`. */
  readonly artifactUri: string;
  readonly runId: string | undefined;
  readonly modelId: string | undefined;
  readonly description: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly createdMs: number;
}

/** One move of an alias and a stage, as asked; one that is undefined does not move. */
export interface Promotion {
  readonly version: number;
  readonly alias: string | undefined;
  readonly stage: Stage | undefined;
  /** Who asked: a login, or a workflow's actor. */
  readonly by: string;
  readonly timeMs: number;
}

/** What a promotion changed. */
export interface PromotionResult {
  /** The version that the alias named before; undefined when it named none, or no alias moves. */
  readonly from: number | undefined;
  /** Versions that left the stage and are now `Archived`. */
  readonly archived: readonly number[];
  /** False when alias and stage already were as asked; nothing is written then. */
  readonly changed: boolean;
}

/** Runs, logged models and the registry of one MLflow, wherever it is. */
export interface MlflowStore extends AsyncDisposable {
  /** Where it is and which MLflow made it, fit to be printed. */
  readonly description: string;
  /** The release that made it, such as `3.17.2`; undefined when it is not known. */
  readonly mlflowVersion: string | undefined;
  /** False for MLflow 2.x, where a model is a folder of its run. */
  readonly hasLoggedModels: boolean;
  /** False where Python's MLflow may be older than 2.10: it cannot load a signature whose columns say `required`. */
  readonly writesRequired: boolean;

  /** The experiment of that name, deleted or not. */
  findExperiment(name: string): Promise<Experiment | undefined>;
  /** Makes an experiment. @throws {InputError} If the name is taken, by a deleted one too. */
  createExperiment(
    name: string,
    options: {
      /** Absent lets an MLflow server decide; its tables need one. */
      artifactLocation?: string;
      tags?: Record<string, string>;
    },
  ): Promise<Experiment>;

  createRun(
    experimentId: string,
    options: {
      name: string;
      startTimeMs: number;
      tags: Record<string, string>;
    },
  ): Promise<Run>;
  logBatch(runId: string, data: RunData): Promise<void>;
  /** Files datasets and models as inputs of a run. */
  logInputs(
    runId: string,
    inputs: {
      datasets?: readonly DatasetInput[];
      modelIds?: readonly string[];
    },
  ): Promise<void>;
  finishRun(
    runId: string,
    options: { status: FinalStatus; endTimeMs: number },
  ): Promise<void>;

  /** Makes a PENDING logged model that is an output of the run. Only where {@linkcode hasLoggedModels}. */
  createLoggedModel(
    run: Run,
    options: {
      name: string;
      params?: Record<string, string>;
      tags?: Record<string, string>;
    },
  ): Promise<LoggedModel>;
  finalizeLoggedModel(
    modelId: string,
    status: "READY" | "UPLOAD_FAILED",
  ): Promise<void>;
  /** The logged model of that id; undefined when it is not there, or deleted, or where there are no logged models. */
  findLoggedModel(modelId: string): Promise<LoggedModelRecord | undefined>;

  findRegisteredModel(name: string): Promise<RegisteredModel | undefined>;
  /** Makes the registered model unless it is there; tags are set only on a new one. Gives back what is there now. */
  ensureRegisteredModel(
    name: string,
    options: { tags: Record<string, string>; description?: string },
  ): Promise<RegisteredModel>;
  /** Registers the next version number; numbers are never used twice. */
  createModelVersion(
    name: string,
    options: {
      source: string;
      runId: string;
      modelId?: string;
      tags: Record<string, string>;
      description?: string;
    },
  ): Promise<ModelVersion>;
  /** All versions that are not deleted, newest first. */
  listModelVersions(name: string): Promise<ModelVersion[]>;
  findModelVersion(
    name: string,
    version: number,
  ): Promise<ModelVersion | undefined>;
  setModelVersionTags(
    name: string,
    options: { version: number; tags: Record<string, string> },
  ): Promise<void>;
  /** Moves alias and stage together, archives the stage's other versions, and files the move as a tag of the version. */
  promote(name: string, promotion: Promotion): Promise<PromotionResult>;
  /** Moves an alias alone. */
  setAlias(
    name: string,
    options: { alias: string; version: number },
  ): Promise<void>;
  /** Moves a stage alone, archiving the stage's other versions (only for Staging and Production). */
  setStage(
    name: string,
    options: { stage: Stage; version: number },
  ): Promise<void>;
}
