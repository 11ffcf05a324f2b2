/** Reads registered models and their versions from an MLflow server. */
import { InputError } from "../../base/errors.ts";
import { ForbiddenError } from "../http.ts";
import * as v from "../../base/schema.ts";
import { appendToUri, parseStage, toModelId } from "../validation.ts";
import type {
  MlflowStore,
  ModelVersion,
  RegisteredModel,
  VersionKey,
} from "../store.ts";
import {
  keyValues,
  optionalText,
  type Rest,
  runAnswer,
  toAnswer,
  unlessMissing,
} from "./server.ts";

const registeredModel = v.object({
  tags: keyValues,
  aliases: v.nullish(
    v.array(v.object({ alias: v.string(), version: v.wholeNumber })),
    [],
  ),
  latest_versions: v.nullish(
    v.array(v.object({ version: v.wholeNumber, current_stage: optionalText })),
    [],
  ),
});
const modelAnswer = v.object({ registered_model: registeredModel });

/** A version; its `artifactUri` is set to `source`. */
const modelVersion = v.pipe(
  v.object({
    name: v.string(),
    version: v.wholeNumber,
    current_stage: optionalText,
    aliases: v.nullish(v.array(v.string()), []),
    status: optionalText,
    source: v.nullish(v.string(), ""),
    run_id: optionalText,
    model_id: optionalText,
    description: optionalText,
    tags: keyValues,
    creation_timestamp: v.nullish(v.wholeNumber, 0),
  }),
  v.transform((found): ModelVersion => ({
    name: found.name,
    version: found.version,
    stage: parseStage(found.current_stage ?? "None"),
    aliases: found.aliases.sort(),
    status: found.status ?? "READY",
    source: found.source,
    artifactUri: found.source,
    runId: found.run_id,
    modelId: found.model_id ?? toModelId(found.source),
    description: found.description,
    tags: found.tags,
    createdMs: found.creation_timestamp,
  })),
);

/** The answer with one version. */
export const versionAnswer = v.object({ model_version: modelVersion });
const versionsAnswer = v.object({
  model_versions: v.nullish(v.array(modelVersion), []),
  next_page_token: optionalText,
});
const uriAnswer = v.object({ artifact_uri: optionalText });

/** Returns the store's calls that read the registry. */
export function versionsOn(
  rest: Rest,
): Pick<
  MlflowStore,
  "findRegisteredModel" | "listModelVersions" | "findModelVersion"
> {
  return {
    /**
     * Returns the registered model with its tags and aliases; undefined if it does not
     * exist or the login may not read it. A server with permissions enabled refuses
     * both in the same way; only creating the model distinguishes them.
     */
    async findRegisteredModel(name) {
      try {
        return await readRegisteredModel(rest, name);
      } catch (error) {
        if (error instanceof ForbiddenError) return undefined;
        throw error;
      }
    },
    async listModelVersions(name) {
      const model = await readRegisteredModel(rest, name);
      if (!model) return [];
      const versions = await searchVersions(rest, name);
      return await Promise.all(
        versions.map((version) =>
          withArtifactUri(rest, withAliases(version, model))
        ),
      );
    },
    async findModelVersion(name, key) {
      const version = await findNumber(rest, name, key);
      if (version === undefined) return undefined;
      const found = await readVersion(rest, name, version);
      return found && await withArtifactUri(rest, found);
    },
  };
}

/** Like `findRegisteredModel` of the store. @throws {ForbiddenError} If the login may not read it. */
export async function readRegisteredModel(
  rest: Rest,
  name: string,
): Promise<RegisteredModel | undefined> {
  const model = await getRegisteredModel(rest, name);
  return model && {
    name,
    tags: model.tags,
    aliases: Object.fromEntries(
      model.aliases.map(({ alias, version }) => [alias, version]),
    ),
  };
}

async function getRegisteredModel(
  rest: Rest,
  name: string,
): Promise<v.InferOutput<typeof registeredModel> | undefined> {
  const answer = await unlessMissing(
    rest.http.json("GET", "/mlflow/registered-models/get", { name }),
  );
  return answer && toAnswer(rest, modelAnswer, answer).registered_model;
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
    return model?.aliases.find(({ alias }) => alias === key.alias)?.version;
  }
  return model?.latest_versions
    .filter((newest) =>
      key.kind === "latest" || newest.current_stage === key.stage
    )
    .map(({ version }) => version)
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
  return answer && toAnswer(rest, versionAnswer, answer).model_version;
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
    const page = toAnswer(rest, versionsAnswer, answer);
    versions.push(...page.model_versions);
    pageToken = page.next_page_token;
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
  const { artifact_uri: uri = found.source } = toAnswer(
    rest,
    uriAnswer,
    answer,
  );
  return { ...found, artifactUri: await resolveRunUri(rest, uri) };
}

/** Resolves a source `runs:/RUN/path` to a location below the run's artifacts; returns other URIs unchanged. */
async function resolveRunUri(rest: Rest, uri: string): Promise<string> {
  const [, runId, path] = /^runs:\/+([^/]+)\/(.+)$/.exec(uri) ?? [];
  if (runId === undefined || path === undefined) return uri;
  const answer = await rest.http.json("GET", "/mlflow/runs/get", {
    run_id: runId,
  });
  const { run: { info } } = toAnswer(rest, runAnswer, answer);
  return appendToUri(info.artifact_uri, path);
}

/** Quotes a text for MLflow's filter language. It has no escapes, so the quote character must not occur in the name. */
function quote(name: string): string {
  if (!name.includes("'")) return `'${name}'`;
  if (!name.includes('"')) return `"${name}"`;
  throw new InputError(
    `Cannot search for the registered model ${name}: MLflow's search cannot name one with both kinds of quotes`,
  );
}
