/** Logs a variant's model with its true parameters, real metrics and an enforced signature, and registers a version. */
import { uriOf } from "../lib/artifacts/store.ts";
import { type CandidateFiles, toCandidate } from "../lib/candidate.ts";
import { chosenVariants, retryPolicyOf } from "../lib/choice.ts";
import { UsageError } from "../lib/errors.ts";
import {
  findVariantFile,
  type InputFile,
  readNamedFiles,
  readVariantFile,
} from "../lib/inputs.ts";
import {
  findSameVersion,
  getExperiment,
  logCandidate,
} from "../lib/logging.ts";
import { parseStage } from "../lib/mlflow/rules.ts";
import { describeParity, proveParity } from "../lib/proof.ts";
import {
  commonOptions,
  commonUsage,
  type Flags,
  type Outcome,
  retryOptions,
  runEach,
  runScript,
  variantOptions,
  variantUsage,
} from "../lib/script.ts";
import { openServices, type Services } from "../lib/services.ts";
import { sourceTags } from "../lib/source.ts";
import { commandFor } from "../lib/variant.ts";
import type { VariantSettings } from "../lib/variants.ts";

const command = {
  name: "log-model",
  summary:
    "Logs a variant's model with true parameters, real metrics and a signature, and registers the next version.",
  usage: `${variantUsage}
  --all                   every variant of variants.yaml
  --model URI             the model file, in place of the variant's own
  --features URI          the feature names, likewise
  --sample URI            a sample of rows, likewise
  --evaluation URI        a labelled set, likewise
  --label COLUMN          the outcome's column in the labelled set
  --training-date DAY     when the model was trained, such as 2026-11-16
  --alias NAME            give the new version this alias
  --stage NAME            give the new version this stage
  --force                 log even what the newest version already is
${commonUsage}`,
  options: {
    ...variantOptions,
    ...retryOptions,
    ...commonOptions,
    all: { type: "boolean" },
    model: { type: "string" },
    features: { type: "string" },
    sample: { type: "string" },
    evaluation: { type: "string" },
    label: { type: "string" },
    "training-date": { type: "string" },
    alias: { type: "string" },
    stage: { type: "string" },
    force: { type: "boolean" },
  },
} as const;

type LogModelFlags = Partial<Flags<typeof command.options>>;

if (import.meta.main) {
  await runScript(command, async (flags, { say }) => {
    const own = flags.model ?? flags.features ?? flags.sample ??
      flags.evaluation;
    if (flags.all && own !== undefined) {
      throw new UsageError(
        `Cannot log ${own} for --all: name one variant with --geography and --company`,
      );
    }
    await using services = await openServices({
      say,
      retryPolicy: retryPolicyOf(flags),
    });
    const work = chosenVariants(services.variants, flags).map((settings) => ({
      name: settings.variant.title,
      run: () => logModel(services, settings, flags),
    }));
    return await runEach(work, { all: flags.all ?? false, say });
  });
}

/**
 * Logs the variant's model and registers it. What the newest version already
 * is makes no new one without `force`.
 *
 * @throws {InputError} If the experiment is not there, or the files cannot be used, or ONNX and the trees disagree.
 */
export async function logModel(
  services: Services,
  settings: VariantSettings,
  flags: LogModelFlags = {},
): Promise<Outcome> {
  const { attempt, say, config } = services;
  const { variant } = settings;
  const mlflow = await services.mlflow();
  const experiment = await attempt(
    "find the experiment",
    () => getExperiment(mlflow, variant),
  );
  const files = await readFiles(services, settings, flags);
  const candidate = toCandidate(files, {
    ...settings,
    label: flags.label ?? settings.label,
  });
  const parity = await proveParity(candidate);
  say(describeParity(parity));

  const known = await attempt(
    "compare with the newest version",
    () => findSameVersion(mlflow, candidate, variant),
  );
  const same = known !== undefined && !flags.force;
  const trainingDate = flags["training-date"] ?? candidate.trainingDate ??
    new Date().toISOString().slice(0, 10);
  const source = flags["training-date"]
    ? "flag"
    : candidate.trainingDate
    ? "manifest"
    : "date of logging";
  const tags = {
    ...sourceTags("log-model", config),
    ...variant.tags,
    training_date: trainingDate,
    training_date_source: source,
    "churn.parity": describeParity(parity),
  };
  const { artifacts } = services;
  const logged = same ? undefined : await logCandidate(mlflow, candidate, {
    variant,
    experiment,
    tags,
    artifacts,
    attempt,
  });
  const version = logged?.version ?? known!;

  if (flags.alias !== undefined) {
    const alias = flags.alias;
    await attempt(
      "set the alias",
      () => mlflow.setAlias(version.name, { alias, version: version.version }),
    );
  }
  if (flags.stage !== undefined) {
    const stage = parseStage(flags.stage);
    await attempt(
      "set the stage",
      () => mlflow.setStage(version.name, { stage, version: version.version }),
    );
  }
  return {
    report: {
      status: same ? "unchanged" : "created",
      variant: variant.key,
      experiment: variant.experiment,
      run_id: version.runId ?? null,
      model_name: version.name,
      model_version: version.version,
      model_uri: version.artifactUri,
      metrics: candidate.metrics ?? null,
      parity,
      training_date: trainingDate,
    },
    text: [
      same
        ? `${version.name} version ${version.version} already is this model; nothing was logged (--force logs it again)`
        : `Logged ${version.name} version ${version.version} in run ${version.runId}`,
      `  trees and parameters from ${files.model.uri}`,
      candidate.metrics
        ? `  on ${files.evaluation?.uri}: ${describeMetrics(candidate.metrics)}`
        : "  no labelled set, so no metrics",
      `  promote it with \`${
        commandFor("promote", variant)
      } --version ${version.version}\``,
    ].join("\n"),
  };
}

async function readFiles(
  services: Services,
  settings: VariantSettings,
  flags: LogModelFlags,
): Promise<CandidateFiles> {
  const places = services.places(settings.variant);
  const named = async (uri: string): Promise<InputFile> =>
    (await readNamedFiles(uri, services.artifacts))[0]!;
  const read = (uri: string | undefined, path: string) =>
    uri === undefined ? readVariantFile(places, path) : named(uri);
  const model = await read(flags.model, settings.files.model);
  const manifestPath = settings.files.model.replace(/[^/]*$/, "manifest.json");
  const { evaluation } = settings.files;
  return {
    model,
    features: await read(flags.features, settings.files.features),
    sample: await read(flags.sample, settings.files.sample),
    evaluation: flags.evaluation === undefined
      ? evaluation === undefined || flags.model !== undefined
        ? undefined
        : await findVariantFile(places, evaluation)
      : await named(flags.evaluation),
    manifest: flags.model === undefined
      ? await findVariantFile(places, manifestPath)
      : await findBeside(services, model),
  };
}

/** The manifest that a training script left beside a model that a flag names. */
async function findBeside(
  services: Services,
  model: InputFile,
): Promise<InputFile | undefined> {
  const folder = model.uri.replace(/\/[^/]*$/, "");
  const store = services.artifacts(folder);
  const bytes = await store.find("manifest.json");
  return bytes &&
    { uri: uriOf(store, "manifest.json"), bytes, source: model.source };
}

function describeMetrics(metrics: Readonly<Record<string, number>>): string {
  return Object.entries(metrics).map(([key, value]) =>
    `${key} ${Number(value.toFixed(4))}`
  ).join(", ");
}
