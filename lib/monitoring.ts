/** One look at the newest scoring run of a variant: what it is compared with, and what came out. */
import { openVersion } from "./batch.ts";
import { openCache } from "./cache.ts";
import { digestOf, sha256 } from "./digest.ts";
import { InputError, messageOf } from "./errors.ts";
import type { Evidence, RunFacts } from "./evidence.ts";
import { type Column, type Features, toFeatures } from "./features.ts";
import { type InputFile, readNamedFiles } from "./inputs.ts";
import { digestTags } from "./logging.ts";
import type { ModelVersion } from "./mlflow/store.ts";
import { readReferenceProfile } from "./modelfolder.ts";
import {
  findPreviousRun,
  type LedgerRun,
  readHistory,
  readScores,
} from "./monitoringruns.ts";
import {
  measurePerformance,
  type Performance,
  toOutcomes,
} from "./performance.ts";
import { type ReferenceProfile, toProfile } from "./profile.ts";
import { parseRows } from "./rows.ts";
import type { Services } from "./services.ts";
import type { VariantSettings } from "./variants.ts";
import {
  compareWith,
  type CurrentRows,
  type DriftComparison,
} from "./columndrift.ts";
import { decide, thresholds } from "./verdict.ts";

/** What is looked at. */
export interface LookOptions {
  readonly run: LedgerRun;
  /** Matured outcomes; undefined when none were named. */
  readonly outcomes: InputFile | undefined;
}

/** What a look gives: the evidence, and the model version that the registry still has. */
export interface Look {
  readonly evidence: Evidence;
  readonly version: ModelVersion | undefined;
}

/**
 * The evidence about a scoring run: its rows, read again and verified, and its
 * scores, against the model's reference and against the run before; and its
 * scores against matured outcomes. Rows that are gone or changed leave their
 * drift unknown, which a note says; nothing is guessed.
 *
 * @throws {InputError} If the outcomes cannot be used, or the model's reference is not what was logged.
 */
export async function lookAt(
  services: Services,
  settings: VariantSettings,
  { run, outcomes }: LookOptions,
): Promise<Look> {
  const notes: string[] = [];
  const database = await services.predictions();
  const previous = await findPreviousRun(database, run);
  const { version, reference, columns } = await readModel(services, run, notes);
  const rows = (of: LedgerRun) =>
    readRows(services, settings, { run: of, columns, notes });
  const { ids, scores } = await readScores(database, run);
  const features = await rows(run);
  const current = { features: features && named(features, columns), scores };
  const comparisons: DriftComparison[] = [];
  if (reference) {
    comparisons.push(compareWith(reference, current, "baseline"));
  }
  if (previous) {
    const { scores } = await readScores(database, previous);
    const before = toEarlier(await rows(previous), { columns, scores });
    comparisons.push(compareWith(before, current, "consecutive"));
    if (
      previous.modelVersion !== run.modelVersion ||
      previous.modelName !== run.modelName
    ) {
      notes.push(
        `the run before was scored with ${previous.modelName} version ${previous.modelVersion}, so its scores may differ for that alone`,
      );
    }
  } else notes.push("no earlier run of this variant scored other data");
  const performance = outcomes && toPerformance(outcomes, {
    settings,
    ids,
    scores,
    reference,
  });
  const history = await readHistory(database, run);
  const [last] = history;
  const drift = comparisons[0]?.severity ?? "unknown";
  return {
    version,
    evidence: {
      version: 1,
      variant: settings.variant.key,
      title: settings.variant.title,
      monitored_at: new Date().toISOString(),
      scoring_run: toFacts(run),
      ...(previous ? { previous: toFacts(previous) } : {}),
      ...(reference
        ? { reference: { ...reference.source, rows: reference.rows } }
        : {}),
      ...(outcomes
        ? { outcomes: { uri: outcomes.uri, sha256: sha256(outcomes.bytes) } }
        : {}),
      verdict: {
        drift,
        performance: performance?.severity ?? "unknown",
        ...decide({
          drift,
          performance: performance?.severity ?? "unknown",
          previousDrift: last?.model_version === run.modelVersion
            ? last.drift
            : undefined,
        }),
      },
      comparisons,
      ...(performance ? { performance } : {}),
      unseen_categories: toShares(features),
      notes,
      thresholds,
      history,
    },
  };
}

interface ModelFacts {
  readonly version: ModelVersion | undefined;
  readonly reference: ReferenceProfile | undefined;
  /** Undefined when nothing says what the columns are. */
  readonly columns: readonly Column[] | undefined;
}

