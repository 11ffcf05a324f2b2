/** Reads a user's own model and data for `init`. */
import { UsageError } from "../base/errors.ts";
import type { VariantSettings } from "../config/variants.ts";
import type { InputRow } from "../rows/json.ts";
import type { Recipe } from "../rows/recipe.ts";
import { type Services, temporaryFolder } from "../services/services.ts";
import { type InputFile, readNamedFile } from "../services/variant-files.ts";
import { openCandidateModel, type OpenModel } from "./candidate-model.ts";
import { findManifest, readNamedModel, withRows } from "./candidate-files.ts";

/** The files that a user brings. */
export interface OwnFiles {
  readonly model: InputFile;
  readonly sample: InputFile & { readonly rows: readonly InputRow[] };
  /** Labelled rows in a file of their own; undefined if there is none. */
  readonly evaluation:
    | InputFile & { readonly rows: readonly InputRow[] }
    | undefined;
  /** Feature names in a file; undefined if the model's own are used. */
  readonly features: InputFile | undefined;
  /** The manifest beside the model; undefined if there is none. */
  readonly manifest: InputFile | undefined;
}

/**
 * Reads the files that flags name.
 *
 * @throws {UsageError} If a flag for the model or the sample is missing.
 * @throws {InputError} If a file does not exist or cannot be read.
 */
export async function readOwnFiles(
  services: Services,
  flags: {
    readonly model?: string | undefined;
    readonly sample?: string | undefined;
    readonly evaluation?: string | undefined;
    readonly features?: string | undefined;
  },
): Promise<OwnFiles> {
  const { sample, evaluation, features } = flags;
  if (flags.model === undefined || sample === undefined) {
    throw new UsageError(
      `Cannot add a variant without --${
        flags.model === undefined ? "model" : "sample"
      } FILE; pass --model with an XGBoost, LightGBM or ONNX file, and --sample with rows like those to score`,
    );
  }
  const read = async (uri: string | undefined) =>
    uri === undefined
      ? undefined
      : await readNamedFile(uri, services.artifacts);
  const model = await readNamedModel(services, flags.model);
  const rows = async (uri: string) =>
    await withOwnRows(services, await readNamedFile(uri, services.artifacts), {
      idColumn: undefined,
    });
  return {
    model,
    sample: await rows(sample),
    evaluation: evaluation === undefined ? undefined : await rows(evaluation),
    features: await read(features),
    manifest: await findManifest(services, model),
  };
}

/**
 * Opens the model as `log-model` will.
 *
 * @param options `usual`: what `variants.yaml` says of the variant; `positiveClass`: the class of an ONNX classifier whose probability is the score, instead of the one there; `outcome`: what that class is, for messages.
 * @throws {InputError} If the model cannot be scored.
 * @throws {UsageError} If the positive class is unknown; lists the classes and names the flag.
 */
export async function openOwnModel(
  { bytes, uri: file }: InputFile,
  options: {
    usual: Pick<VariantSettings, "positiveClass" | "modelOutput">;
    positiveClass: string | undefined;
    outcome: string | undefined;
  },
): Promise<OpenModel> {
  const { usual, outcome = "the outcome" } = options;
  const settings = {
    positiveClass: options.positiveClass ?? usual.positiveClass,
    modelOutput: usual.modelOutput,
    names: { outcome },
  };
  try {
    return await openCandidateModel(bytes, { settings, file });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${error.message}; or pass --positive-class CLASS`);
  }
}

/** Returns a file with its rows, typed for the given id column and recipe. */
export async function withOwnRows(
  { config }: Pick<Services, "config">,
  file: InputFile,
  options: { idColumn: string | undefined; recipe?: Recipe },
): Promise<InputFile & { rows: InputRow[] }> {
  return await withRows(file, {
    ...options,
    temporary: temporaryFolder(config),
  });
}
