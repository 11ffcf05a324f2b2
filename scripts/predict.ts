/** Scores a variant's new data with its production model and stores each row once. */
import { commandTable } from "../lib/config/commands.ts";
import {
  type PredictFlags,
  type PredictOptions,
  toPredictOptions,
} from "../lib/cli/predict-flags.ts";
import { runForVariants } from "../lib/cli/for-variants.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import type { Services } from "../lib/services/services.ts";
import { placeIn } from "../lib/services/variant-files.ts";
import type { VariantSettings } from "../lib/config/variants.ts";
import { openAndScore } from "../lib/scoring/batch.ts";
import {
  asDelivered,
  findProblems,
  inOrder,
  warnOfHidden,
  worthSaying,
} from "../lib/scoring/deliveries.ts";
import { endInterruptedRuns } from "../lib/scoring/interrupted.ts";
import { openPlan } from "../lib/scoring/plan.ts";
import { describeRehearsal } from "../lib/scoring/plan-report.ts";
import { describePrediction } from "../lib/scoring/report.ts";

if (import.meta.main) {
  await runForVariants(commandTable.predict, {
    body: predict,
    ownFlags: ["input", "model-uri", "output", "bad-rows"],
    readOnly: (flags) => flags["dry-run"] ?? false,
  });
}

/**
 * Scores every period of a variant's inputs that was not scored, oldest first, and
 * with `--force` also the chosen or newest one that was. A dry run shows the plan
 * and tries it: it changes nothing and does not create a store.
 */
export async function predict(
  services: Services,
  settings: VariantSettings,
  flags: PredictFlags,
  { columns }: { columns: number },
): Promise<Outcome> {
  const { config } = services;
  const options = toPredictOptions(flags, settings);
  const { output, dryRun } = options;
  const rehearsal = config.embedded
    ? await prepareEmbedded(services, settings, options)
    : undefined;

  const firstRun = rehearsal?.firstRun;
  await using plan = await openPlan(services, settings, {
    ...options,
    firstRun,
  });
  const { experiment, version, fresh, skipped, copies, runs, again } = plan;
  if (output === "postgres" && !dryRun) {
    await endInterruptedRuns(services, experiment);
  }
  const facts = { ...options, experiment, version, again, copies };
  const scored = await openAndScore(services, {
    ...facts,
    batches: fresh,
    scorer: rehearsal?.scorer,
  });
  const said = await worthSaying(services, skipped, options);
  const stored = inOrder([...said, ...scored.stored]);
  const problems = findProblems({
    delivered: stored.map(asDelivered),
    settings,
    choice: options.choice,
    runs,
  });
  warnOfHidden(services, {
    scored: scored.stored.flatMap(({ batch, ledger }) =>
      ledger ? [{ batch, contentSha256: ledger.contentSha256 }] : []
    ),
    runs,
    names: settings.names,
  });
  const outcome = describePrediction(config, {
    ...facts,
    place: placeIn(services.variantFiles(settings.variant)),
    engine: scored.engine,
    stored,
    problems,
  });
  return dryRun
    ? await describeRehearsal(services, plan, {
      ...options,
      firstRun,
      columns,
      scored: scored.stored,
      said,
      outcome,
    })
    : outcome;
}

/** Sets up the embedded store if it has no model, or for a dry run rehearses that. The modules are loaded only here, because configured services do not need them. */
async function prepareEmbedded(
  services: Services,
  settings: VariantSettings,
  { modelUri, engine, dryRun }: PredictOptions,
) {
  if (dryRun) {
    const { planFirstRun, rehearseModel } = await import(
      "../lib/registration/rehearsal.ts"
    );
    const firstRun = await planFirstRun(services, settings, { modelUri });
    const scorer = firstRun &&
      await rehearseModel(services, settings, { engine, firstRun });
    return { firstRun, scorer };
  }
  const { bootstrap } = await import("./bootstrap.ts");
  await bootstrap(services, settings);
  return undefined;
}
