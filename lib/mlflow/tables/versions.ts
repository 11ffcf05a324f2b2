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
import { appendToUri, isActiveStage, toModelId } from "../validation.ts";
import type { MlflowStore, ModelVersion, Stage, VersionKey } from "../store.ts";

/** The stage of a version deleted in MLflow; its row remains so that its number is not reused. */
const deletedStage = "Deleted_Internal";

type Calls = Pick<
  MlflowStore,
  | "listModelVersions"
  | "findModelVersion"
  | "createModelVersion"
  | "setModelVersionTags"
  | "setAlias"
  | "setStage"
  | "promote"
>;

/** Returns the store's calls on versions. */
export function versionsIn(
  tables: Tables,
): Calls {
  const calls: Calls = {
    listModelVersions: (name) => readVersions(tables, name),
    async findModelVersion(name, key) {
      const [found] = await readVersions(tables, name, key);
      return found;
    },
    async createModelVersion(name, options) {
      const { source, runId, modelId = toModelId(source), description } =
        options;
      const sourceId = toModelId(source);
      const storageLocation = sourceId === undefined
        ? source
        : (await getLoggedModel(tables, sourceId)).artifactLocation;
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
    },
    async setModelVersionTags(name, options) {
      await getModelVersion(tables, name, options.version);
      await setTags(tables, { name, ...options });
    },
    async setAlias(name, { alias, version }) {
      await getModelVersion(tables, name, version);
      await insertRows(tables, "registered_model_aliases", {
        rows: [{ alias, version, name }],
        key: ["name", "alias"],
        update: ["version"],
      });
    },
    async setStage(name, { stage, version }) {
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
    },
    async promote(name, promotion) {
      const { version, alias, stage } = promotion;
      await lockRegisteredModel(tables, name);
      const plan = planPromotion(promotion, {
        target: await getModelVersion(tables, name, version),
        from: (await readAliases(tables, name))
          .find((known) => known.alias === alias)?.version,
        inStage: stage === undefined
          ? []
          : await numbersIn(tables, name, stage),
      });
      if (stage && plan.movesStage) {
        await calls.setStage(name, { stage, version });
      }
      if (alias && plan.movesAlias) {
        await calls.setAlias(name, { alias, version });
      }
      if (plan.changed) {
        const tags = { [plan.tag.key]: plan.tag.value };
        await setTags(tables, { name, version, tags });
      }
      const { from, archived, changed } = plan;
      return { from, archived, changed };
    },
  };
  return calls;
}

/** Returns a condition on `model_versions` and its values, which are numbered from $4. */
function selectionOf(
  tables: Tables,
  key: VersionKey,
): { where: string; values: readonly (string | number)[] } {
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

/** Returns the selected version, or all, newest first, in one query. */
async function readVersions(
  tables: Tables,
  name: string,
  key?: VersionKey,
): Promise<ModelVersion[]> {
  const { where, values } = selectionOf(tables, key ?? { kind: "latest" });
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
    [name, deletedStage, key ? 1 : null, ...values],
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

async function getModelVersion(
  tables: Tables,
  name: string,
  version: number,
): Promise<ModelVersion> {
  const [found] = await readVersions(tables, name, {
    kind: "version",
    version,
  });
  if (found) return found;
  const versions = await readVersions(tables, name);
  throw missingVersion(name, { version, versions });
}

async function numbersIn(
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
