/** Reads and writes model versions: MLflow's `model_versions`, `model_version_tags` and `registered_model_aliases`. */
import { InputError } from "../../base/errors.ts";
import { getLoggedModel, tagModelVersion } from "./models.ts";
import { missingVersion, planPromotion } from "../promotion.ts";
import {
  lockRegisteredModel,
  readAliases,
  touchRegisteredModel,
} from "./registry.ts";
import { insertRows, inWorkspace, type Tables } from "./rows.ts";
import {
  appendToUri,
  checkAlias,
  checkModelName,
  isActiveStage,
  toModelId,
} from "../validation.ts";
import { checkRegistryTag } from "../values.ts";
import type {
  ModelVersion,
  NewModelVersion,
  Promotion,
  PromotionResult,
  Stage,
  VersionAlias,
  VersionKey,
  VersionStage,
  VersionTags,
} from "../store.ts";

/** The stage of a version deleted in MLflow; its row remains so that its number is not reused. */
const deletedStage = "Deleted_Internal";

/** Returns all versions that are not deleted, newest first; none if the model does not exist. */
export async function listModelVersions(
  tables: Tables,
  name: string,
): Promise<ModelVersion[]> {
  return await readVersions(tables, name, { where: "true", values: [] });
}

/** Returns the selected version; undefined if it does not exist or is deleted. */
export async function findModelVersion(
  tables: Tables,
  name: string,
  key: VersionKey,
): Promise<ModelVersion | undefined> {
  const [found] = await readVersions(tables, name, {
    ...selectionOf(tables, key),
    limit: 1,
  });
  return found;
}

/** A condition on `model_versions`; its values are numbered from $4. */
interface Selection {
  readonly where: string;
  readonly values: readonly (string | number)[];
  /** Undefined for all. */
  readonly limit?: number;
}

function selectionOf(tables: Tables, key: VersionKey): Selection {
  switch (key.kind) {
    case "version":
      return { where: "version = $4", values: [key.version] };
    case "stage":
      return { where: "current_stage = $4", values: [key.stage] };
    case "latest":
      return { where: "true", values: [] };
    case "alias":
      return {
        where: `version = (select version from registered_model_aliases
          where name = $1 and ${inWorkspace(tables)} and alias = $4)`,
        values: [key.alias],
      };
  }
}

interface VersionRow {
  readonly version: number;
  readonly stage: Stage | null;
  readonly status: string | null;
  readonly source: string | null;
  readonly storageLocation: string | null;
  readonly runId: string | null;
  readonly description: string | null;
  readonly createdMs: number | null;
  readonly aliases: readonly string[];
  /** Null if there are none. */
  readonly tags: Readonly<Record<string, string>> | null;
}

/** Returns the selected versions, newest first, in one query. */
async function readVersions(
  tables: Tables,
  name: string,
  { where, values, limit }: Selection,
): Promise<ModelVersion[]> {
  const own = `name = $1 and ${inWorkspace(tables)}`;
  const rows = await tables.db.query<VersionRow>(
    `select version, current_stage as stage, status, source,
            storage_location as "storageLocation", run_id as "runId",
            description, creation_time as "createdMs",
            array(select alias::text from registered_model_aliases
                  where ${own} and version = found.version order by alias) as aliases,
            (select json_object_agg(key, coalesce(value, '') order by key) from model_version_tags
             where ${own} and version = found.version) as tags
     from model_versions as found
     where ${own} and current_stage <> $2 and ${where}
     order by version desc limit $3`,
    [name, deletedStage, limit ?? null, ...values],
  );
  return await Promise.all(rows.map(async (row) => ({
    name,
    version: row.version,
    stage: row.stage ?? "None",
    aliases: row.aliases,
    status: row.status ?? "READY",
    source: row.source ?? "",
    artifactUri: await toArtifactUri(tables, row),
    runId: row.runId || undefined,
    modelId: toModelId(row.source ?? ""),
    description: row.description || undefined,
    tags: row.tags ?? {},
    createdMs: row.createdMs ?? 0,
  })));
}

/**
 * Creates a version, numbered one higher than the highest number ever used.
 *
 * @throws {InputError} If the registered model or logged model does not exist, or a tag is invalid.
 */
export async function createModelVersion(
  tables: Tables,
  name: string,
  options: NewModelVersion,
): Promise<ModelVersion> {
  checkModelName(name);
  const { source, runId, modelId = toModelId(source), description } = options;
  const tags = Object.entries(options.tags);
  for (const [key, value] of tags) checkRegistryTag(key, value);
  const storageLocation = toModelId(source) === undefined
    ? source
    : (await getLoggedModel(tables, toModelId(source) ?? "")).artifactLocation;
  await touchRegisteredModel(tables, name);
  const version = await nextVersion(tables, name);
  const now = Date.now();
  await insertRows(tables, "model_versions", {
    rows: [{
      name,
      version,
      creation_time: now,
      last_updated_time: now,
      description: description ?? null,
      current_stage: "None",
      source,
      storage_location: storageLocation,
      run_id: runId,
      status: "READY",
    }],
  });
  await setTags(tables, { name, version, tags: options.tags });
  if (modelId !== undefined) {
    await tagModelVersion(tables, modelId, { name, version });
  }
  return await getModelVersion(tables, name, version);
}

