/** Logs a candidate as MLflow does: creates a run, a logged model with its files, and the next registered version. */
import { type ArtifactStore, uriOf } from "../storage/store.ts";
import type { Candidate } from "./candidate.ts";
import { sha256 } from "../base/digest.ts";
import { InputError } from "../base/errors.ts";
import {
  mlmodelFile,
  toModelHistory,
} from "../mlflow/model-folder/mlmodel-write.ts";
import type {
  Experiment,
  MlflowStore,
  ModelVersion,
  Run,
  Stage,
} from "../mlflow/store.ts";
import { toModelFolder } from "./model-folder.ts";
import { digestTags, toDataset } from "../mlflow/tags.ts";
import type { Services } from "../services/services.ts";
import type { Variant } from "../config/variant.ts";

/** Name of the logged model; also its folder in the run in MLflow versions without logged models. */
export const artifactPath = "churn_model";

/** Tags that together identify the content of a version. */
const contentTags = [
  digestTags.model,
  digestTags.features,
  digestTags.evaluation,
  digestTags.recipe,
  digestTags.sample,
];

/** Tag of a registered model: the key of the variant it belongs to. */
const variantTag = "churn.variant";

/** Where a candidate is registered, and what its run and version are marked with. */
export interface RegistrationOptions {
  readonly variant: Variant;
  readonly experiment: Experiment;
  /** Tags of the run, in addition to the candidate's own. */
  readonly tags: Readonly<Record<string, string>>;
  /** Tags of the version, in addition to the candidate's own; also set on an identical version. */
  readonly versionTags: Readonly<Record<string, string>>;
  /** True to log a candidate that is identical to the newest version. */
  readonly force: boolean;
  /** Set on the version; undefined sets none. */
  readonly alias: string | undefined;
  readonly stage: Stage | undefined;
}

/** The version of a candidate. */
export interface Registration {
  readonly version: ModelVersion;
  /** False if the newest version is identical to the candidate, and so was not logged again. */
  readonly isNew: boolean;
}

/**
 * Logs the candidate and registers it as the next version, unless the newest
 * version is identical; then sets the given alias and stage. If a step fails
 * after all retries, the run ends as FAILED and no version refers to an
 * incomplete model.
 *
 * @throws {InputError} If the registered model belongs to another variant.
 */
export async function registerCandidate(
  services: Pick<Services, "mlflow" | "artifacts" | "withRetry">,
  candidate: Candidate,
  request: RegistrationOptions,
): Promise<Registration> {
  const { artifacts, withRetry } = services;
  const mlflow = await services.mlflow();
  const logging = { ...request, mlflow, artifacts, withRetry, candidate };
  const same = await withRetry(
    "compare with the newest version",
    () => findSameVersion(logging),
  );
  const version = same === undefined || request.force
    ? await logCandidate(logging)
    : same;
  await markVersion(version, logging);
  const { stage = version.stage } = request;
  return { version: { ...version, stage }, isNew: version !== same };
}

/** A candidate, where it is logged, and with what. */
interface Logging extends RegistrationOptions {
  readonly candidate: Candidate;
  readonly mlflow: MlflowStore;
  readonly artifacts: Services["artifacts"];
  readonly withRetry: Services["withRetry"];
}

/**
 * Returns the newest version if it has the same model, features, labelled set,
 * recipe, signature and input example; undefined if it differs or there is none.
 */
async function findSameVersion(
  { mlflow, candidate, variant }: Logging,
): Promise<ModelVersion | undefined> {
  const registered = await mlflow.findRegisteredModel(variant.modelName);
  if (!registered) return undefined;
  refuseForeign(registered.tags, variant);
  const newest = await mlflow.findModelVersion(variant.modelName, {
    kind: "latest",
  });
  const own = toDigestTags(candidate);
  const isSame = contentTags.every((tag) => newest?.tags[tag] === own[tag]);
  return isSame ? newest : undefined;
}

