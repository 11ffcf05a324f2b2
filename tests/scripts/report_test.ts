/** `report` as a program, on an embedded store. */
import { deepStrictEqual, match, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { openPglite } from "../../lib/database/pglite.ts";
import { runCommand } from "../support/commands.ts";
import { tempFolder } from "../support/servers.ts";

const sample = fileURLToPath(
  new URL("../../data/churn/X_test_sample_2.json", import.meta.url),
);

Deno.test("report writes one page over all variants and their pages from the stored results, also those of an earlier release", async () => {
  await using folder = await tempFolder();
  const home = `${folder.path}/home`;
  const env = { CHURN_HOME: home, CHURN_FILES: folder.path };
  const run = async (name: string, ...args: string[]) =>
    (await runCommand(name, args, { env, code: 0 })).report;
  await run("predict", "--input", sample);
  const monitored = await run("monitor");
  const page = await Deno.readTextFile(monitored.report);
  // Another machine wrote the page; here there is only the database.
  await Deno.remove(`${home}/reports`, { recursive: true });
  const { report, states } = await run("report");
  deepStrictEqual(report, `${home}/reports/index.html`);
  deepStrictEqual(
    states.map((
      { variant, state }: { variant: string; state: string },
    ) => [variant, state]),
    [
      ["base", "ok"],
      ["geography-us", "unknown"],
      ["geography-eu/company-clientb", "unknown"],
      ["company-clienta", "unknown"],
    ],
  );
  const index = await Deno.readTextFile(report);
  match(index, /href="base\/scoring-run-1\.html"/);
  match(index, /run `deno task monitor --geography US`/);
  deepStrictEqual(
    await Deno.readTextFile(`${home}/reports/base/scoring-run-1.html`),
    page,
  );

  // A result as an earlier release stored it.
  {
    await using database = await openPglite(`${home}/database`);
    await database.query(
      `update monitoring_runs set data = null, report = (report::jsonb - 'data' #- '{verdict,data}' #- '{comparisons,0,groups}'
         #- '{scoring_run,period}')::json`,
    );
  }
  const output = `${folder.path}/pages/all.html`;
  await run("report", "--output", output);
  match(
    await Deno.readTextFile(output),
    /href="\.\.\/home\/reports\/base\/scoring-run-1\.html"/,
  );
  const old = await Deno.readTextFile(
    `${home}/reports/base/scoring-run-1.html`,
  );
  ok(old !== page);
  match(old, /is fine: drift is within the limits/);
});
