/**
 * Parses and resolves `models:/…` URIs as MLflow does
 * (`mlflow/store/artifact/utils/models.py` of mlflow 3.17.2).
 */
import { InputError, UsageError } from "../base/errors.ts";
import * as v from "../base/schema.ts";
import { missingVersion } from "./promotion.ts";
import { parseStage } from "./validation.ts";
import type { MlflowStore, ModelVersion, VersionKey } from "./store.ts";

/** What a `models:/…` URI refers to. */
export type ModelReference =
  | NamedReference
  | { readonly kind: "model"; readonly modelId: string };

/** One version of a registered model. */
type NamedReference = VersionKey & { readonly name: string };

/**
 * Parses a model URI: `models:/NAME/3`, `models:/NAME/Production` (in any case),
 * `models:/NAME/latest`, `models:/NAME@alias` (split at the last `@`) or
 * `models:/m-…`, a logged model by its id. A host is ignored.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(parseModelUri("models:/churn/production"), { kind: "stage", name: "churn", stage: "Production" });
 * deepStrictEqual(parseModelUri("models:/churn@champion"), { kind: "alias", name: "churn", alias: "champion" });
 * ```
 *
 * @throws {UsageError} If the URI has none of these forms.
 */
export function parseModelUri(uri: string): ModelReference {
  const path = /^models:(?:\/\/[^/]*)?\/(.*)$/.exec(uri)?.[1];
  const [name = "", suffix, ...more] = path?.replace(/^\/+/, "").split("/") ??
    [];
  if (name.trim() === "" || more.length > 0 || suffix?.trim() === "") {
    throw improper(uri);
  }
  if (suffix === undefined) return parseName(uri, name);
  if (/^\d+$/.test(suffix)) {
    return { kind: "version", name, version: Number(suffix) };
  }
  if (suffix.toLowerCase() === "latest") return { kind: "latest", name };
  try {
    return { kind: "stage", name, stage: parseStage(suffix) };
  } catch (error) {
    throw new UsageError(`Cannot use the model URI ${uri}`, { cause: error });
  }
}

/**
 * Returns the version that a `models:/…` URI currently refers to. A stage refers
 * to its highest version, `latest` to the highest of all, and a logged model's id
 * to the newest version registered from it.
 *
 * @throws {UsageError} If the URI has none of MLflow's forms.
 * @throws {InputError} If there is no such version (the message contains the command that creates one), or it is not READY.
 */
export async function resolveModel(
  store: MlflowStore,
  uri: string,
  options: ResolveOptions = {},
): Promise<ModelVersion> {
  const reference = parseModelUri(uri);
  const found = reference.kind === "model"
    ? await findByModelId(store, reference.modelId)
    : await findByName(store, reference, options);
  if (found.status === "READY") return found;
  throw new InputError(
    `Cannot score with ${uri}: version ${found.version} of "${found.name}" has the status ${found.status}, not READY`,
  );
}

/** Options for the error messages of {@linkcode resolveModel}. */
export interface ResolveOptions {
  /** Returns the command of a task for a registered model's variant; undefined if the variant is not known. */
  readonly commandFor?:
    | ((task: string, model: string) => string | undefined)
    | undefined;
}

/** Returns the command in backquotes; if the variant is not known, says which flags to add. */
function quoteCommand(
  { commandFor }: ResolveOptions,
  { task, model, flags = "" }: { task: string; model: string; flags?: string },
): string {
  const known = commandFor?.(task, model);
  return known === undefined
    ? `\`deno task ${task}${flags}\` and the variant's flags`
    : `\`${known}${flags}\``;
}

async function findByName(
  store: MlflowStore,
  reference: NamedReference,
  options: ResolveOptions,
): Promise<ModelVersion> {
  const { name } = reference;
  const found = await store.findModelVersion(name, reference);
  if (found) return found;
  const versions = await listVersions(store, name, options);
  if (reference.kind === "version" && versions.length > 0) {
    throw missingVersion(name, { version: reference.version, versions });
  }
  throw new InputError(
    `Cannot find a version of the registered model "${name}"${
      describe(reference)
    }: ${adviceFor(reference, versions, options)}`,
  );
}