async function logCandidate(logging: Logging): Promise<ModelVersion> {
  const { mlflow, candidate, variant, experiment, withRetry } = logging;
  const createdMs = Date.now();
  const tags = { ...logging.tags, ...toDigestTags(candidate) };
  const run = await withRetry(
    "create the run",
    () =>
      mlflow.createRun(experiment.experimentId, {
        name: variant.runName,
        startTimeMs: createdMs,
        tags,
      }),
  );
  const finish = (status: "FINISHED" | "FAILED") =>
    mlflow.finishRun(run.runId, { status, endTimeMs: Date.now() });
  try {
    const params = { ...candidate.model.parameters };
    await withRetry(
      "log the parameters",
      () => mlflow.logBatch(run.runId, { params }),
    );
    const open = { ...logging, run, createdMs };
    const location = await locateModel(open);
    await logMetrics(open, location);
    const mlmodelSha256 = await writeFolder(open, location);
    const version = await register(open, { ...location, mlmodelSha256 });
    await withRetry("finish the run", () => finish("FINISHED"));
    return version;
  } catch (error) {
    await finish("FAILED").catch(() => {});
    throw error;
  }
}

/** Sets the given tags, alias and stage on a version; a second call changes nothing. */
async function markVersion(
  { name, version }: ModelVersion,
  { mlflow, alias, stage, withRetry, versionTags: tags }: Logging,
): Promise<void> {
  if (Object.keys(tags).length > 0) {
    await withRetry(
      "tag the version",
      () => mlflow.setModelVersionTags(name, { version, tags }),
    );
  }
  if (alias !== undefined) {
    await withRetry(
      "set the alias",
      () => mlflow.setAlias(name, { version, alias }),
    );
  }
  if (stage !== undefined) {
    await withRetry(
      "set the stage",
      () => mlflow.setStage(name, { version, stage }),
    );
  }
}

/** A candidate whose run is open. */
interface OpenRun extends Logging {
  readonly run: Run;
  readonly createdMs: number;
}

interface ModelLocation {
  readonly store: ArtifactStore;
  readonly modelId: string | undefined;
  readonly source: string;
}

/** Returns where the model is stored: a logged model of its own in MLflow 3, a folder of the run in earlier versions. */
async function locateModel(
  { mlflow, candidate, run, withRetry, artifacts }: OpenRun,
): Promise<ModelLocation> {
  if (!mlflow.hasLoggedModels) {
    const source = uriOf({ uri: run.artifactUri }, artifactPath);
    return { store: artifacts(source), modelId: undefined, source };
  }
  const { modelId, artifactLocation } = await withRetry(
    "create the logged model",
    () =>
      mlflow.createLoggedModel(run, {
        name: artifactPath,
        params: { ...candidate.model.parameters },
        tags: {},
      }),
  );
  return {
    store: artifacts(artifactLocation),
    modelId,
    source: `models:/${modelId}`,
  };
}

async function logMetrics(
  { mlflow, candidate, run, withRetry, createdMs: timestampMs }: OpenRun,
  { modelId }: ModelLocation,
): Promise<void> {
  const { metrics, evaluation, digests } = candidate;
  if (!metrics || !evaluation || digests.evaluation === undefined) return;
  const dataset = toDataset(evaluation.uri, {
    digest: digests.evaluation,
    rows: metrics["rows"] ?? 0,
    context: "evaluation",
  });
  await withRetry(
    "log the labelled set",
    () => mlflow.logInputs(run.runId, { datasets: [dataset] }),
  );
  const entries = Object.entries(metrics).map(([key, value]) => ({
    key,
    value,
    timestampMs,
    datasetName: dataset.name,
    datasetDigest: dataset.digest,
    ...(modelId === undefined ? {} : { modelId }),
  }));
  await withRetry(
    "log the metrics",
    () => mlflow.logBatch(run.runId, { metrics: entries }),
  );
}

