/** `--quiet`, `--verbose`, and the retries that a person waits for. */
import { doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { putObject } from "../support/aws.ts";
import { runCommand } from "../support/commands.ts";
import { tempFolder } from "../support/servers.ts";
import { testWithPython } from "../support/python.ts";
import { runInTerminal } from "../support/terminal.ts";
import { startWorld } from "../support/world.ts";

Deno.test("--quiet leaves the result and errors, and no exit code changes", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home` };
  const week = ["--period", "2026-11-23"];
  const done = await runCommand("predict", ["--quiet", ...week], {
    env,
    json: false,
  });
  strictEqual(done.stderr, "");
  match(done.stdout, /^Scored 400 players of base/);
  const planned = await runCommand("plan", ["--quiet", ...week], { env });
  strictEqual(planned.stderr, "");
  strictEqual(planned.report.status, "nothing-new");
  const failed = await runCommand("promote", ["--quiet", "--version", "9"], {
    env,
    code: 1,
    json: false,
  });
  strictEqual(failed.stdout, "");
  match(failed.stderr, /^promote: Cannot find version 9 .*\n$/);
  const both = await runCommand("plan", ["--quiet", "--verbose"], {
    env,
    code: 2,
  });
  match(both.report.error, /--quiet with --verbose/);
});

testWithPython(
  "--verbose prints statements and requests with their time, and no value, query or password",
  async () => {
    await using world = await startWorld("geography-us");
    const { env, moto, bucket } = world;
    const us = ["--geography", "US"];
    const run = (name: string, ...args: readonly string[]) =>
      runCommand(name, [...us, ...args, "--verbose"], { env });
    const set = await run("setup");
    match(set.stderr, /^SQL \d+ ms, \d+ rows?: select /m);
    match(set.stderr, /^SQL \d+ ms, 0 rows: do \$do\$ /m);
    const logged = await run("log-model");
    await run("promote", "--version", "1");
    await putObject(
      moto,
      `${bucket}/geography-us/data/churn/weekly/2026-11-23.jsonl`,
      await Deno.readTextFile(
        "data/geography-us/churn/weekly/2026-11-23.jsonl",
      ),
    );
    const done = await run("predict");
    const at = new URL(moto.endpoint);
    const path = `http://${at.host}/${bucket}`;
    ok(
      logged.stderr.includes(`PUT ${path}/`) ||
        logged.stderr.includes(`POST ${path}/`),
      logged.stderr,
    );
    match(
      done.stderr,
      new RegExp(`^GET ${path}/geography-us/.*\\.jsonl: 20\\d, \\d+ ms$`, "m"),
    );
    match(done.stderr, /^SQL \d+ ms, 400 rows: copy scores \(/m);
    match(done.stderr, /^store the scores: \d+\.\d\d s$/m);
    for (const { stdout, stderr } of [set, logged, done]) {
      const said = stdout + stderr;
      doesNotMatch(said, /p@ss|p%40ss/);
      doesNotMatch(said, /X-Amz|Signature|\?list-type/i);
    }
    // Ids of players are parameters or COPY data.
    doesNotMatch(done.stderr, /P-US-\d/);
    const shown = await runCommand("doctor", [...us, "--verbose"], { env });
    match(shown.stderr, /^SQL \d+ ms, 1 row: select ssl/m);
  },
);

Deno.test("in a terminal an unreachable service is tried three times within seconds, and each wait is announced", async () => {
  await using folder = await tempFolder();
  const env = {
    CHURN_HOME: `${folder.path}/home`,
    NO_COLOR: "1",
    // Nothing listens on this port.
    MLFLOW_TRACKING_URI: "http://127.0.0.1:9",
    MLFLOW_S3_BUCKET: "models",
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
  };
  const startMs = performance.now();
  const shown = await runInTerminal("promote", ["--version", "1"], { env });
  const seconds = (performance.now() - startMs) / 1000;
  strictEqual(shown.code, 75, shown.text);
  match(
    shown.text,
    /^WARNING: Attempt 1 of 3 to open the MLflow server .* Trying again in \d\.\d s$/m,
  );
  match(shown.text, /Attempt 2 of 3/);
  match(shown.text, /after 3 attempts/);
  // Two waits of at most 4.5 s each, and the start of three processes.
  ok(seconds < 30, `${seconds} s`);
  const help = await runInTerminal("promote", ["--help"], { env });
  match(help.text, /--retries N .*\(3, in\s+a\s+terminal\s+2\)/);
});