function describe(reference: NamedReference): string {
  if (reference.kind === "stage") return ` in the stage ${reference.stage}`;
  if (reference.kind === "alias") return ` with the alias "${reference.alias}"`;
  return "";
}

/** Returns the next command. Suggests `promote` only if production was requested, because a promotion changes production. */
function adviceFor(
  reference: NamedReference,
  versions: readonly ModelVersion[],
  options: ResolveOptions,
): string {
  const { name: model } = reference;
  const numbers = versions.map(({ version }) => version).sort((a, b) => a - b);
  if (numbers.length === 0) {
    return `it has no versions; log one with ${
      quoteCommand(options, { task: "log-model", model })
    }`;
  }
  const existing = `only other versions exist (${numbers.join(", ")})`;
  const isProduction = reference.kind === "stage"
    ? reference.stage === "Production"
    : reference.kind === "alias" && reference.alias === "champion";
  if (isProduction) {
    const flags = ` --version ${numbers.at(-1)}`;
    return `${existing}; promote one with ${
      quoteCommand(options, { task: "promote", model, flags })
    }`;
  }
  const flags = reference.kind === "alias"
    ? ` --alias ${reference.alias}`
    : reference.kind === "stage"
    ? ` --stage ${reference.stage}`
    : "";
  return `${existing}; ${
    quoteCommand(options, { task: "log-model", model, flags })
  } assigns it to a new version`;
}

async function listVersions(
  store: MlflowStore,
  name: string,
  options: ResolveOptions,
): Promise<ModelVersion[]> {
  const versions = await store.listModelVersions(name);
  if (versions.length > 0 || await store.findRegisteredModel(name)) {
    return versions;
  }
  throw new InputError(
    `Cannot find the registered model "${name}" in ${store.description}: log a variant's own model with ${
      quoteCommand(options, { task: "log-model", model: name })
    }`,
  );
}

async function findByModelId(
  store: MlflowStore,
  modelId: string,
): Promise<ModelVersion> {
  const model = await store.findLoggedModel(modelId);
  if (!model) {
    throw new InputError(
      `Cannot find the logged model ${modelId} in ${store.description}`,
    );
  }
  const registered = v.parseJson(
    versionsSchema,
    model.tags[versionsTag] ?? "[]",
    { file: `the tag ${versionsTag} of the logged model ${modelId}` },
  );
  for (const { name, version } of registered.reverse()) {
    const found = await store.findModelVersion(name, {
      kind: "version",
      version,
    });
    if (found) return found;
  }
  throw new InputError(
    `Cannot score with the logged model ${modelId}: no registered version was created from it; register it with \`mlflow.register_model("models:/${modelId}", NAME)\` and use that version`,
  );
}

/** The tag in which MLflow lists the versions that come from a logged model. */
const versionsTag = "mlflow.modelVersions";
const versionsSchema = v.array(
  v.object({ name: v.string(), version: v.wholeNumber }),
);

function parseName(uri: string, name: string): ModelReference {
  const at = name.lastIndexOf("@");
  if (at < 0) {
    if (name.startsWith("m-")) return { kind: "model", modelId: name };
    throw new UsageError(
      `Cannot use the model URI ${uri}: it has no version; write ${uri}/3, ${uri}/Production, ${uri}/latest or ${uri}@champion`,
    );
  }
  const alias = name.slice(at + 1);
  if (at === 0 || alias.trim() === "") throw improper(uri);
  return { kind: "alias", name: name.slice(0, at), alias };
}

function improper(uri: string): UsageError {
  return new UsageError(
    `Cannot use the model URI ${
      JSON.stringify(uri)
    }: expected models:/NAME/VERSION, models:/NAME/STAGE, models:/NAME/latest, models:/NAME@ALIAS or models:/m-ID`,
  );
}