/** The version that scored, what its reference is, and which columns it takes. */
async function readModel(
  services: Services,
  run: LedgerRun,
  notes: string[],
): Promise<ModelFacts> {
  const { attempt, artifacts, config } = services;
  const { modelName: name, modelVersion } = run;
  const mlflow = await services.mlflow();
  const version = await attempt(
    `find ${name} version ${modelVersion}`,
    () => mlflow.findModelVersion(name, Number(modelVersion)),
  );
  if (!version) {
    notes.push(
      `${name} version ${modelVersion} is not in the registry any more, so there is no reference and no list of its columns`,
    );
    return { version, reference: undefined, columns: undefined };
  }
  const store = artifacts(version.artifactUri);
  const reference = await attempt(
    `read the reference in ${store.uri}`,
    () =>
      readReferenceProfile(store, {
        mlmodelSha256: version.tags[digestTags.mlmodel],
        cache: openCache(`${config.home}/cache/models`),
      }),
  );
  if (reference) {
    const columns = reference.features.map(({ name }) => ({
      name,
      type: "double",
    }));
    return { version, reference, columns };
  }
  notes.push(
    `${name} version ${modelVersion} was logged without a reference profile, so only the scoring run before is compared with`,
  );
  await using scorer = await openVersion(services, version, { engine: "auto" });
  return { version, reference, columns: scorer.columns };
}

/** The rows that a run scored, as they were; undefined, with a note, when that cannot be had. */
async function readRows(
  services: Services,
  settings: VariantSettings,
  { run, columns, notes }: {
    run: LedgerRun;
    columns: readonly Column[] | undefined;
    notes: string[];
  },
): Promise<Features | undefined> {
  const unknown = (why: string) => {
    notes.push(`feature drift of scoring run ${run.id} is unknown: ${why}`);
    return undefined;
  };
  const { recipe, idColumn } = settings;
  if (!columns) return unknown("the model names no columns");
  if (digestOf(recipe) !== run.recipeSha256) {
    return unknown("the feature recipe in variants.yaml changed since");
  }
  try {
    const [file] = await services.attempt(
      `read ${run.inputUri}`,
      () => readNamedFiles(run.inputUri, services.artifacts),
    );
    const bytes = file!.bytes;
    if (sha256(bytes) !== run.contentSha256) {
      return unknown(`${run.inputUri} is not what was scored any more`);
    }
    const rows = parseRows(bytes, { file: run.inputUri });
    return toFeatures(rows, { columns, recipe, idColumn, file: run.inputUri });
  } catch (error) {
    if (error instanceof InputError) return unknown(messageOf(error));
    throw error;
  }
}

function named(
  { matrix, rows }: Features,
  columns: readonly Column[] = [],
): NonNullable<CurrentRows["features"]> {
  return { names: columns.map(({ name }) => name), matrix, rows };
}

/** The profile of an earlier run; without features when its rows are gone. */
function toEarlier(
  features: Features | undefined,
  { columns, scores }: {
    columns: readonly Column[] | undefined;
    scores: Float64Array;
  },
): Parameters<typeof compareWith>[0] {
  if (features) return toProfile({ ...named(features, columns), scores });
  const none = { names: [], matrix: new Float32Array(), rows: scores.length };
  return { ...toProfile({ ...none, scores }), features: undefined };
}

function toPerformance(
  file: InputFile,
  { settings, ids, scores, reference }: {
    settings: VariantSettings;
    ids: readonly (string | null)[];
    scores: Float64Array;
    reference: ReferenceProfile | undefined;
  },
): Performance {
  const { idColumn, label } = settings;
  const rows = parseRows(file.bytes, { file: file.uri });
  return measurePerformance({ ids, scores }, {
    outcomes: toOutcomes(rows, { idColumn, label, file: file.uri }),
    referenceAuc: reference?.metrics?.["auc"],
    file: file.uri,
  });
}

function toShares(features: Features | undefined): Record<string, number> {
  if (!features) return {};
  return Object.fromEntries(
    Object.entries(features.unknownCategories).map((
      [column, count],
    ) => [column, count / features.rows]),
  );
}

function toFacts(run: LedgerRun): RunFacts {
  return {
    id: run.id,
    input_uri: run.inputUri,
    content_sha256: run.contentSha256,
    model_name: run.modelName,
    model_version: run.modelVersion,
    rows: run.rows,
    finished_at: run.finishedAt.toISOString(),
    mlflow_run_id: run.mlflowRunId,
  };
}
