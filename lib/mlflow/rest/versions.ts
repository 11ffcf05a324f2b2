/** Reads registered models and their versions from an MLflow server. */
import { InputError } from "../../base/errors.ts";
import { ForbiddenError } from "../http.ts";
import { toPairs, toRecord, toRecords, toText } from "../json.ts";
import { appendToUri, parseStage, toModelId } from "../validation.ts";
import type { ModelVersion, RegisteredModel, VersionKey } from "../store.ts";
import { type Rest, unlessMissing } from "./server.ts";

/**
 * Returns the registered model with its tags and aliases; undefined if it does not
 * exist or the login may not read it. A server with permissions enabled refuses
 * both in the same way; only creating the model distinguishes them.
 */
export async function findRegisteredModel(
  rest: Rest,
  name: string,
): Promise<RegisteredModel | undefined> {
  try {
    return await readRegisteredModel(rest, name);
  } catch (error) {
    if (error instanceof ForbiddenError) return undefined;
    throw error;
  }
}

/** Like {@linkcode findRegisteredModel}. @throws {ForbiddenError} If the login may not read it. */
export async function readRegisteredModel(
  rest: Rest,
  name: string,
): Promise<RegisteredModel | undefined> {
  const model = await getRegisteredModel(rest, name);
  return model && {
    name,
    tags: toPairs(model["tags"]),
    aliases: toAliasNumbers(model["aliases"]),
  };
}

async function getRegisteredModel(
  rest: Rest,
  name: string,
): Promise<Record<string, unknown> | undefined> {
  const answer = await unlessMissing(
    rest.http.json("GET", "/mlflow/registered-models/get", { name }),
  );
  return toRecord(answer?.["registered_model"]);
}

function toAliasNumbers(value: unknown): Record<string, number> {
  return Object.fromEntries(
    toRecords(value).map(({ alias, version }) => [
      String(alias),
      Number(version),
    ]),
  );
}

/** Returns all versions that are not deleted, newest first; none if the model does not exist. */
export async function listModelVersions(
  rest: Rest,
  name: string,
): Promise<ModelVersion[]> {
  const model = await readRegisteredModel(rest, name);
  if (!model) return [];
  const versions = await searchVersions(rest, name);
  return await Promise.all(
    versions.map((version) =>
      withArtifactUri(rest, withAliases(version, model))
    ),
  );
}

/** Returns the selected version; undefined if it does not exist or is deleted. The calls are as many for any number of versions. */
export async function findModelVersion(
  rest: Rest,
  name: string,
  key: VersionKey,
): Promise<ModelVersion | undefined> {
  const version = await findNumber(rest, name, key);
  if (version === undefined) return undefined;
  const found = await readVersion(rest, name, version);
  return found && await withArtifactUri(rest, found);
}

/** Returns the number of the selected version; undefined if there is none. A registered model names its aliases and the newest version of each stage. */
async function findNumber(
  rest: Rest,
  name: string,
  key: VersionKey,
): Promise<number | undefined> {
  if (key.kind === "version") return key.version;
  const model = await getRegisteredModel(rest, name);
  if (key.kind === "alias") {
    return toAliasNumbers(model?.["aliases"])[key.alias];
  }
  return toRecords(model?.["latest_versions"])
    .filter((newest) =>
      key.kind === "latest" || newest["current_stage"] === key.stage
    )
    .map((newest) => Number(newest["version"]))
    .sort((a, b) => b - a)[0];
}

/** Returns a version without resolving its `artifactUri`, which is set to `source`; undefined if it does not exist or is deleted. */
export async function readVersion(
  rest: Rest,
  name: string,
  version: number,
): Promise<ModelVersion | undefined> {
  const answer = await unlessMissing(
    rest.http.json("GET", "/mlflow/model-versions/get", { name, version }),
  );
  return toVersion(answer?.["model_version"]);
}

/** Returns all versions, newest first, without aliases and without resolving their `artifactUri`, which is set to `source`. */
export async function searchVersions(
  rest: Rest,
  name: string,
): Promise<ModelVersion[]> {
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
      if (version) versions.push(version);
    }
    pageToken = toText(answer["next_page_token"]);
  } while (pageToken !== undefined);
  return versions.sort((a, b) => b.version - a.version);
}

/** Adds the aliases from the registered model: search results do not contain them. */
function withAliases(
  version: ModelVersion,
  model: RegisteredModel,
): ModelVersion {
  const aliases = Object.entries(model.aliases)
    .filter(([, named]) => named === version.version)
    .map(([alias]) => alias).sort();
  return { ...version, aliases };
}

/** Parses the version in a response; its `artifactUri` is set to `source`. */
export function toVersion(value: unknown): ModelVersion | undefined {
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

/** Returns the version with `artifactUri` set to the actual location of its files. */
export async function withArtifactUri(
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

/** Resolves a source `runs:/RUN/path` to a location below the run's artifacts; returns other URIs unchanged. */
async function resolveRunUri(rest: Rest, uri: string): Promise<string> {
  const [, runId, path] = /^runs:\/+([^/]+)\/(.+)$/.exec(uri) ?? [];
  if (runId === undefined || path === undefined) return uri;
  const answer = await rest.http.json("GET", "/mlflow/runs/get", {
    run_id: runId,
  });
  const info = toRecord(toRecord(answer["run"])?.["info"]);
  return appendToUri(toText(info?.["artifact_uri"]) ?? uri, path);
}

/** Quotes a text for MLflow's filter language. It has no escapes, so the quote character must not occur in the name. */
function quote(name: string): string {
  if (!name.includes("'")) return `'${name}'`;
  if (!name.includes('"')) return `"${name}"`;
  throw new InputError(
    `Cannot search for the registered model ${name}: MLflow's search cannot name one with both kinds of quotes`,
  );
}
