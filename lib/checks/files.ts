/** Checks that models and data are where `variants.yaml` says: in the bucket, or in the project. */
import { localPath, shellWord } from "../config/variant.ts";
import type { VariantSettings } from "../config/variants.ts";
import type { FoundInputs } from "../services/input-batches.ts";
import type { Services } from "../services/services.ts";
import { locationOf } from "../services/variant-files.ts";
import { type ArtifactStore, uriOf } from "../storage/store.ts";
import { type Check, type Finding, runCheck, skipVariants } from "./check.ts";
import { inParallel } from "../base/parallel.ts";
import { countOf } from "../base/phrases.ts";

const group = "Files";

/** Lists the inputs of a variant, once for all checks. */
export type InputsOf = (settings: VariantSettings) => Promise<FoundInputs>;

/** A folder that is never written: listing it tells whether a store answers. */
const noFolder = "churn-doctor";

/**
 * Checks the bucket and the artifact root, and then the files of each variant. If
 * the bucket cannot be used, those of the variants are not looked for.
 */
export async function checkFiles(
  services: Services,
  chosen: readonly VariantSettings[],
  { inputsOf }: { inputsOf: InputsOf },
): Promise<Check[]> {
  const { config } = services;
  const { bucket, artifactRoot, embedded } = config;
  const subject = { group, title: "Bucket" } as const;
  const found = bucket === undefined ? [] : [
    await runCheck(
      subject,
      () =>
        answers(services.artifacts(`s3://${bucket}`), config.aws.s3Endpoint),
      {
        remedy: `aws s3 ls s3://${bucket}/`,
        hint:
          "MLFLOW_S3_BUCKET sets the bucket, AWS_REGION and AWS_ENDPOINT_URL its location",
      },
    ),
  ];
  const isInBucket = artifactRoot?.startsWith(`s3://${bucket}/`);
  const roots = artifactRoot === undefined || isInBucket || embedded
    ? []
    : [await checkRoot(services, artifactRoot)];
  const unusable = found.find(({ state }) => state !== "ok");
  const before = [...found, ...roots];
  if (unusable) {
    const why = "the bucket cannot be used";
    return [...before, ...skipVariants(group, chosen, why)];
  }
  if (!embedded && bucket === undefined) {
    const why = "MLFLOW_S3_BUCKET is not set";
    return [...before, ...skipVariants(group, chosen, why)];
  }
  const variants = await inParallel(chosen, (settings) =>
    runCheck(
      { group, title: settings.variant.title },
      () => checkVariant(services, settings, { inputsOf }),
    ));
  return [...before, ...variants];
}

/**
 * Checks that a store exists and can be listed, without reading anything.
 *
 * @throws {UsageError} If it does not exist, or the credentials may not list it.
 * @throws {TransientError} If it cannot be reached.
 */
export async function checkListing(store: ArtifactStore): Promise<void> {
  await store.list(noFolder).catch((error) => {
    // The error is about the store.
    if (error instanceof Error) {
      error.message = error.message.replace(`/${noFolder}`, "");
    }
    throw error;
  });
}

async function answers(
  store: ArtifactStore,
  endpoint: string | undefined,
): Promise<Finding> {
  await checkListing(store);
  const at = endpoint === undefined ? "" : ` at ${endpoint}`;
  return { state: "ok", detail: `${store.uri}${at} can be listed` };
}

async function checkRoot(services: Services, root: string): Promise<Check> {
  return await runCheck(
    { group, title: "Artifact root" },
    () => answers(services.artifacts(root), undefined),
    { hint: "set by MLFLOW_ARTIFACT_ROOT" },
  );
}

/** Looks for the files that `log-model` reads and the periods that `predict` scores. */
async function checkVariant(
  services: Services,
  settings: VariantSettings,
  { inputsOf }: { inputsOf: InputsOf },
): Promise<Finding> {
  const { variant, files } = settings;
  const stores = services.variantFiles(variant);
  const store = stores.embedded ? stores.project : stores.bucket!;
  const pathOf = (path: string) =>
    stores.embedded ? localPath(variant, path) : path;
  const wanted = [
    files.model,
    files.features,
    files.sample,
    ...files.evaluation === undefined ? [] : [files.evaluation],
  ];
  const missing: string[] = [];
  const empty: string[] = [];
  let bytes = 0;
  for (const path of wanted) {
    const file = await store.open(pathOf(path));
    const size = file?.size ?? 0;
    await file?.[Symbol.asyncDispose]();
    bytes += size;
    if (!file) missing.push(path);
    else if (size === 0) empty.push(path);
  }
  const inputs = await inputsOf(settings);
  const periods = inputs.batches.length;
  if (missing.length + empty.length === 0 && inputs.files > 0) {
    return {
      state: "ok",
      detail: `${wanted.length} files for log-model (${toMegabytes(bytes)}), ${
        periods === 0
          ? `input ${inputs.uri}`
          : `${countOf(periods, "period")} of inputs`
      }`,
    };
  }
  const place = locationOf(stores, "");
  const problems = [
    ...missing.length === 0
      ? []
      : [`missing in ${place}: ${missing.join(", ")} (for log-model)`],
    ...inputs.files === 0
      ? [`missing: inputs ${inputs.uri} (for predict)`]
      : [],
    ...empty.length === 0
      ? []
      : [`empty (0 bytes) in ${place}: ${empty.join(", ")}`],
  ];
  const wantedFirst = [...missing, ...empty][0] ?? inputs.path;
  return {
    state: "warning",
    detail: problems.join("; "),
    ...stores.embedded ? {} : {
      remedy: `aws s3 cp ${shellWord(localPath(variant, wantedFirst))} ${
        shellWord(uriOf(store, wantedFirst))
      }`,
    },
    hint: "put the files there, or name others in variants.yaml",
  };
}

function toMegabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
