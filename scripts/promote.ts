/** Makes a version the one that predictions are made with, and keeps who did it, when, from which and to which. */
import { aliasOf, retryPolicyOf, stageOf } from "../lib/choice.ts";
import { InputError, UsageError } from "../lib/errors.ts";
import { promoteCommand } from "../lib/commands.ts";
import { type Outcome, runScript, toCount } from "../lib/script.ts";
import { openServices, type Services } from "../lib/services.ts";
import { commandFor, type Variant } from "../lib/variant.ts";

if (import.meta.main) {
  await runScript(promoteCommand, async (flags, { say }) => {
    await using services = await openServices({
      say,
      retryPolicy: retryPolicyOf(flags),
    });
    const { variant } = services.variants.settings(flags);
    if (flags.version === undefined) {
      throw new UsageError("Cannot promote: --version N is missing");
    }
    const version = toCount(flags.version, { flag: "version", integer: true });
    return await promote(services, variant, {
      version,
      alias: flags.alias,
      stage: flags.stage,
    });
  });
}

/**
 * Promotes a version of the variant's model. A second call with the same
 * version changes nothing.
 *
 * @throws {InputError} If there is no such model or version; names the versions that there are.
 */
export async function promote(
  services: Services,
  variant: Variant,
  options: { version: number; alias?: string; stage?: string },
): Promise<Outcome> {
  const { version, alias = "champion", stage: stageText = "Production" } =
    options;
  const { attempt, config } = services;
  const mlflow = await services.mlflow();
  const stage = stageOf(stageText);
  aliasOf(alias);
  const name = variant.modelName;
  const versions = await attempt(
    `list the versions of ${name}`,
    () => mlflow.listModelVersions(name),
  );
  if (!versions.some((known) => known.version === version)) {
    const known = versions.map((each) => each.version).join(", ") || "none";
    throw new InputError(
      `Cannot promote version ${version} of ${name}: it does not exist (there are: ${known}); log one with \`${
        commandFor("log-model", variant)
      }\``,
    );
  }
  const promotion = {
    version,
    alias,
    stage,
    by: config.user,
    timeMs: Date.now(),
  };
  const { from, archived, changed } = await attempt(
    `promote version ${version}`,
    () => mlflow.promote(name, promotion),
  );
  return {
    report: {
      status: changed ? "promoted" : "unchanged",
      variant: variant.key,
      model_name: name,
      model_version: version,
      from_version: from ?? null,
      archived_versions: archived,
      alias,
      stage,
      by: config.user,
    },
    text: changed
      ? `${name} version ${version} is now @${alias} and ${stage}${
        from === undefined ? "" : `, before it version ${from}`
      }`
      : `${name} version ${version} already was @${alias} and ${stage}`,
  };
}
