/** Makes a version the one that `predict` uses, and records who promoted it, when, from which version and to which. */
import { aliasOf, stageOf } from "../lib/cli/flag-values.ts";
import { UsageError } from "../lib/base/errors.ts";
import { commandTable } from "../lib/config/commands.ts";
import { runForVariants } from "../lib/cli/for-variants.ts";
import { toCount } from "../lib/base/flag-value.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import { describePromotion, toMoves } from "../lib/registration/promote.ts";
import type { Services } from "../lib/services/services.ts";
import type { Variant } from "../lib/config/variant.ts";

if (import.meta.main) {
  await runForVariants(commandTable.promote, {
    body: async (services, { variant }, { version, alias, stage }) => {
      if (version === undefined) {
        throw new UsageError("Cannot promote: --version N is missing");
      }
      return await promote(services, variant, {
        version: toCount(version, { flag: "version", integer: true }),
        alias,
        stage,
      });
    },
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
  const moves = toMoves({
    alias: aliasOf(options.alias),
    stage: stageOf(options.stage),
  });
  const { withRetry, config } = services;
  const mlflow = await services.mlflow();
  const promotion = {
    version: options.version,
    ...moves,
    by: config.user,
    timeMs: Date.now(),
  };
  const result = await withRetry(
    `promote version ${promotion.version}`,
    () => mlflow.promote(variant.modelName, promotion),
  );
  return describePromotion(variant, promotion, result);
}
