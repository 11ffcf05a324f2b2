/** Writes to the registry of an MLflow server. */
import { InputError } from "../../base/errors.ts";
import { ApiError } from "../http.ts";
import { missingVersion, planPromotion } from "../promotion.ts";
import { retryRaces } from "../races.ts";
import { isActiveStage, toModelId } from "../validation.ts";
import type { MlflowStore, Stage } from "../store.ts";
import { type Rest, toAnswer, toKeyValues } from "./server.ts";
import {
  readRegisteredModel,
  readVersion,
  searchVersions,
  versionAnswer,
  withArtifactUri,
} from "./versions.ts";

type Calls = Pick<
  MlflowStore,
  | "ensureRegisteredModel"
  | "createModelVersion"
  | "setModelVersionTags"
  | "setAlias"
  | "setStage"
  | "promote"
>;

/** Returns the store's calls that write to the registry. */
export function registryOn(
  rest: Rest,
): Calls {
  const { http } = rest;
  const calls: Calls = {
    async ensureRegisteredModel(name, { tags, description }) {
      await http.json("POST", "/mlflow/registered-models/create", {
        name,
        tags: toKeyValues(tags),
        description,
      }).catch((error) => {
        const isThere = error instanceof ApiError &&
          error.code === "RESOURCE_ALREADY_EXISTS";
        if (!isThere) throw error;
      });
      const model = await readRegisteredModel(rest, name);
      if (model) return model;
      throw missingModel(rest, name);
    },
    async createModelVersion(name, options) {
      const { source, runId, tags, description } = options;
      const modelId = options.modelId ?? toModelId(source);
      const answer = await retryRaces(() =>
        http.json("POST", "/mlflow/model-versions/create", {
          name,
          source,
          run_id: runId,
          tags: toKeyValues(tags),
          description,
          ...modelId === undefined ? {} : { model_id: modelId },
        })
      );
      const { model_version: created } = toAnswer(rest, versionAnswer, answer);
      return await withArtifactUri(rest, created);
    },
    async setModelVersionTags(name, { version, tags }) {
      for (const [key, value] of Object.entries(tags)) {
        await http.json("POST", "/mlflow/model-versions/set-tag", {
          name,
          version: String(version),
          key,
          value,
        });
      }
    },
    async setAlias(name, { alias, version }) {
      await http.json("POST", "/mlflow/registered-models/alias", {
        name,
        alias,
        version: String(version),
      });
    },
    /**
     * Moves a version into a stage; for Staging and Production, other versions in that
     * stage become Archived. They are archived one by one because a 3.17.2 server on
     * psycopg 3 fails when asked to archive them itself (it compares the version
     * number with a string).
     */
    async setStage(name, { stage, version }) {
      await moveToStage(rest, name, { stage, version });
      if (!isActiveStage(stage)) return;
      const others = await numbersIn(rest, name, stage);
      await archive(rest, name, others.filter((other) => other !== version));
    },
    /**
     * Changes alias and stage. A server has no transactions, so the tag is written
     * first and no change goes unrecorded. Each step is idempotent: after a failure,
     * the same call completes the remaining steps.
     */
    async promote(name, promotion) {
      const { version, alias, stage } = promotion;
      const model = await readRegisteredModel(rest, name);
      if (!model) throw missingModel(rest, name);
      const target = await readVersion(rest, name, version);
      if (!target) {
        const versions = await searchVersions(rest, name);
        throw missingVersion(name, { version, versions });
      }
      const plan = planPromotion(promotion, {
        target,
        from: alias === undefined ? undefined : model.aliases[alias],
        inStage: stage === undefined ? [] : await numbersIn(rest, name, stage),
      });
      const { from, archived, changed } = plan;
      if (changed) {
        const tags = { [plan.tag.key]: plan.tag.value };
        await calls.setModelVersionTags(name, { version, tags });
      }
      if (stage && plan.movesStage) {
        await moveToStage(rest, name, { stage, version });
        await archive(rest, name, archived);
      }
      if (alias && plan.movesAlias) {
        await calls.setAlias(name, { alias, version });
      }
      return { from, archived, changed };
    },
  };
  return calls;
}

async function numbersIn(
  rest: Rest,
  name: string,
  stage: Stage,
): Promise<number[]> {
  const versions = await searchVersions(rest, name);
  return versions.filter((known) => known.stage === stage)
    .map(({ version }) => version);
}

async function archive(
  rest: Rest,
  name: string,
  versions: readonly number[],
): Promise<void> {
  for (const version of versions) {
    await moveToStage(rest, name, { stage: "Archived", version });
  }
}

async function moveToStage(
  rest: Rest,
  name: string,
  options: { version: number; stage: Stage },
): Promise<void> {
  await rest.http.json("POST", "/mlflow/model-versions/transition-stage", {
    name,
    version: String(options.version),
    stage: options.stage,
    archive_existing_versions: false,
  });
}

function missingModel(rest: Rest, name: string): InputError {
  return new InputError(
    `Cannot find the registered model "${name}" on ${rest.http.baseUrl}: log one with \`deno task log-model\``,
  );
}