/** Sets tags of a version, replacing those with the same keys. @throws {InputError} If the version does not exist, or a tag is invalid. */
export async function setModelVersionTags(
  tables: Tables,
  name: string,
  options: VersionTags,
): Promise<void> {
  for (const [key, value] of Object.entries(options.tags)) {
    checkRegistryTag(key, value);
  }
  await getModelVersion(tables, name, options.version);
  await setTags(tables, { name, ...options });
}

/** Points an alias at a version. @throws {InputError} If the version does not exist, or the alias is invalid. */
export async function setAlias(
  tables: Tables,
  name: string,
  options: VersionAlias,
): Promise<void> {
  const { alias, version } = options;
  checkAlias(alias);
  await getModelVersion(tables, name, version);
  await insertRows(tables, "registered_model_aliases", {
    rows: [{ alias, version, name }],
    key: ["name", "alias"],
    update: ["version"],
  });
}

/** Moves a version into a stage; for Staging and Production, other versions in that stage become Archived. @throws {InputError} If the version does not exist. */
export async function setStage(
  tables: Tables,
  name: string,
  options: VersionStage,
): Promise<void> {
  const { stage, version } = options;
  await lockRegisteredModel(tables, name);
  await getModelVersion(tables, name, version);
  const now = Date.now();
  const where = `name = $1 and ${inWorkspace(tables)}`;
  if (isActiveStage(stage)) {
    await tables.db.query(
      `update model_versions
       set current_stage = 'Archived', last_updated_time = $4
       where ${where} and version <> $2 and current_stage = $3`,
      [name, version, stage, now],
    );
  }
  await tables.db.query(
    `update model_versions set current_stage = $3, last_updated_time = $4
     where ${where} and version = $2`,
    [name, version, stage, now],
  );
  await touchRegisteredModel(tables, name);
}

/** Changes alias and stage together and records the change in a tag of the version; writes nothing if both are already as requested. */
export async function promote(
  tables: Tables,
  name: string,
  promotion: Promotion,
): Promise<PromotionResult> {
  const { version, alias, stage } = promotion;
  checkModelName(name);
  await lockRegisteredModel(tables, name);
  const plan = planPromotion(promotion, {
    target: await getModelVersion(tables, name, version),
    from: (await readAliases(tables, name))
      .find((known) => known.alias === alias)?.version,
    inStage: stage === undefined ? [] : await versionsIn(tables, name, stage),
  });
  if (stage && plan.movesStage) {
    await setStage(tables, name, { stage, version });
  }
  if (alias && plan.movesAlias) {
    await setAlias(tables, name, { alias, version });
  }
  if (plan.changed) {
    const tags = { [plan.tag.key]: plan.tag.value };
    await setTags(tables, { name, version, tags });
  }
  const { from, archived, changed } = plan;
  return { from, archived, changed };
}

async function getModelVersion(
  tables: Tables,
  name: string,
  version: number,
): Promise<ModelVersion> {
  const found = await findModelVersion(tables, name, {
    kind: "version",
    version,
  });
  if (found) return found;
  const versions = await listModelVersions(tables, name);
  throw missingVersion(name, { version, versions });
}

async function versionsIn(
  tables: Tables,
  name: string,
  stage: Stage,
): Promise<number[]> {
  const rows = await tables.db.query<{ version: number }>(
    `select version from model_versions
     where name = $1 and ${inWorkspace(tables)} and current_stage = $2`,
    [name, stage],
  );
  return rows.map(({ version }) => version);
}

async function nextVersion(tables: Tables, name: string): Promise<number> {
  const [row] = await tables.db.query<{ next: number }>(
    `select coalesce(max(version), 0) + 1 as next from model_versions
     where name = $1 and ${inWorkspace(tables)}`,
    [name],
  );
  return row?.next ?? 1;
}

async function setTags(
  tables: Tables,
  options: { name: string; version: number; tags: Record<string, string> },
): Promise<void> {
  const { name, version, tags } = options;
  await insertRows(tables, "model_version_tags", {
    rows: Object.entries(tags)
      .map(([key, value]) => ({ key, value, name, version })),
    key: ["key", "name", "version"],
    update: ["value"],
  });
}

/** Returns the actual location of the files; a source `runs:/RUN/path` is resolved below the run's artifacts. */
async function toArtifactUri(
  tables: Tables,
  row: VersionRow,
): Promise<string> {
  const uri = row.storageLocation || row.source || "";
  const [, runId, path] = /^runs:\/+([^/]+)\/(.+)$/.exec(uri) ?? [];
  if (runId === undefined || path === undefined) return uri;
  const [run] = await tables.db.query<{ uri: string | null }>(
    `select artifact_uri as uri from runs where run_uuid = $1`,
    [runId],
  );
  if (run?.uri) return appendToUri(run.uri, path);
  throw new InputError(
    `Cannot find the files of version ${row.version}: its source is ${uri}, and there is no run ${runId}`,
  );
}
