/** The roles that setup makes are enough for the scripts that they are for, and for no other. */
import {
  deepStrictEqual,
  doesNotMatch,
  match,
  ok,
  strictEqual,
} from "node:assert/strict";
import { openPostgres } from "../../lib/database/postgres.ts";
import { runCommand } from "../support/commands.ts";
import { testWithPython } from "../support/python.ts";
import { startWorld, type World } from "../support/world.ts";

const flags = ["--geography", "US", "--retries", "0"];
const password = "of-a-member";

testWithPython(
  "ensureRoles() grants churn_writer what predict and monitor need, but not log-model and promote",
  async () => {
    await using world = await startWorld("geography-us");
    const { env } = world;
    await runCommand("setup", flags, { env });
    await runCommand("log-model", flags, { env });
    await runCommand("promote", [...flags, "--version", "1"], { env });
    const asWriter = await loginAs(world, {
      name: "scoring",
      group: "churn_writer",
    });

    const { report } = await runCommand("predict", flags, { env: asWriter });
    strictEqual(report.status, "scored");
    strictEqual(
      (await runCommand("predict", flags, { env: asWriter })).report.status,
      "nothing-new",
    );
    strictEqual(
      (await runCommand("predict", [...flags, "--force"], { env: asWriter }))
        .report.status,
      "scored",
    );
    strictEqual(
      (await runCommand("monitor", flags, { env: asWriter })).report.variant,
      "geography-us",
    );
    await checkSettling(world, asWriter);
    for (
      const [name, ...more] of [["log-model", "--force"], [
        "promote",
        "--version",
        "1",
        "--stage",
        "Staging",
      ]] as const
    ) {
      const { stderr } = await runCommand(name, [...flags, ...more], {
        env: asWriter,
        code: 2,
      });
      match(stderr, /permission denied for table/, name);
    }
  },
);

testWithPython(
  "ensureRoles() lets churn_reader read the scores, but not run predict",
  async () => {
    await using world = await startWorld("geography-us");
    const { env } = world;
    await runCommand("setup", flags, { env });
    await runCommand("log-model", [
      ...flags,
      "--alias",
      "champion",
      "--stage",
      "Production",
    ], { env });
    const { report } = await runCommand("predict", flags, { env });
    const asReader = await loginAs(world, {
      name: "dashboard",
      group: "churn_reader",
    });

    const sql = "select count(*) as rows from churn_predictions_current";
    const { stdout } = await runCommand("query", [sql, "--format", "json"], {
      env: asReader,
      json: false,
    });
    ok(stdout.includes(String(report.rows)), stdout);
    const { stderr } = await runCommand("predict", [...flags, "--force"], {
      env: asReader,
      code: 2,
    });
    match(stderr, /permission denied for table/);
  },
);

/** A forced run of the writer settles those before its predecessor; without the right to, predict warns, and setup grants it and makes up for it. */
async function checkSettling(
  { postgres, env }: World,
  asWriter: Record<string, string>,
): Promise<void> {
  await using predictions = await openPostgres({
    ...postgres,
    database: "predictions",
  });
  const countUnsettled = async () =>
    (await predictions.query(
      "select id from scoring_runs where settled_at is null",
    )).length;
  const list = () =>
    predictions.query(
      "select player_id, scoring_run_id, row_number, churn_probability from churn_predictions_current order by 1, 2, 3",
    );
  const force = async () => {
    const { report, stderr } = await runCommand(
      "predict",
      [...flags, "--force"],
      { env: asWriter },
    );
    strictEqual(report.status, "scored");
    return stderr;
  };
  for (let round = 0; round < 2; round++) {
    doesNotMatch(await force(), /Cannot settle/);
    strictEqual(await countUnsettled(), 2);
  }
  await predictions.query(
    "revoke execute on function settle_scores from churn_writer",
  );
  match(
    await force(),
    /WARNING: Cannot settle the scores of earlier scoring runs: .*permission denied for function settle_scores.*`deno task setup`/,
  );
  strictEqual(await countUnsettled(), 3);
  const before = await list();
  ok(before.length > 0);
  await runCommand("setup", flags, { env });
  strictEqual(await countUnsettled(), 1);
  deepStrictEqual(await list(), before);
  doesNotMatch(await force(), /Cannot settle/);
  strictEqual(await countUnsettled(), 2);
}

/** The scripts' environment with a new login that is a member of one role and nothing else. */
async function loginAs(
  { postgres, env }: World,
  { name, group }: { name: string; group: string },
): Promise<Record<string, string>> {
  const { host, port, user, password: own } = postgres;
  await using admin = await openPostgres({
    host,
    port,
    user,
    password: own,
    database: "mlflow_db",
  });
  await admin.query(
    `create role ${name} login password '${password}' in role ${group}`,
  );
  const url = (database: string) =>
    `postgresql://${name}:${password}@${host}:${port}/${database}`;
  return {
    ...env,
    MLFLOW_TRACKING_URI: url("mlflow_db"),
    PREDICTIONS_DATABASE_URL: url("predictions"),
  };
}
