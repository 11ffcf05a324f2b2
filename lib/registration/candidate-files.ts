/** Reads the files of a candidate: the variant's own, or those that flags name; for `init`, those of a user without a variant. */
import { InputError, UsageError } from "../base/errors.ts";
import { checkOnnxSize, describeFolder, isOnnx } from "../model/mod.ts";
import { type ArtifactStore, bytesAsFile, uriOf } from "../storage/store.ts";
import type { Recipe } from "../rows/recipe.ts";
import type { CandidateFiles, SourceFile, SourceRows } from "./candidate.ts";
import { readAllRows } from "../rows/read.ts";
import {
  findVariantFile,
  type InputData,
  openNamedFiles,
  openVariantFile,
  readNamedFile,
  readVariantFile,
  readWhole,
} from "../services/variant-files.ts";
import { type Services, temporaryFolder } from "../services/services.ts";
import type { VariantSettings } from "../config/variants.ts";

/** The files that a user brings; features undefined if the model's own are used. */
export type OwnFiles = Omit<CandidateFiles, "features"> & {
  readonly features: SourceFile | undefined;
};

/** Files that flags name, which replace the variant's own. */
export interface NamedFiles {
  readonly model?: string | undefined;
  readonly features?: string | undefined;
  readonly sample?: string | undefined;
  readonly evaluation?: string | undefined;
}

/**
 * Reads the files of a candidate. A model that a flag names is not evaluated on
 * the variant's labelled set, which may not match it, unless a flag names a
 * labelled set as well.
 *
 * @throws {InputError} If a required file does not exist.
 */
export async function readCandidateFiles(
  services: Services,
  settings: VariantSettings,
  named: NamedFiles,
): Promise<CandidateFiles> {
  const files = services.variantFiles(settings.variant);
  const readNamed = (uri: string) => readNamedFile(uri, services.artifacts);
  const read = (uri: string | undefined, path: string) =>
    uri === undefined ? readVariantFile(files, path) : readNamed(uri);
  const model = await readModel(
    named.model === undefined
      ? await openVariantFile(files, settings.files.model)
      : await openNamedModel(named.model, services.artifacts),
  );
  const own = named.model === undefined ? settings.files.evaluation : undefined;
  const found = own === undefined || named.evaluation !== undefined
    ? undefined
    : await findVariantFile(files, own);
  const evaluation = named.evaluation === undefined
    ? found && await readWhole(found)
    : await readNamed(named.evaluation);
  const options = {
    idColumn: settings.idColumn,
    recipe: settings.recipe,
    temporary: temporaryFolder(services.config),
  };
  return {
    model,
    features: await read(named.features, settings.files.features),
    sample: await withRows(
      await read(named.sample, settings.files.sample),
      options,
    ),
    evaluation: evaluation && await withRows(evaluation, options),
    manifest: await findManifest(services, model),
  };
}

/**
 * Reads the files that flags name, of a user who has no variant yet.
 *
 * @throws {UsageError} If a flag for the model or the sample is missing.
 * @throws {InputError} If a file does not exist or cannot be read.
 */
export async function readOwnFiles(
  services: Services,
  named: NamedFiles,
): Promise<OwnFiles> {
  const { sample, evaluation, features } = named;
  if (named.model === undefined || sample === undefined) {
    throw new UsageError(
      `Cannot add a variant without --${
        named.model === undefined ? "model" : "sample"
      } FILE; pass --model with an XGBoost, LightGBM or ONNX file, and --sample with rows like those to score`,
    );
  }
  const read = (uri: string) => readNamedFile(uri, services.artifacts);
  const options = {
    idColumn: undefined,
    temporary: temporaryFolder(services.config),
  };
  const model = await readModel(
    await openNamedModel(named.model, services.artifacts),
  );
  return {
    model,
    sample: await withRows(await read(sample), options),
    evaluation: evaluation === undefined
      ? undefined
      : await withRows(await read(evaluation), options),
    features: features === undefined ? undefined : await read(features),
    manifest: await findManifest(services, model),
  };
}

/** Returns a model file. @throws {InputError} If it is too large for its format, before it is read. */
async function readModel(data: InputData): Promise<SourceFile> {
  const { file } = data;
  try {
    if (isOnnx(await file.read(0, Math.min(file.size, 64)))) {
      checkOnnxSize(file.size);
    }
  } catch (cause) {
    await file[Symbol.asyncDispose]();
    throw cause instanceof InputError
      ? new InputError(`Cannot use ${file.uri}`, { cause })
      : cause;
  }
  return await readWhole(data);
}

/** Opens the model that a flag names. @throws {InputError} If there is no such file; names the file to choose if it is a folder. */
async function openNamedModel(
  uri: string,
  open: (folder: string) => ArtifactStore,
): Promise<InputData> {
  try {
    const [first] = await openNamedFiles(uri, open);
    return first!;
  } catch (error) {
    if (!(error instanceof InputError) || uri.includes("*")) throw error;
    const files = await open(uri).list("").catch(() => []);
    if (files.length === 0) throw error;
    const paths = files.map(({ path }) => path);
    throw new InputError(`Cannot use ${uri}: ${describeFolder(paths)}`);
  }
}

/** Returns a file with its rows; the errors are those of {@linkcode readAllRows}. */
export async function withRows(
  { uri, bytes }: SourceFile,
  options: {
    idColumn: string | undefined;
    recipe?: Recipe;
    temporary: string;
  },
): Promise<SourceRows> {
  const rows = await readAllRows(bytesAsFile(uri, bytes), options);
  return { uri, bytes, rows };
}

/** Returns the manifest that a training script wrote next to the model; undefined if there is none. */
async function findManifest(
  services: Pick<Services, "artifacts" | "withRetry">,
  model: SourceFile,
): Promise<SourceFile | undefined> {
  const store = services.artifacts(model.uri.replace(/\/[^/]*$/, ""));
  const bytes = await services.withRetry(
    "find the manifest",
    () => store.find("manifest.json"),
  );
  return bytes && { uri: uriOf(store, "manifest.json"), bytes };
}
