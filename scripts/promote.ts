/** Makes a version the one that `predict` uses, and records who promoted it, when, from which version and to which. */
import { aliasOf, retryPolicyOf, stageOf } from "../lib/cli/flag-values.ts";
import { InputError, UsageError } from "../lib/base/errors.ts";
import { promoteCommand } from "../lib/cli/commands.ts";
import { namingVariant } from "../lib/cli/for-variants.ts";
import { runScript } from "../lib/cli/program.ts";
import { toCount } from "../lib/base/flag-value.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import type { Stage } from "../lib/mlflow/store.ts";
import { openServices, type Services } from "../lib/services/services.ts";
import { commandFor, type Variant } from "../lib/config/variant.ts";

if (import.meta.main) {
  await runScript(promoteCommand, async (flags, { log }) => {
    await using services = await openServices({
      log,
      retryPolicy: retryPolicyOf(flags),
    });
    const { variant } = services.variants.settings(flags);
    if (flags.version === undefined) {
      throw new UsageError("Cannot promote: --version N is missing");
    }
    const version = toCount(flags.version, { flag: "version", integer: true });
    const { alias, stage } = flags;
    return await namingVariant(
      variant,
      () => promote(services, variant, { version, alias, stage }),
    );
  });
}

/**
 * Promotes a version of the variant's model: moves the alias `champion` and the
 * stage Production together. Any other alias or stage moves alone, so
 * `--alias challenger` does not change the stage. A second call with the same
 * version changes nothing.
 *
 * @throws {InputError} If the model or version does not exist; lists the existing versions.
 */
export async function promote(
  services: Services,
  variant: Variant,
  options: {
    version: number;
    alias?: string | undefined;
    stage?: string | undefined;
  },
): Promise<Outcome> {
  const { version } = options;
  const { alias, stage } = movesOf(options);
  const { withRetry, config } = services;
  const mlflow = await services.mlflow();
  const name = variant.modelName;
  const versions = await withRetry(
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
  const { from, archived, changed } = await withRetry(
    `promote version ${version}`,
    () => mlflow.promote(name, promotion),
  );
  const marks = [alias && `@${alias}`, stage].filter(Boolean).join(" and ");
  return {
    report: {
      status: changed ? "promoted" : "unchanged",
      variant: variant.key,
      model_name: name,
      model_version: version,
      from_version: from ?? null,
      archived_versions: archived,
      alias: alias ?? null,
      stage: stage ?? null,
      by: config.user,
    },
    text: changed
      ? `${name} version ${version} is now ${marks}${
        from === undefined ? "" : `, before it version ${from}`
      }`
      : `${name} version ${version} already was ${marks}`,
  };
}

/** Returns the alias and stage to move: champion and Production together, any other alias or stage alone unless both are given. */
function movesOf(
  options: { alias?: string | undefined; stage?: string | undefined },
): { alias: string | undefined; stage: Stage | undefined } {
  const alias = options.alias === undefined
    ? undefined
    : aliasOf(options.alias);
  const stage = options.stage === undefined
    ? undefined
    : stageOf(options.stage);
  return {
    alias: alias ??
      (stage === undefined || stage === "Production" ? "champion" : undefined),
    stage: stage ??
      (alias === undefined || alias === "champion" ? "Production" : undefined),
  };
}
