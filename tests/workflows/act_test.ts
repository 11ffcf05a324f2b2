/**
 * The workflows, really run: by act on this machine, against Postgres with the
 * logins of `infrastructure/logins.sql`, and moto. Each step looks at the jobs'
 * results and at the rows that they left.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type ActRun, checkOut, runWorkflow } from "../support/act.ts";
import { deleteObject, putObject } from "../support/aws.ts";
import { ask, bucket, makeCloud, variants } from "../support/cloud.ts";
import {
  freePort,
  type MotoServer,
  startMoto,
  startPostgres,
} from "../support/servers.ts";
import { projectFolder, run, testWithTools } from "../support/tools.ts";

testWithTools(
  "the workflows run: set up, log, promote, predict, retrain",
  async (t) => {
    await using postgres = await startPostgres();
    await using moto = await startMoto();
    await makeCloud(postgres, moto);
    await using checkout = await checkOut();

    /** The repository's variables, with the secrets of one environment. */
    const settings = (
      login: "owner" | "writer",
      more: Record<string, string> = {},
    ) => ({
      MLFLOW_SECRET_NAME: `churn-test/mlflow-${login}`,
      PREDICTIONS_SECRET_NAME: `churn-test/predictions-${login}`,
      MLFLOW_S3_BUCKET: bucket,
      MLFLOW_ARTIFACT_ROOT: `s3://${bucket}/mlflow`,
      AWS_ENDPOINT_URL: moto.endpoint,
      AWS_ROLE_ARN: "arn:aws:iam::000000000000:role/churn-test",
      AWS_REGION: "us-east-1",
      RETRY_DELAY_SECONDS: "1",
      ...more,
    });
    const dispatch = (
      workflow: string,
      inputs: Record<string, string> = {},
      variables = settings(workflow === "predict.yml" ? "writer" : "owner"),
    ) =>
      runWorkflow(checkout, workflow, {
        event: "workflow_dispatch",
        inputs,
        variables,
      });
    const tick = (schedule: string) =>
      runWorkflow(checkout, "predict.yml", {
        event: "schedule",
        payload: { schedule },
        variables: settings("writer", {
          HEARTBEAT_ROLE_ARN: "arn:aws:iam::000000000000:role/heartbeat",
        }),
      });
    const scored = () =>
      ask(
        postgres,
        "predictions",
        `
      select variant || ' v' || model_version || ': ' || row_count as line
      from scoring_runs order by id`,
      );
    const stored = () =>
      ask(
        postgres,
        "predictions",
        "select count(*)::text as line from churn_predictions",
      )
        .then(([count]) => Number(count));
    const versions = () =>
      ask(
        postgres,
        "mlflow_db",
        `
      select name || ' ' || version || ' ' || current_stage as line
      from model_versions order by name, version`,
      );

    await t.step(
      "setup.yml creates tables, roles and every experiment",
      async () => {
        const { jobs, log } = await dispatch("setup.yml");
        deepStrictEqual(jobs, succeeded("plan", "set up"), log);
        const experiments = await ask(
          postgres,
          "mlflow_db",
          "select name as line from experiments where name like 'churn%' order by name",
        );
        deepStrictEqual(experiments, [
          "churn_prediction",
          "churn_prediction-company-clienta",
          "churn_prediction-geography-eu-company-clientb",
          "churn_prediction-geography-us",
        ]);
      },
    );

    await t.step(
      "log-model.yml logs the bucket's model of every variant and promotes none",
      async () => {
        const { jobs, log } = await dispatch("log-model.yml");
        deepStrictEqual(jobs, succeeded("plan", "log"), log);
        deepStrictEqual(
          await versions(),
          variants.map(({ model }) => `${model} 1 None`).sort(),
        );
      },
    );

    await t.step(
      "promote.yml promotes one version of one variant",
      async () => {
        const refused = await dispatch("promote.yml", {
          geography: "",
          company: "ClientA --version 9",
          version: "1",
        });
        deepStrictEqual(refused.jobs, { plan: "failure" }, refused.log);
        const parts = [["-", "-"], ["US", "-"], ["EU", "ClientB"], [
          "-",
          "ClientA",
        ]];
        await Promise.all(parts.map(async ([geography = "", company = ""]) => {
          const { jobs, log } = await dispatch("promote.yml", {
            geography,
            company,
            version: "1",
          });
          strictEqual(jobs.plan, "success", log);
          ok(Object.values(jobs).every((result) => result === "success"), log);
          strictEqual(Object.keys(jobs).length, 2);
        }));
        deepStrictEqual(
          await versions(),
          variants.map(({ model }) => `${model} 1 Production`).sort(),
        );
      },
    );

    const rows = new Map<string, number>();
    for (const { key, prefix } of variants) {
      const file = `${projectFolder}data/${prefix}churn/X_test_sample_2.json`;
      const text = await Deno.readTextFile(file);
      rows.set(key, text.trim().split("\n").length);
    }
    const line = (key: string, version = 1) =>
      `${key} v${version}: ${rows.get(key)}`;

    await t.step(
      "predict.yml scores the geography of a dispatch",
      async () => {
        const { jobs, log, calls } = await dispatch("predict.yml", {
          geography: "us",
        });
        deepStrictEqual(
          jobs,
          {
            plan: "success",
            "score geography US": "success",
            report: "success",
            monitoring: "success",
          },
          log,
        );
        deepStrictEqual(await scored(), [line("geography-us")]);
        strictEqual(await stored(), rows.get("geography-us"));
        match(log, /### geography-us: scored/);
        match(log, /\| model version \| 1 \|/);
        // total_handle of this sample differs enough from the reference for a warning.
        deepStrictEqual(
          withoutTokens(calls).filter((call) => /issue|label/.test(call)).map((
            call,
          ) => call.split(" --")[0]),
          ["gh issue list", "gh label create monitoring", "gh issue create"],
        );
      },
    );

    await t.step(
      "predict.yml scores the company of a dispatch",
      async () => {
        // On a runner of CodeBuild's, which each run and attempt names anew.
        const { jobs, log } = await dispatch(
          "predict.yml",
          { company: "ClientA" },
          settings("writer", { RUNNER: "codebuild-churn" }),
        );
        deepStrictEqual(
          jobs,
          {
            plan: "success",
            "score company ClientA": "success",
            report: "success",
            monitoring: "success",
          },
          log,
        );
        deepStrictEqual(await scored(), [
          line("geography-us"),
          line("company-clienta"),
        ]);
      },
    );

    await t.step(
      "the schedule scores the rest, and notifies the watchdog",
      async () => {
        const { jobs, log, calls } = await tick("0 0 * * 1");
        deepStrictEqual(jobs, {
          ...succeeded("plan", "score"),
          report: "success",
          monitoring: "success",
          heartbeat: "success",
        }, log);
        deepStrictEqual(
          (await scored()).sort(),
          variants.map(({ key }) => line(key)).sort(),
        );
        strictEqual(await stored(), [...rows.values()].reduce((a, b) => a + b));
        match(log, /### 4 variant\(s\)/);
        match(
          log,
          /\| geography-us \| nothing-new \| \d{4}-\d\d-\d\d \| 1 \| 0 \|/,
        );
        match(log, /\| base \| scored \| \d{4}-\d\d-\d\d \| 1 \|/);
        deepStrictEqual(withoutTokens(calls), [
          "aws cloudwatch put-metric-data --namespace ChurnScoring/prod --metric-name RunFinished --value 1",
        ]);
      },
    );

    await t.step(
      "the catch-up run finds nothing new and stores nothing",
      async () => {
        const [runs, predictions] = [await scored(), await stored()];
        const { jobs, log } = await tick("17 6 * * 1");
        deepStrictEqual(jobs, {
          ...succeeded("plan", "score"),
          report: "success",
          monitoring: "success",
          heartbeat: "success",
        }, log);
        strictEqual(
          log.match(/Summary - ### .*: nothing-new\n/g)?.length,
          variants.length,
        );
        strictEqual(
          log.match(/Summary - ## Monitoring\n### .*: nothing-new\n/g)?.length,
          variants.length,
        );
        deepStrictEqual([await scored(), await stored()], [runs, predictions]);
      },
    );

    await t.step("force scores again, as a new attempt", async () => {
      const { jobs, log } = await dispatch("predict.yml", {
        geography: "US",
        force: "true",
      });
      strictEqual(jobs["score geography US"], "success", log);
      strictEqual((await scored()).length, variants.length + 1);
    });

    await t.step(
      "an unknown geography fails in the plan job and raises an alert; nothing is scored",
      async () => {
        const runs = await scored();
        const { jobs, log, calls } = await dispatch("predict.yml", {
          geography: "dk; touch injected",
        });
        deepStrictEqual(jobs, { plan: "failure", alert: "success" }, log);
        match(
          log,
          /Cannot find geography dk; touch injected in variants\.yaml: it lists base; geography US;/,
        );
        strictEqual(
          calls.filter((call) => call.startsWith("gh issue create")).length,
          1,
        );
        deepStrictEqual(await scored(), runs);
      },
    );

    await t.step(
      "after a temporary S3 outage, the batch is stored once",
      async () => {
        const runs = await scored();
        const object = `${bucket}/geography-us/data/churn/X_test_sample_2.json`;
        await deleteObject(moto, object);
        await putObject(
          moto,
          object,
          await halfOf("geography-us"),
        );
        const port = freePort();
        const controller = new AbortController();
        let server: Deno.HttpServer | undefined;
        const { jobs, log } = await runWorkflow(checkout, "predict.yml", {
          event: "workflow_dispatch",
          inputs: { geography: "US" },
          variables: settings("writer", {
            AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`,
            RETRY_DELAY_SECONDS: "5",
          }),
          onLine(text) {
            if (
              !text.includes("Attempt 1 of 4 ended with exit code 75")
            ) return;
            server ??= serveCopy(moto, { port, signal: controller.signal });
          },
        });
        controller.abort();
        await server?.finished;
        strictEqual(jobs["score geography US"], "success", log);
        ok(server);
        ok(!log.includes("Attempt 2 of 4"));
        strictEqual((await scored()).length, runs.length + 1);
        strictEqual(
          (await scored()).at(-1),
          `geography-us v1: ${(rows.get("geography-us") ?? 0) / 2}`,
        );
      },
    );

    await t.step(
      "a lasting S3 outage fails after three retries and raises an alert; nothing is stored",
      async () => {
        const [runs, predictions] = [await scored(), await stored()];
        const away = (openIssue: string) =>
          runWorkflow(checkout, "predict.yml", {
            event: "workflow_dispatch",
            inputs: { geography: "US" },
            variables: settings("writer", {
              // Not one of the ports that the system hands out: nothing takes it meanwhile.
              AWS_ENDPOINT_URL_S3: "http://127.0.0.1:1",
            }),
            secrets: {
              SLACK_WEBHOOK_URL: "https://hooks.slack.test/services/x",
            },
            openIssue,
          });
        const first = await away("");
        deepStrictEqual(first.jobs, {
          plan: "success",
          "score geography US": "failure",
          report: "success",
          monitoring: "success",
          alert: "success",
        }, first.log);
        for (const attempt of [1, 2, 3]) {
          match(
            first.log,
            new RegExp(`Attempt ${attempt} of 4 ended with exit code 75`),
          );
        }
        match(first.log, /Gave up after 4 attempts/);
        match(
          first.log,
          /Summary - ### geography-us: failed\n[^]*\| error \| Cannot list s3&#58;/,
        );
        const calls = withoutTokens(first.calls);
        match(
          calls[0] ?? "",
          /^gh issue list --label scoring-failure --state open/,
        );
        match(calls[1] ?? "", /^gh label create scoring-failure/);
        match(
          calls[2] ?? "",
          /^gh issue create --title Weekly scoring failed --label scoring-failure --body .*actions\/runs\/1/,
        );
        match(
          calls[3] ?? "",
          /^curl .*https:\/\/hooks\.slack\.test\/services\/x *\{ +"text": "Weekly scoring failed: https:/,
        );
        strictEqual(calls.length, 4);

        const second = await away("17");
        match(
          withoutTokens(second.calls)[1] ?? "",
          /^gh issue comment 17 --body Weekly scoring failed/,
        );
        deepStrictEqual([await scored(), await stored()], [runs, predictions]);
      },
    );

    await t.step(
      "log-model.yml logs only the file that a push changed",
      async () => {
        const before = await checkout.git("rev-parse", "HEAD");
        const model = "churn/xgb_churn_model_2.bin";
        await Deno.copyFile(
          `${checkout.path}/models/${model}`,
          `${checkout.path}/models/geography-us/${model}`,
        );
        await Deno.writeTextFile(
          `${checkout.path}/models/README.md`,
          "changed",
        );
        await checkout.git("commit", "--all", "--quiet", "--message=second");
        const { jobs, log } = await runWorkflow(checkout, "log-model.yml", {
          event: "push",
          payload: { before, ref: "refs/heads/main" },
          variables: settings("owner"),
        });
        deepStrictEqual(jobs, {
          plan: "success",
          "log geography US": "success",
        }, log);
        deepStrictEqual(
          (await versions()).filter((version) => version.includes(" 2 ")),
          ["churn-prediction-model-us 2 None"],
        );
        const params = await ask(
          postgres,
          "mlflow_db",
          `
      select distinct tags.value as line from model_versions v
      join tags on tags.run_uuid = v.run_id and tags.key = 'geography' where v.version = 2`,
        );
        deepStrictEqual(params, ["US"]);
      },
    );

    await t.step(
      "a push without a changed model does nothing",
      async () => {
        const before = await checkout.git("rev-parse", "HEAD");
        const { jobs, log } = await runWorkflow(checkout, "log-model.yml", {
          event: "push",
          payload: { before, ref: "refs/heads/main" },
          variables: settings("owner"),
        });
        deepStrictEqual(jobs, { plan: "success" }, log);
        match(
          log,
          /Nothing to do: no variant is listed, or no model file changed/,
        );
      },
    );

    await t.step(
      "retrain.yml logs and compares a candidate, and opens an issue; nothing is promoted",
      async () => {
        // The base model is a poor champion for the US, so that an honest candidate beats it.
        await dispatch("promote.yml", {
          geography: "US",
          company: "-",
          version: "2",
        });
        const labelled = await labelledPlayers("geography-us");
        await putObject(
          moto,
          `${bucket}/geography-us/data/churn/training.jsonl`,
          labelled,
        );
        const { jobs, log, calls } = await dispatch("retrain.yml", {
          geography: "US",
        });
        deepStrictEqual(jobs, {
          plan: "success",
          "retrain geography US": "success",
          "ask for promotion": "success",
        }, log);
        deepStrictEqual(
          (await versions()).filter((version) => version.includes("model-us")),
          [
            "churn-prediction-model-us 1 Archived",
            "churn-prediction-model-us 2 Production",
            "churn-prediction-model-us 3 None",
          ],
        );
        const aliases = await ask(
          postgres,
          "mlflow_db",
          `
      select alias || ' ' || version as line from registered_model_aliases
      where name = 'churn-prediction-model-us' order by alias`,
        );
        deepStrictEqual(aliases, ["challenger 3", "champion 2"]);
        match(log, /### geography-us: better/);
        deepStrictEqual(
          withoutTokens(calls).filter((call) => call.startsWith("gh issue")),
          ["gh issue create --label promotion --body-file body.md --title Promote version 3 of churn-prediction-model-us?"],
        );
      },
    );

    await t.step(
      "a rollback promotes an earlier version",
      async () => {
        await dispatch("promote.yml", {
          geography: "US",
          company: "-",
          version: "1",
        });
        const { jobs, log } = await dispatch("predict.yml", {
          geography: "US",
          force: "true",
        });
        strictEqual(jobs["score geography US"], "success", log);
        match((await scored()).at(-1) ?? "", /^geography-us v1: /);
      },
    );
  },
);

testWithTools(
  "predict.yml rejects a repository where nothing is configured",
  async () => {
    await using checkout = await checkOut();
    const { jobs, log, calls } = await runWorkflow(checkout, "predict.yml", {
      event: "workflow_dispatch",
      inputs: { geography: "US" },
    });
    deepStrictEqual(jobs, {
      plan: "success",
      "score geography US": "failure",
      report: "success",
      monitoring: "success",
      alert: "success",
    }, log);
    match(
      log,
      /Cannot reach any service: set the variable MLFLOW_SECRET_NAME or MLFLOW_TRACKING_URI/,
    );
    strictEqual(
      calls.filter((call) => call.startsWith("gh issue create")).length,
      1,
    );
  },
);

/** The jobs of a run over every variant, all successful: `plan`, and one a variant after `matrix`. */
function succeeded(plan: string, matrix: string): ActRun["jobs"] {
  const titles = [
    "base",
    "geography US",
    "geography EU, company ClientB",
    "company ClientA",
  ];
  const names = [plan, ...titles.map((title) => `${matrix} ${title}`)];
  return Object.fromEntries(names.map((name) => [name, "success"]));
}

/** act itself asks the fake `gh` for a token. */
function withoutTokens(calls: readonly string[]): string[] {
  return calls.map((call) => call.trim()).filter((call) =>
    call !== "gh auth token"
  );
}

/** Every other row of a variant's new data: another batch. */
async function halfOf(prefix: string): Promise<string> {
  const text = await Deno.readTextFile(
    `${projectFolder}data/${prefix}/churn/X_test_sample_2.json`,
  );
  const lines = text.trim().split("\n");
  return lines.filter((_, index) => index % 2 === 0).join("\n") + "\n";
}

/** S3 on another port. The host in a signature is not moto's to check. */
function serveCopy(
  moto: MotoServer,
  options: { port: number; signal: AbortSignal },
): Deno.HttpServer {
  return Deno.serve(
    { ...options, hostname: "127.0.0.1", onListen: () => {} },
    (request) => {
      const { pathname, search } = new URL(request.url);
      return fetch(`${moto.endpoint}${pathname}${search}`, {
        method: request.method,
        headers: request.headers,
        body: request.body,
      });
    },
  );
}

/** Players to train with, drawn anew by the generator of the shipped data. */
async function labelledPlayers(variant: string): Promise<string> {
  const path = await Deno.makeTempFile({ suffix: ".jsonl" });
  const { code, stderr } = await run("uv", [
    "run",
    "--quiet",
    "models/generate.py",
    `--variant=${variant}`,
    `--training=${path}`,
    "--seed=7",
  ]);
  strictEqual(code, 0, stderr);
  const text = await Deno.readTextFile(path);
  await Deno.remove(path);
  return text;
}