/** Writes all files, MLmodel last, so that a folder with an MLmodel is complete. Returns the digest of MLmodel. */
async function writeFolder(
  { mlflow, candidate, run, withRetry, createdMs }: OpenRun,
  { store, modelId }: ModelLocation,
): Promise<string> {
  const { files, description } = toModelFolder(candidate, {
    artifactPath: modelId === undefined ? artifactPath : store.uri,
    modelId,
    runId: run.runId,
    createdMs,
    writesRequired: mlflow.writesRequired,
  });
  try {
    for (const [path, bytes] of files) {
      await withRetry(
        `write ${uriOf(store, path)}`,
        () => store.write(path, bytes),
      );
    }
  } catch (error) {
    if (modelId !== undefined) {
      await mlflow.finalizeLoggedModel(modelId, "UPLOAD_FAILED").catch(
        () => {},
      );
    }
    throw error;
  }
  if (modelId !== undefined) {
    await withRetry(
      "finish the logged model",
      () => mlflow.finalizeLoggedModel(modelId, "READY"),
    );
  } else {
    const history = { "mlflow.log-model.history": toModelHistory(description) };
    await withRetry(
      "tag the run",
      () => mlflow.logBatch(run.runId, { tags: history }),
    );
  }
  return sha256(files.get(mlmodelFile)!);
}

async function register(
  { mlflow, candidate, variant, run, withRetry, ...logging }: OpenRun,
  { source, modelId, mlmodelSha256 }: ModelLocation & { mlmodelSha256: string },
): Promise<ModelVersion> {
  const name = variant.modelName;
  const registered = await withRetry(
    `find the registered model ${name}`,
    () =>
      mlflow.ensureRegisteredModel(name, {
        tags: { ...variant.tags, [variantTag]: variant.key },
      }),
  );
  refuseForeign(registered.tags, variant);
  const { training_date: trained } = logging.tags;
  const tags = {
    ...variant.tags,
    // `monitor` counts the model's age from it.
    ...trained === undefined ? {} : { training_date: trained },
    ...toDigestTags(candidate),
    [digestTags.mlmodel]: mlmodelSha256,
  };
  // After a broken connection it is unknown whether the version was created, so a retry searches for it first.
  let asked = false;
  return await withRetry(`register a version of ${name}`, async () => {
    const made = asked
      ? (await mlflow.listModelVersions(name)).find(({ runId }) =>
        runId === run.runId
      )
      : undefined;
    asked = true;
    return made ?? await mlflow.createModelVersion(name, {
      source,
      runId: run.runId,
      ...(modelId === undefined ? {} : { modelId }),
      tags,
      description: describeInputs(candidate),
    });
  });
}

/** Returns the Markdown description of a version, which explains how Python must read its input rows. */
function describeInputs({ columns, recipe, model }: Candidate): string {
  const doubles = columns.filter(({ type }) => type === "double").length;
  return [
    `Takes the ${columns.length} columns of its signature, ${doubles} of them \`double\`.`,
    ...(recipe.steps.length === 0 ? [] : [
      `\`predict\` makes them from raw rows with the steps in \`metadata.churn.recipe\` of MLmodel (${
        recipe.steps.map(({ kind }) => kind).join(", ")
      }); Python takes the columns that these return.`,
    ]),
    ...(recipe.missingValue === undefined
      ? []
      : [`${recipe.missingValue} means "missing" in any column, like NaN.`]),
    ...(model.kind === "onnx" && model.output.positive_class !== undefined
      ? [
        `Returns the probability of class \`${model.output.positive_class}\`.`,
      ]
      : []),
    "MLflow rejects integers in a `double` column, and `pandas.read_json` turns whole floats into integers; read those columns with `dtype=float`:",
    "```python",
    'doubles = [c.name for c in model.metadata.get_input_schema() if c.type.name == "double"]',
    "frame = pandas.read_json(path, lines=True, dtype=dict.fromkeys(doubles, float))",
    "```",
  ].join("\n");
}

function toDigestTags({ digests }: Candidate): Record<string, string> {
  return {
    [digestTags.model]: digests.model,
    [digestTags.features]: digests.features,
    [digestTags.recipe]: digests.recipe,
    [digestTags.sample]: digests.sample,
    ...(digests.evaluation === undefined
      ? {}
      : { [digestTags.evaluation]: digests.evaluation }),
  };
}

/** Rejects a registered model of another variant; two variants can have the same model name, such as geography `us` and company `us`. */
function refuseForeign(
  tags: Readonly<Record<string, string>>,
  variant: Variant,
): void {
  const owner = tags[variantTag];
  if (owner === undefined || owner === variant.key) return;
  throw new InputError(
    `Cannot use the registered model "${variant.modelName}" for ${variant.title}: it belongs to the variant ${owner}; ` +
      `set "model_name" of one of them in variants.yaml`,
  );
}
