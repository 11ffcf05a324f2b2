/** Writes one page with the state of every variant, and each variant's own page beside it, from the stored monitoring results. */
import { dirname, relative } from "node:path";
import { commandTable } from "../lib/config/commands.ts";
import { runScript } from "../lib/cli/program.ts";
import type { Outcome } from "../lib/base/outcome.ts";
import { commandFor } from "../lib/config/variant.ts";
import {
  type OverviewEntry,
  toHtmlOverview,
  toState,
} from "../lib/monitoring/overview.ts";
import { writeReport } from "../lib/monitoring/report.ts";
import { readNewestResults } from "../lib/monitoring/runs.ts";
import { openServices, type Services } from "../lib/services/services.ts";
import { writeWhole } from "../lib/storage/local.ts";

if (import.meta.main) {
  await runScript(commandTable.report, async (flags, context) => {
    await using services = await openServices(context);
    return await report(services, flags);
  });
}

/**
 * Writes the page over the variants of `variants.yaml` and all others that were
 * monitored. Their own pages are written again from the stored results, because
 * another machine may have written them.
 */
export async function report(
  services: Services,
  flags: { output?: string | undefined },
): Promise<Outcome> {
  const { config, variants } = services;
  const folder = `${config.home}/reports`;
  const output = flags.output ?? `${folder}/index.html`;
  const results = await readNewestResults(await services.predictions());
  const entries: OverviewEntry[] = [];
  for (const result of results) {
    const { html } = await writeReport(services, result, {
      folder: `${folder}/${result.variant}`,
    });
    entries.push({
      key: result.variant,
      title: result.title,
      result,
      link: relative(dirname(output), html).split("/")
        .map(encodeURIComponent).join("/"),
      command: "deno task monitor",
    });
  }
  const monitored = new Set(results.map(({ variant }) => variant));
  const others = variants.listed.map(({ variant }) => variant)
    .filter(({ key }) => !monitored.has(key));
  entries.push(...others.map((variant) => ({
    key: variant.key,
    title: variant.title,
    result: undefined,
    link: undefined,
    command: commandFor("monitor", variant),
  })));
  await writeWhole(output, new TextEncoder().encode(toHtmlOverview(entries)));
  const states = entries.map((entry) => ({
    variant: entry.key,
    period: entry.result?.scoring_run.period ?? null,
    ...toState(entry),
  }));
  return {
    report: { status: "done", report: output, states },
    text: [
      ...states.map(({ state, sentence }) => `${state}: ${sentence}`),
      `The report is in ${output}`,
    ].join("\n"),
  };
}
