/** Shows what `predict` would do, and changes nothing: not even an empty store is created. */
import { commandTable } from "../lib/config/commands.ts";
import { type PlanFlags, toPredictOptions } from "../lib/cli/predict-flags.ts";
import { runForVariants } from "../lib/cli/for-variants.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import type { Services } from "../lib/services/services.ts";
import type { VariantSettings } from "../lib/config/variants.ts";
import { worthSaying } from "../lib/scoring/deliveries.ts";
import { openPlan } from "../lib/scoring/plan.ts";
import { describePlan } from "../lib/scoring/plan-report.ts";
import { measureBatches } from "../lib/scoring/planned-batch.ts";

if (import.meta.main) {
  await runForVariants(commandTable.plan, {
    body: plan,
    ownFlags: ["input", "model-uri", "output", "bad-rows"],
    readOnly: () => true,
  });
}

/** Returns what `predict` with the same flags would score, with which version, and where the scores would go. */
export async function plan(
  services: Services,
  settings: VariantSettings,
  flags: PlanFlags,
  { columns }: { columns: number },
): Promise<Outcome> {
  const options = toPredictOptions(flags, settings);
  const firstRun = services.config.embedded
    ? await planFirstRun(services, settings, options)
    : undefined;
  const facts = { ...options, firstRun, columns };
  await using plan = await openPlan(services, settings, facts);
  const planned = await measureBatches(services, plan.fresh, facts);
  const said = await worthSaying(services, plan.skipped, options);
  return await describePlan(services, plan, { ...facts, planned, said });
}

/** Returns what the first run would set up. The module is loaded only here, because configured services do not need it. */
async function planFirstRun(
  services: Services,
  settings: VariantSettings,
  options: { modelUri: string },
) {
  const { planFirstRun } = await import("../lib/registration/rehearsal.ts");
  return await planFirstRun(services, settings, options);
}
