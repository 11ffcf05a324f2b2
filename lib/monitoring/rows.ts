/** Reads and verifies the inputs of a past scoring run: its model, the model's reference, and its rows. */
import { openVersion } from "../scoring/version.ts";
import { openCache } from "../storage/digest-cache.ts";
import { sha256 } from "../base/digest.ts";
import { InputError, messageOf } from "../base/errors.ts";
import type { Column } from "../rows/cells.ts";
import type { Features } from "../rows/features.ts";
import { type InputFile, readNamedFile } from "../services/variant-files.ts";
import * as v from "../base/schema.ts";
import { digestParts } from "../scoring/ledger.ts";
import type { ModelVersion } from "../mlflow/store.ts";
import {
  readRecordedRows,
  type RecordedRows,
} from "../mlflow/model-folder/read.ts";
import { digestTags } from "../mlflow/tags.ts";
import type { LedgerRun } from "./runs.ts";
import {
  digestRecipe,
  fromRecorded,
  type RecordedRecipe,
  resolveRecipe,
} from "../rows/recipe.ts";
import { readFeatures } from "../rows/read.ts";
import { bytesAsFile } from "../storage/store.ts";
import { type Services, temporaryFolder } from "../services/services.ts";
import type { VariantSettings } from "../config/variants.ts";

/** The model of a scoring run, as far as it is still available. */
export interface RecordedModel {
  /** Undefined when the registry no longer has it. */
  readonly version?: ModelVersion | undefined;
  /** The reference profile and its digest; undefined for a model that was logged without one. */
  readonly reference?: RecordedRows["reference"];
  /** Undefined when the columns are unknown. */
  readonly columns?: readonly Column[] | undefined;
  /** Undefined for a model that was logged without one. */
  readonly recipe?: RecordedRecipe | undefined;
}

/**
 * Returns the version that a run was scored with, its reference, its input
 * columns and its recorded recipe.
 *
 * @param options `notes`: receives a note on each missing part.
 * @throws {InputError} If the reference is not the one that was logged.
 */
export async function readModel(
  services: Services,
  run: LedgerRun,
  { settings, notes }: { settings: VariantSettings; notes: string[] },
): Promise<RecordedModel> {
  const { withRetry, artifacts, config } = services;
  const { modelName: name, modelVersion } = run;
  const mlflow = await services.mlflow();
  const version = await withRetry(
    `find ${name} version ${modelVersion}`,
    () =>
      mlflow.findModelVersion(name, {
        kind: "version",
        version: Number(modelVersion),
      }),
  );
  if (!version) {
    notes.push(
      `${name} version ${modelVersion} is no longer in the registry, so its reference and columns are unknown`,
    );
    return {};
  }
  const store = artifacts(version.artifactUri);
  const { reference, recipe } = await withRetry(
    `read the reference in ${store.uri}`,
    () =>
      readRecordedRows(store, {
        mlmodelSha256: version.tags[digestTags.mlmodel],
        cache: openCache(`${config.home}/cache/models`, services),
      }),
  );
  if (reference) {
    const { features, labels } = reference.profile;
    const columns = features.map(({ name }, feature) => ({
      name,
      type: "double",
      labels: labels?.[feature] ?? undefined,
      unseen: "missing" as const,
    }));
    return { version, reference, columns, recipe };
  }
  notes.push(
    `${name} version ${modelVersion} was logged without a reference profile, so drift is measured only against the previous scoring run`,
  );
  await using scorer = await openVersion(services, version, {
    engine: "auto",
    settings,
  });
  return { version, reference, columns: scorer.columns, recipe };
}

const inputParts = v.nullish(v.array(v.object({ uri: v.string() })));

/** Returns the files that a run scored, in order. */
async function readInput(
  { withRetry, artifacts }: Services,
  { id, inputUri, inputParts: parts }: LedgerRun,
): Promise<InputFile[]> {
  const known = v.validate(inputParts, parts, {
    file: `scoring run ${id}, input_parts`,
  });
  const files: InputFile[] = [];
  for (const { uri } of known ?? [{ uri: inputUri }]) {
    files.push(
      await withRetry(`read ${uri}`, () => readNamedFile(uri, artifacts)),
    );
  }
  return files;
}

/**
 * Returns the rows that a run scored; if they are missing or have changed, adds a
 * note and returns undefined.
 *
 * @param options `forVersion`: another version that is to score the rows, as notes call it; its recipe may be another.
 */
export async function readRows(
  services: Services,
  settings: VariantSettings,
  { run, model: { columns, recipe: recorded }, notes, forVersion }: {
    run: LedgerRun;
    model: Pick<RecordedModel, "columns" | "recipe">;
    notes: string[];
    forVersion?: string;
  },
): Promise<Features | undefined> {
  const unknown = (why: string) => {
    notes.push(
      forVersion === undefined
        ? `feature drift of scoring run ${run.id} is unknown: ${why}`
        : `${forVersion} was not measured: ${why}`,
    );
    return undefined;
  };
  const { idColumn } = settings;
  if (!columns) return unknown("the model has no column names");
  const recipe = recorded
    ? fromRecorded(recorded, settings.recipe)
    : resolveRecipe(settings.recipe, { columns, rows: [] });
  if (forVersion === undefined && digestRecipe(recipe) !== run.recipeSha256) {
    return unknown("it was scored with a different feature recipe");
  }
  try {
    const files = await readInput(services, run);
    const parts = files.map(({ bytes }) => ({ sha256: sha256(bytes) }));
    if (digestParts(parts) !== run.contentSha256) {
      return unknown(`${run.inputUri} has changed since it was scored`);
    }
    return await readFeatures(
      files.map(({ uri, bytes }) => bytesAsFile(uri, bytes)),
      {
        columns,
        recipe,
        idColumn,
        temporary: temporaryFolder(services.config),
        setAside: run.rowsSetAside > 0,
      },
    );
  } catch (error) {
    if (error instanceof InputError) return unknown(messageOf(error));
    throw error;
  }
}
