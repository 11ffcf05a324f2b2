/** What predict.yml does after scoring: really run by act, on Postgres and moto, with a stand-in for GitHub's issues. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { checkOut, runWorkflow } from "../support/act.ts";
import { putObject } from "../support/aws.ts";
import { ask, bucket, makeCloud } from "../support/cloud.ts";
import {
  freePort,
  startMoto,
  startPostgres,
  tempFolder,
} from "../support/servers.ts";
import { projectFolder, testWithTools } from "../support/tools.ts";

type Player = Record<string, number | boolean | string | null>;

testWithTools(
  "predict.yml monitors what it scored: an issue opens with a failure and closes with the recovery; scoring does not depend on it",
  async (t) => {
    await using postgres = await startPostgres();
    await using moto = await startMoto();
    await makeCloud(postgres, moto);
    await using checkout = await checkOut();
    await using folder = await tempFolder();
    const issues = `${folder.path}/issues.json`;
    await Deno.writeTextFile(issues, "[]");
    const base = { geography: "-", company: "-" };

    const dispatch = (
      workflow: string,
      inputs: Record<string, string> = {},
      more: {
        variables?: Record<string, string>;
        secrets?: Record<string, string>;
      } = {},
    ) => {
      const login = workflow === "predict.yml" ? "writer" : "owner";
      return runWorkflow(checkout, workflow, {
        event: "workflow_dispatch",
        inputs: { ...base, ...inputs },
        variables: {
          MLFLOW_SECRET_NAME: `churn-test/mlflow-${login}`,
          PREDICTIONS_SECRET_NAME: `churn-test/predictions-${login}`,
          MLFLOW_S3_BUCKET: bucket,
          MLFLOW_ARTIFACT_ROOT: `s3://${bucket}/mlflow`,
          AWS_ENDPOINT_URL: moto.endpoint,
          AWS_ROLE_ARN: "arn:aws:iam::000000000000:role/churn-test",
          AWS_REGION: "us-east-1",
          RETRY_DELAY_SECONDS: "1",
          ...more.variables,
        },
        secrets: more.secrets ?? {},
        issues,
      });
    };
    const text = await Deno.readTextFile(
      `${projectFolder}data/churn/X_test_sample_2.json`,
    );
    const players: Player[] = text.trim().split("\n").map((line) =>
      JSON.parse(line)
    );
    let week = 0;
    /** Puts another selection of the players into the bucket and scores it; gives back the run and the issues in short. */
    const score = async (
      change: (player: Player) => Player,
      more: Parameters<typeof dispatch>[2] = {},
    ) => {
      const rows = players.slice(++week).map(change);
      await putObject(
        moto,
        `${bucket}/data/churn/X_test_sample_2.json`,
        rows.map((row) => `${JSON.stringify(row)}\n`).join(""),
      );
      return await predict(more);
    };
    const predict = async (more: Parameters<typeof dispatch>[2] = {}) => {
      const run = await dispatch("predict.yml", {}, more);
      const found: Record<string, unknown>[] = JSON.parse(
        await Deno.readTextFile(issues),
      );
      return {
        ...run,
        started: run.calls.map((call) => call.trim()).filter((call) =>
          call.startsWith("gh workflow run")
        ),
        found,
        lines: found.map(({ title, state, comments }) =>
          `${title}: ${state}, ${(comments as unknown[]).length}`
        ),
      };
    };
    const fine = (player: Player) => player;
    const richer = (player: Player) => ({
      ...player,
      total_handle: player.total_handle === null
        ? null
        : Number(player.total_handle) * 4,
    });
    const green = {
      plan: "success",
      "score base": "success",
      monitoring: "success",
      report: "success",
    };

    await dispatch("setup.yml");
    await dispatch("log-model.yml");
    const promoted = await dispatch("promote.yml", { version: "1" });
    strictEqual(promoted.jobs["promote base"], "success", promoted.log);

    await t.step("ok: no issue", async () => {
      const { jobs, log, lines } = await score(fine);
      deepStrictEqual(jobs, green, log);
      deepStrictEqual(lines, []);
      match(log, /### base: created/);
    });

    await t.step(
      "fail: an issue, in a green run, also if the webhook is away",
      async () => {
        const host = `localhost:${freePort()}`;
        const secret = `https://${host}/services/T0SECRET`;
        const { jobs, log, lines, found } = await score(richer, {
          secrets: { SLACK_WEBHOOK_URL: secret },
        });
        deepStrictEqual(jobs, green, log);
        deepStrictEqual(lines, ["Monitoring of base: OPEN, 0"]);
        match(String(found[0]?.body), /^### base: drift fails\n/);
        match(String(found[0]?.body), /- `total_handle`: fail: /);
        match(String(found[0]?.body), /\[Run\]\(https:.*\/actions\/runs\/1\)/);
        match(log, new RegExp(`Cannot post to the webhook at ${host}: `));
        ok(!log.includes("T0SECRET"));
      },
    );

    await t.step(
      "the same week again: nothing new, and the undelivered alert is no second issue",
      async () => {
        const { jobs, log, lines } = await predict();
        deepStrictEqual(jobs, green, log);
        deepStrictEqual(lines, ["Monitoring of base: OPEN, 0"]);
      },
    );

    await t.step(
      "retraining is advised: retrain.yml starts once, where the variable allows it",
      async () => {
        const variables = { CHURN_AUTO_RETRAIN: "true" };
        const { jobs, log, lines, started } = await score(richer, {
          variables,
        });
        deepStrictEqual(jobs, { ...green, retrain: "success" }, log);
        deepStrictEqual(lines, ["Monitoring of base: OPEN, 1"]);
        deepStrictEqual(started, [
          "gh workflow run retrain.yml --field geography=- --field company=-",
        ]);
        const again = await score(richer, { variables });
        deepStrictEqual([again.started, again.lines], [[], lines], again.log);
      },
    );

    await t.step("recovered: the issue is closed", async () => {
      const { jobs, log, lines, found } = await score(fine);
      deepStrictEqual(jobs, green, log);
      deepStrictEqual(lines, ["Monitoring of base: CLOSED, 2"]);
      match(JSON.stringify(found[0]), /base has recovered: drift is ok again/);
    });

    await t.step(
      "monitor itself fails: the scores are stored, and an issue of its own says it",
      async () => {
        await ask(
          postgres,
          "predictions",
          "drop table monitoring_states",
        );
        const { jobs, log, calls } = await score(fine);
        deepStrictEqual(jobs, {
          ...green,
          monitoring: "failure",
          alert: "success",
        }, log);
        match(log, /run `deno task setup` first/);
        deepStrictEqual(
          calls.filter((call) => call.startsWith("gh issue create")).map((
            call,
          ) => call.replace(/ --body.*/, "").trim()),
          ["gh issue create --title Weekly monitoring failed --label monitoring-failure"],
        );
        const [count] = await ask(
          postgres,
          "predictions",
          "select count(*)::text as line from scoring_runs where status = 'completed'",
        );
        strictEqual(count, String(week));
      },
    );
  },
);
