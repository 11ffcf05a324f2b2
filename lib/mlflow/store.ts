/**
 * The interface to MLflow's tracking and registry, with two implementations:
 * MLflow's own Postgres tables (`tables.ts`) and its REST API (`rest.ts`). The
 * terms are MLflow's.
 */

/** One experiment; deleted ones are returned too, because their names stay taken. */
export interface Experiment {
  readonly experimentId: string;
  readonly name: string;
  readonly artifactLocation: string;
  readonly lifecycleStage: "active" | "deleted";
}

/** A newly created run; `artifactUri` is the location for its files. */
export interface Run {
  readonly runId: string;
  readonly experimentId: string;
  readonly artifactUri: string;
}

/** A run that is not finished: still open, or ended with an error. */
export interface UnfinishedRun {
  readonly runId: string;
  readonly status: "RUNNING" | "FAILED";
  /** The value of the tag by which it was found. */
  readonly value: string;
}

/** One metric value; with `modelId` it is also recorded for that logged model. */
export interface Metric {
  readonly key: string;
  /** NaN and infinities are stored as MLflow does. */
  readonly value: number;
  readonly timestampMs: number;
  readonly step?: number;
  readonly modelId?: string;
  readonly datasetName?: string;
  readonly datasetDigest?: string;
}

/** A dataset that MLflow records as an input of a run (`mlflow.data`). */
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

/** A logged model, which MLflow 3 stores separately from the run that created it. */
export interface LoggedModel {
  readonly modelId: string;
  readonly artifactLocation: string;
}

/** MLflow's record of a logged model that is not deleted. */
export interface LoggedModelRecord extends LoggedModel {
  readonly name: string;
  /** The run that created it; undefined if it was not created by a run. */
  readonly runId: string | undefined;
  readonly status: "UNSPECIFIED" | "PENDING" | "READY" | "UPLOAD_FAILED";
  readonly tags: Readonly<Record<string, string>>;
}

/** A registered model: its name, its tags, and the version that each alias points at. */
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
  /** MLflow's status; only `READY` versions can be used for scoring. */
  readonly status: string;
  /** The source as registered: `models:/m-…`, or an artifact URI. */
  readonly source: string;
  /** The actual location of the files: `storage_location`, or `source` if that is not set. */
  readonly artifactUri: string;
  readonly runId: string | undefined;
  readonly modelId: string | undefined;
  readonly description: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly createdMs: number;
}

/** Selects one version of a registered model; a stage selects its highest version, and `latest` the highest of all. */
export type VersionKey =
  | { readonly kind: "version"; readonly version: number }
  | { readonly kind: "alias"; readonly alias: string }
  | { readonly kind: "stage"; readonly stage: Stage }
  | { readonly kind: "latest" };

/** A requested change of alias and stage; undefined leaves that one unchanged. */
export interface Promotion {
  readonly version: number;
  readonly alias: string | undefined;
  readonly stage: Stage | undefined;
  /** Who requested it: a login name, or a workflow's actor. */
  readonly by: string;
  readonly timeMs: number;
}

/** What a promotion changed. */
export interface PromotionResult {
  /** The version that the alias pointed at before; undefined if there was none, or no alias was requested. */
  readonly from: number | undefined;
  /** Versions that were in the stage and are now `Archived`. */
  readonly archived: readonly number[];
  /** False if alias and stage were already as requested; nothing is written then. */
  readonly changed: boolean;
}

/**
 * Runs, logged models and the registry of one MLflow, reached by either
 * implementation. Calls that write throw an `InputError` for what MLflow
 * refuses: names, keys and values that break its rules, and experiments, runs,
 * models and versions that do not exist.
 */
export interface MlflowStore {
  /** Where it is and which MLflow created it, safe to print. */
  readonly description: string;
  /** The release that created it, such as `3.17.2`; undefined if it is not known. */
  readonly mlflowVersion: string | undefined;
  /** False for MLflow 2.x, where a model is a folder of its run. */
  readonly hasLoggedModels: boolean;
  /** False if Python's MLflow may be older than 2.10, which cannot load a signature with `required` columns. */
  readonly writesRequired: boolean;

