/** Logs a variant's model with its actual parameters, metrics and an enforced signature, and registers a version. */
import { toCandidate } from "../lib/registration/candidate.ts";
import { readCandidateFiles } from "../lib/registration/candidate-files.ts";
import { aliasOf, stageOf } from "../lib/cli/flag-values.ts";
import { commandTable } from "../lib/config/commands.ts";
import { registerCandidate } from "../lib/registration/log.ts";
import {
  describeParity,
  proveParity,
} from "../lib/registration/parity-gate.ts";
import { checkEncoded } from "../lib/registration/encoded-sample.ts";
import { describeLogging } from "../lib/registration/report.ts";
import { getExperiment } from "../lib/mlflow/experiment.ts";
import { runForVariants } from "../lib/cli/for-variants.ts";
import type { FlagValues } from "../lib/config/flags.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import { type Services, temporaryFolder } from "../lib/services/services.ts";
import { readNamedFile } from "../lib/services/variant-files.ts";
import {
  encodedTag,
  sourceTags,
  trainingDateTags,
} from "../lib/mlflow/tags.ts";
import { parseDay } from "../lib/config/periods.ts";
import type { VariantSettings } from "../lib/config/variants.ts";

type LogModelFlags = Partial<
  FlagValues<typeof commandTable["log-model"]["flags"]>
>;

if (import.meta.main) {
  await runForVariants(commandTable["log-model"], {
    body: logModel,
    ownFlags: ["model", "features", "sample", "evaluation", "encoded"],
  });
}

/**
 * Logs the variant's model and registers it as a new version. If the newest
 * version is identical, a new one is registered only with `force`.
 *
 * @throws {InputError} If the experiment does not exist, the files cannot be used, the engines disagree, or the sample is encoded differently than in `encoded`.
 */
export async function logModel(
  services: Services,
  settings: VariantSettings,
  flags: LogModelFlags = {},
): Promise<Outcome> {
  const { variant } = settings;
  // Flags are validated before anything is logged, so that an invalid one leaves no version behind.
  const alias = aliasOf(flags.alias);
  const stage = stageOf(flags.stage);
  const { "training-date": day, force = false } = flags;
  const trainingDay = day === undefined ? undefined : parseDay(day);
  const mlflow = await services.mlflow();
  const experiment = await services.withRetry(
    "find the experiment",
    () => getExperiment(mlflow, variant),
  );

  const files = await readCandidateFiles(services, settings, flags);
  const candidate = await toCandidate(files, {
    ...settings,
    label: flags.label ?? settings.label,
    scores: flags.scores,
  });
  for (const warning of candidate.warnings) services.log.warn(warning);
  const encoded = flags.encoded === undefined ? undefined : await checkEncoded(
    candidate,
    {
      file: await readNamedFile(flags.encoded, services.artifacts),
      sample: files.sample.uri,
      idColumn: settings.idColumn,
      ignored: [flags.label ?? settings.label, flags.scores],
      temporary: temporaryFolder(services.config),
    },
  );
  if (encoded) {
    services.log.info(
      `All ${encoded.cells} cells of ${files.sample.uri} are encoded as in ${flags.encoded}`,
    );
  }
  const parity = await proveParity(candidate);
  services.log.info(describeParity(parity));

  const trained = trainingDateTags(trainingDay, candidate.trainingDate);
  const versionTags = encoded ? { [encodedTag]: encoded.sha256 } : {};
  const { version, isNew } = await registerCandidate(services, candidate, {
    variant,
    experiment,
    tags: {
      ...sourceTags("log-model", services.config),
      ...variant.tags,
      ...trained,
      "churn.parity": describeParity(parity),
      ...versionTags,
    },
    versionTags,
    alias,
    stage,
    force,
  });
  return describeLogging(candidate, {
    settings,
    files,
    version,
    isNew,
    parity,
    encoded,
    trainingDate: trained.training_date,
  });
}
