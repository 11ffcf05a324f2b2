/** Registered models, versions, aliases and stages of an MLflow server. */
import { InputError } from "../../errors.ts";
import { ApiError } from "../http.ts";
import { toPairs, toRecord, toRecords, toText } from "../json.ts";
import { planPromotion } from "../promotion.ts";
import {
  appendToUri,
  checkAlias,
  checkModelName,
  checkRegistryTag,
  isActiveStage,
  parseStage,
  toModelId,
} from "../rules.ts";
import type {
  ModelVersion,
  Promotion,
  PromotionResult,
  RegisteredModel,
  Stage,
} from "../store.ts";
import { type Rest, toKeyValues, unlessMissing } from "./server.ts";

/** The registered model with its tags and aliases; undefined when there is none of that name. */
export async function findRegisteredModel(
  rest: Rest,
  name: string,
): Promise<RegisteredModel | undefined> {
  const answer = await unlessMissing(
    rest.http.json("GET", "/mlflow/registered-models/get", { name }),
  );
  const model = toRecord(answer?.["registered_model"]);
  return model && {
    name,
    tags: toPairs(model["tags"]),
    aliases: Object.fromEntries(
      toRecords(model["aliases"]).map(({ alias, version }) => [
        String(alias),
        Number(version),
      ]),
    ),
  };
}

/** The registered model, made with these tags and description unless it is there already. */
export async function ensureRegisteredModel(
  rest: Rest,
  name: string,
  options: { tags: Record<string, string>; description?: string },
): Promise<RegisteredModel> {
  checkModelName(name);
  const { tags, description } = options;
  for (const [key, value] of Object.entries(tags)) checkRegistryTag(key, value);
  await rest.http.json("POST", "/mlflow/registered-models/create", {
    name,
    tags: toKeyValues(tags),
    description,
  }).catch((error) => {
    const isThere = error instanceof ApiError &&
      error.code === "RESOURCE_ALREADY_EXISTS";
    if (!isThere) throw error;
  });
  const model = await findRegisteredModel(rest, name);
  if (model) return model;
  throw missingModel(rest, name);
}

/** The new version, numbered by the server. @throws {InputError} If there is no such registered model, or the server refuses the source. */
export async function createModelVersion(
  rest: Rest,
  name: string,
  options: {
    source: string;
    runId: string;
    modelId?: string;
    tags: Record<string, string>;
    description?: string;
  },
): Promise<ModelVersion> {
  checkModelName(name);
  const { source, runId, tags, description } = options;
  for (const [key, value] of Object.entries(tags)) checkRegistryTag(key, value);
  const modelId = options.modelId ?? toModelId(source);
  const answer = await rest.http.json("POST", "/mlflow/model-versions/create", {
    name,
    source,
    run_id: runId,
    tags: toKeyValues(tags),
    description,
    ...modelId === undefined ? {} : { model_id: modelId },
  });
  const version = toVersion(answer["model_version"]);
  if (version) return await withArtifactUri(rest, version);
  throw new InputError(
    `Cannot register a version of "${name}": the server at ${rest.http.baseUrl} answered without its number`,
  );
}

/** All versions that are not deleted, newest first; none when there is no such model. */
export async function listModelVersions(
  rest: Rest,
  name: string,
): Promise<ModelVersion[]> {
  const versions = await searchVersions(rest, name);
  return await Promise.all(
    versions.map((version) => withArtifactUri(rest, version)),
  );
}

/** One version; undefined when it is not there or deleted. */
export async function findModelVersion(
  rest: Rest,
  name: string,
  version: number,
): Promise<ModelVersion | undefined> {
  const answer = await unlessMissing(
    rest.http.json("GET", "/mlflow/model-versions/get", { name, version }),
  );
  const found = toVersion(answer?.["model_version"]);
  return found && await withArtifactUri(rest, found);
}

/** Sets tags of a version, over those of the same keys. */
export async function setModelVersionTags(
  rest: Rest,
  name: string,
  options: { version: number; tags: Record<string, string> },
): Promise<void> {
  const { version, tags } = options;
  for (const [key, value] of Object.entries(tags)) checkRegistryTag(key, value);
  for (const [key, value] of Object.entries(tags)) {
    await rest.http.json("POST", "/mlflow/model-versions/set-tag", {
      name,
      version: String(version),
      key,
      value,
    });
  }
}

/** Lets an alias name a version, and no other. */
export async function setAlias(
  rest: Rest,
  name: string,
  options: { alias: string; version: number },
): Promise<void> {
  const { alias, version } = options;
  checkAlias(alias);
  await rest.http.json("POST", "/mlflow/registered-models/alias", {
    name,
    alias,
    version: String(version),
  });
}

/**
 * Moves a version into a stage; those that were in Staging or Production
 * before become Archived. One by one: asked to archive them itself, a server
 * of 3.17.2 on psycopg 3 fails (it compares the number with a text).
 */
