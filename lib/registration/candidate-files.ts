/** Reads the files of a candidate: the variant's own, or those that flags name. */
import { uriOf } from "../storage/store.ts";
import type { CandidateFiles } from "./candidate.ts";
import {
  findVariantFile,
  type InputFile,
  readNamedFiles,
  readVariantFile,
} from "../services/variant-files.ts";
import type { Services } from "../services/services.ts";
import type { VariantSettings } from "../config/variants.ts";

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
  const readNamed = async (uri: string) =>
    (await readNamedFiles(uri, services.artifacts))[0]!;
  const read = (uri: string | undefined, path: string) =>
    uri === undefined ? readVariantFile(files, path) : readNamed(uri);
  const findOwn = async (path: string | undefined) =>
    path === undefined || named.model !== undefined
      ? undefined
      : await findVariantFile(files, path);
  const model = await read(named.model, settings.files.model);
  return {
    model,
    features: await read(named.features, settings.files.features),
    sample: await read(named.sample, settings.files.sample),
    evaluation: named.evaluation === undefined
      ? await findOwn(settings.files.evaluation)
      : await readNamed(named.evaluation),
    manifest: await findManifest(services, model),
  };
}

/** Finds the manifest that a training script wrote next to the model. */
async function findManifest(
  services: Services,
  model: InputFile,
): Promise<InputFile | undefined> {
  const store = services.artifacts(model.uri.replace(/\/[^/]*$/, ""));
  const bytes = await services.withRetry(
    "find the manifest",
    () => store.find("manifest.json"),
  );
  return bytes &&
    { uri: uriOf(store, "manifest.json"), bytes, source: model.source };
}