  /** Returns the experiment of that name, deleted or not. */
  findExperiment(name: string): Promise<Experiment | undefined>;
  /** Creates an experiment. @throws {InputError} If the name is taken, even by a deleted experiment. */
  createExperiment(name: string, options: {
    /** If absent, an MLflow server chooses one; required for MLflow's tables, where a relative folder becomes absolute. */
    readonly artifactLocation?: string;
    readonly tags?: Readonly<Record<string, string>>;
  }): Promise<Experiment>;

  /** Creates a RUNNING run. */
  createRun(experimentId: string, options: {
    readonly name: string;
    readonly startTimeMs: number;
    readonly tags: Readonly<Record<string, string>>;
  }): Promise<Run>;
  /** Logs params, metrics and tags. The same data again change nothing; another value of a param is refused. */
  logBatch(runId: string, data: {
    readonly params?: Readonly<Record<string, string>>;
    readonly metrics?: readonly Metric[];
    readonly tags?: Readonly<Record<string, string>>;
  }): Promise<void>;
  /** Records datasets and models as inputs of a run; existing inputs are left unchanged. */
  logInputs(runId: string, inputs: {
    readonly datasets?: readonly DatasetInput[];
    readonly modelIds?: readonly string[];
  }): Promise<void>;
  finishRun(runId: string, options: {
    readonly status: "FINISHED" | "FAILED" | "KILLED";
    readonly endTimeMs: number;
  }): Promise<void>;
  /** Returns the runs of an experiment that have the tag and are RUNNING or FAILED, newest first, from at most 1,000. */
  findUnfinishedRuns(
    experimentId: string,
    options: { tag: string },
  ): Promise<UnfinishedRun[]>;

  /** Creates a PENDING logged model as an output of the run. Requires {@linkcode hasLoggedModels}. */
  createLoggedModel(run: Run, options: {
    readonly name: string;
    readonly params?: Readonly<Record<string, string>>;
    readonly tags?: Readonly<Record<string, string>>;
  }): Promise<LoggedModel>;
  /** Sets the final status of a logged model. */
  finalizeLoggedModel(
    modelId: string,
    status: "READY" | "UPLOAD_FAILED",
  ): Promise<void>;
  /** Returns the logged model with that id; undefined if it does not exist, is deleted, or logged models are not supported. */
  findLoggedModel(modelId: string): Promise<LoggedModelRecord | undefined>;

  /** Returns the registered model; undefined if it does not exist, or a server says that the login may not read it. */
  findRegisteredModel(name: string): Promise<RegisteredModel | undefined>;
  /** Creates the registered model unless it exists, and returns it; tags are set only on a new one. */
  ensureRegisteredModel(name: string, options: {
    readonly tags: Readonly<Record<string, string>>;
    readonly description?: string;
  }): Promise<RegisteredModel>;
  /** Registers a version with the next number; numbers are never reused. */
  createModelVersion(name: string, options: {
    readonly source: string;
    readonly runId: string;
    /** The logged model; if absent, the one that the source names, if any. */
    readonly modelId?: string;
    readonly tags: Readonly<Record<string, string>>;
    readonly description?: string;
  }): Promise<ModelVersion>;
  /** Returns all versions that are not deleted, newest first. */
  listModelVersions(name: string): Promise<ModelVersion[]>;
  /** Returns the selected version without reading the others; undefined if there is none. */
  findModelVersion(
    name: string,
    key: VersionKey,
  ): Promise<ModelVersion | undefined>;
  /** Sets tags of a version, replacing those with the same keys. */
  setModelVersionTags(name: string, options: {
    readonly version: number;
    readonly tags: Readonly<Record<string, string>>;
  }): Promise<void>;
  /** Changes alias and stage together, archives the stage's other versions, and records the change in a tag of the version. */
  promote(name: string, promotion: Promotion): Promise<PromotionResult>;
  /** Points an alias at a version; leaves stages unchanged. */
  setAlias(name: string, options: {
    readonly version: number;
    readonly alias: string;
  }): Promise<void>;
  /** Moves a version into a stage and archives the stage's other versions (for Staging and Production); leaves aliases unchanged. */
  setStage(name: string, options: {
    readonly version: number;
    readonly stage: Stage;
  }): Promise<void>;
}