export async function setStage(
  rest: Rest,
  name: string,
  options: { stage: Stage; version: number },
): Promise<void> {
  const { stage, version } = options;
  await moveToStage(rest, name, options);
  if (!isActiveStage(stage)) return;
  for (const other of await searchVersions(rest, name)) {
    if (other.stage !== stage || other.version === version) continue;
    const archived = { stage: "Archived", version: other.version } as const;
    await moveToStage(rest, name, archived);
  }
}

async function moveToStage(
  rest: Rest,
  name: string,
  options: { stage: Stage; version: number },
): Promise<void> {
  await rest.http.json("POST", "/mlflow/model-versions/transition-stage", {
    name,
    version: String(options.version),
    stage: options.stage,
    archive_existing_versions: false,
  });
}

/**
 * Moves alias and stage. A server has no transaction: the record comes first,
 * so that no move goes unrecorded, and each step may be done again; after a
 * failure the same call does what is left.
 */
export async function promote(
  rest: Rest,
  name: string,
  promotion: Promotion,
): Promise<PromotionResult> {
  const { version, alias, stage } = promotion;
  const versions = await searchVersions(rest, name);
  const plan = planPromotion(name, { versions, promotion });
  const { from, archived, changed } = plan;
  if (changed) {
    const tags = { [plan.tag.key]: plan.tag.value };
    await setModelVersionTags(rest, name, { version, tags });
  }
  if (plan.movesStage) await setStage(rest, name, { stage, version });
  if (plan.movesAlias) await setAlias(rest, name, { alias, version });
  return { from, archived, changed };
}

/** Versions whose `artifactUri` is not asked for yet: `source` stands in. */
async function searchVersions(
  rest: Rest,
  name: string,
): Promise<ModelVersion[]> {
  const model = await findRegisteredModel(rest, name);
  if (!model) return [];
  const versions: ModelVersion[] = [];
  let pageToken: string | undefined;
  do {
    const answer = await rest.http.json(
      "GET",
      "/mlflow/model-versions/search",
      {
        filter: `name = ${quote(name)}`,
        max_results: 1000,
        page_token: pageToken,
      },
    );
    for (const entry of toRecords(answer["model_versions"])) {
      const version = toVersion(entry);
      if (version) versions.push(withAliases(version, model));
    }
    pageToken = toText(answer["next_page_token"]);
  } while (pageToken !== undefined);
  return versions.sort((a, b) => b.version - a.version);
}

/** A search names no aliases; the registered model does. */
function withAliases(
  version: ModelVersion,
  model: RegisteredModel,
): ModelVersion {
  const aliases = Object.entries(model.aliases)
    .filter(([, named]) => named === version.version)
    .map(([alias]) => alias).sort();
  return { ...version, aliases };
}

function toVersion(value: unknown): ModelVersion | undefined {
  const version = toRecord(value);
  if (!version) return undefined;
  const source = toText(version["source"]) ?? "";
  return {
    name: String(version["name"]),
    version: Number(version["version"]),
    stage: parseStage(toText(version["current_stage"]) ?? "None"),
    aliases: toAliases(version["aliases"]),
    status: toText(version["status"]) ?? "READY",
    source,
    artifactUri: source,
    runId: toText(version["run_id"]),
    modelId: toText(version["model_id"]) ?? toModelId(source),
    description: toText(version["description"]),
    tags: toPairs(version["tags"]),
    createdMs: Number(version["creation_timestamp"] ?? 0),
  };
}

function toAliases(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String).sort() : [];
}

async function withArtifactUri(
  rest: Rest,
  found: ModelVersion,
): Promise<ModelVersion> {
  const { name, version } = found;
  const answer = await rest.http.json(
    "GET",
    "/mlflow/model-versions/get-download-uri",
    { name, version },
  );
  const uri = toText(answer["artifact_uri"]) ?? found.source;
  return { ...found, artifactUri: await resolveRunUri(rest, uri) };
}

/** A source `runs:/RUN/path` lies below the run's own artifacts. */
async function resolveRunUri(rest: Rest, uri: string): Promise<string> {
  const [, runId, path] = /^runs:\/+([^/]+)\/(.+)$/.exec(uri) ?? [];
  if (runId === undefined || path === undefined) return uri;
  const answer = await rest.http.json("GET", "/mlflow/runs/get", {
    run_id: runId,
  });
  const info = toRecord(toRecord(answer["run"])?.["info"]);
  return appendToUri(toText(info?.["artifact_uri"]) ?? uri, path);
}

/** A text in MLflow's filter language, which has no escapes: whichever quote the name does not hold. */
function quote(name: string): string {
  if (!name.includes("'")) return `'${name}'`;
  if (!name.includes('"')) return `"${name}"`;
  throw new InputError(
    `Cannot search for the registered model ${name}: MLflow's search cannot name one with both kinds of quotes`,
  );
}

function missingModel(rest: Rest, name: string): InputError {
  return new InputError(
    `Cannot find the registered model "${name}" on ${rest.http.baseUrl}: log one with \`deno task log-model\``,
  );
}
