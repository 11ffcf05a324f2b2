/** What the workflows promise, read from their files; `act_test.ts` runs them. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { parseYaml } from "../../lib/base/yaml.ts";
import {
  actionlint,
  lint,
  projectFolder,
  run,
  testWithTools,
} from "../support/tools.ts";
import { tempFolder } from "../support/servers.ts";

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly if?: string;
  readonly with?: Record<string, unknown>;
  readonly "timeout-minutes"?: number;
  readonly "continue-on-error"?: boolean;
}

interface Job {
  readonly name?: string;
  readonly "runs-on"?: string;
  readonly "timeout-minutes"?: number;
  readonly permissions?: Record<string, string>;
  readonly environment?: string;
  readonly needs?: string | string[];
  readonly if?: string;
  readonly strategy?: Record<string, unknown>;
  readonly concurrency?: Record<string, unknown>;
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly on: Record<string, Record<string, unknown> | unknown[] | null>;
  readonly permissions?: Record<string, string>;
  readonly jobs: Record<string, Job>;
}

const folder = `${projectFolder}.github/`;
const actionsFolder = `${folder}actions/`;
const texts = new Map<string, string>();
const workflows = new Map<string, Workflow>();
const actions = new Map<
  string,
  { inputs: Record<string, { default?: string }>; runs: { steps: Step[] } }
>();
for (const { name } of Deno.readDirSync(`${folder}workflows`)) {
  const text = Deno.readTextFileSync(`${folder}workflows/${name}`);
  texts.set(name, text);
  workflows.set(name, parseYaml(text, { file: name }) as Workflow);
}
for (const { name } of Deno.readDirSync(`${folder}actions`)) {
  const text = Deno.readTextFileSync(`${folder}actions/${name}/action.yml`);
  texts.set(`actions/${name}`, text);
  actions.set(name, parseYaml(text, { file: name }) as never);
}

function workflow(name: string): Workflow {
  const found = workflows.get(name);
  ok(found, `${name} is missing`);
  return found;
}

function job(file: string, name: string): Job {
  const found = workflow(file).jobs[name];
  ok(found, `${file} has no job ${name}`);
  return found;
}

function eachJob(): [string, Job][] {
  return [...workflows].flatMap(([file, { jobs }]) =>
    Object.entries(jobs).map(([name, job]): [string, Job] => [
      `${file} ${name}`,
      job,
    ])
  );
}

function eachStep(): [string, Step][] {
  return [
    ...eachJob().flatMap(([name, { steps }]) =>
      steps.map((step): [string, Step] => [name, step])
    ),
    ...[...actions].flatMap(([name, { runs }]) =>
      runs.steps.map((step): [string, Step] => [`action ${name}`, step])
    ),
  ];
}

Deno.test("all workflows exist", () => {
  const expected = [
    "audit.yml",
    "ci.yml",
    "image.yml",
    "infrastructure.yml",
    "log-model.yml",
    "predict.yml",
    "promote.yml",
    "retrain.yml",
    "setup.yml",
  ];
  deepStrictEqual(
    expected.filter((name) => !workflows.has(name)),
    [],
  );
});

Deno.test("predict.yml runs on Monday at 00:00 UTC, and once more later that day", () => {
  const crons = (workflow("predict.yml").on.schedule as { cron: string }[])
    .map(({ cron }) => cron);
  strictEqual(crons[0], "0 0 * * 1");
  strictEqual(crons.length, 2);
  match(crons[1] ?? "", /^[1-9]\d? [1-9]\d? \* \* 1$/); // off the full hour, and not the first tick's hour
});

Deno.test("audit.yml audits the packages once a week, and at no push or pull request", () => {
  const { on } = workflow("audit.yml");
  deepStrictEqual(Object.keys(on), ["schedule", "workflow_dispatch"]);
  const crons = (on.schedule as { cron: string }[]).map(({ cron }) => cron);
  strictEqual(crons.length, 1);
  match(crons[0] ?? "", /^\d+ \d+ \* \* [0-6]$/);
  const { steps } = job("audit.yml", "audit");
  const step = steps.find(({ with: inputs }) =>
    inputs?.command === "deno task audit"
  );
  strictEqual(step?.uses, "./.github/actions/retry");
  strictEqual(step?.if, undefined);
});

Deno.test("every dispatch has the inputs geography and company", () => {
  for (
    const name of ["predict", "setup", "log-model", "promote", "retrain"]
  ) {
    const dispatch = workflow(`${name}.yml`).on.workflow_dispatch as {
      inputs: Record<string, { type: string }>;
    };
    strictEqual(dispatch.inputs.geography?.type, "string", name);
    strictEqual(dispatch.inputs.company?.type, "string", name);
  }
});

Deno.test("every job declares its own permissions, and workflows declare none", () => {
  for (const [name, { permissions }] of workflows) {
    deepStrictEqual(permissions, {}, name);
  }
  for (const [name, { permissions }] of eachJob()) {
    ok(permissions, `${name} says nothing of its permissions`);
  }
});

Deno.test("every write permission has a comment with its reason", () => {
  for (const [name, text] of texts) {
    for (const line of text.split("\n")) {
      if (!/^\s+[a-z-]+: write\b/.test(line)) continue;
      match(line, /: write # \S/, `${name}: ${line}`);
    }
  }
});

Deno.test("planning and reporting jobs have no secrets and no cloud access", () => {
  for (const [name, each] of eachJob()) {
    if (!/ (plan|report)$/.test(name) || name.startsWith("infrastructure")) {
      continue;
    }
    deepStrictEqual(each.permissions, { contents: "read" }, name);
    strictEqual(each.environment, undefined, name);
  }
  for (const [name, text] of texts) {
    const plan = text.split(/\n {2}plan:\n/)[1]?.split(/\n {2}\w[\w-]*:\n/)[0];
    if (name === "infrastructure.yml" || plan === undefined) continue;
    ok(!/secrets\.|github\.token|aws/.test(plan), `${name}: plan`);
  }
});

Deno.test("every job has a name, a time limit and an allowed runner", () => {
  const runners = [
    "ubuntu-24.04",
    "${{ startsWith(vars.RUNNER, 'codebuild-') && format('{0}-{1}-{2}', vars.RUNNER, github.run_id, github.run_attempt) || vars.RUNNER || 'ubuntu-24.04' }}",
  ];
  for (const [name, each] of eachJob()) {
    ok(each.name, `${name} has no name`);
    ok(each["timeout-minutes"], `${name} has no time limit`);
    ok(
      runners.includes(each["runs-on"] ?? ""),
      `${name} runs on ${each["runs-on"]}`,
    );
  }
});

Deno.test("a job's time limit exceeds those of its steps, so that a slow step fails instead of being cancelled", () => {
  for (const [name, each] of eachJob()) {
    const limits = each.steps.map((step) => step["timeout-minutes"] ?? 0);
    const sum = limits.reduce((a, b) => a + b, 0);
    ok(sum < (each["timeout-minutes"] ?? 0), name);
  }
  for (const [name, step] of eachStep()) {
    if (!step.uses?.endsWith("/retry")) continue;
    ok(step["timeout-minutes"], `${name}: ${step.name}`);
  }
});

Deno.test("an AWS session lasts longer than the steps that need it", () => {
  for (const [name, { steps }] of eachJob()) {
    const login = steps.find(({ with: inputs }) => inputs?.settings);
    if (!login) continue;
    const seconds = Number(login.with?.["session-seconds"] ?? 3600);
    const minutes = steps.map((step) => step["timeout-minutes"] ?? 0)
      .reduce((a, b) => a + b, 0);
    ok(minutes > 0 && minutes * 60 < seconds, name);
  }
});

Deno.test("every third-party action is pinned to a commit, with its version in a comment", () => {
  for (const [name, text] of texts) {
    for (const line of text.split("\n")) {
      const uses = /^\s*(?:- )?uses: (\S+)(.*)$/.exec(line);
      if (!uses || uses[1]?.startsWith("./")) continue;
      match(
        line,
        /uses: [\w.-]+\/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/,
        `${name}: ${line}`,
      );
    }
  }
});

Deno.test("each action is used in one version", () => {
  const pins = new Map<string, Set<string>>();
  for (const [, { uses = "" }] of eachStep()) {
    const [action = "", commit = ""] = uses.split("@");
    if (commit) pins.set(action, (pins.get(action) ?? new Set()).add(commit));
  }
  ok(pins.size > 5);
  for (const [action, commits] of pins) strictEqual(commits.size, 1, action);
});

Deno.test("no checkout persists its token", () => {
  for (const [name, { uses, with: inputs }] of eachStep()) {
    if (!uses?.startsWith("actions/checkout@")) continue;
    strictEqual(inputs?.["persist-credentials"], false, name);
  }
});

Deno.test("no run script contains an expression, which GitHub would paste into the shell", () => {
  for (const [name, step] of eachStep()) {
    ok(!step.run?.includes("${{"), `${name}: ${step.name}`);
  }
});

Deno.test("no job with cloud credentials uses the package cache", () => {
  for (const [name, each] of eachJob()) {
    if (each.permissions?.["id-token"] === undefined) continue;
    for (const { uses = "", with: inputs = {} } of each.steps) {
      ok(!uses.startsWith("actions/cache@"), name);
      ok(["undefined", "false"].includes(String(inputs.cache)), name);
      if (uses.includes("setup-uv")) {
        strictEqual(inputs["enable-cache"], false, name);
      }
    }
  }
  strictEqual(actions.get("setup")?.inputs.cache?.default, "false");
});

Deno.test("a failed variant does not stop others, and a later run does not cancel a running one", () => {
  for (const [name, each] of eachJob()) {
    if (each.strategy === undefined) continue;
    strictEqual(each.strategy["fail-fast"], false, name);
    strictEqual(each.concurrency?.["cancel-in-progress"], false, name);
    match(String(each.concurrency?.group), /\$\{\{ matrix\.slug \}\}$/, name);
  }
});

Deno.test("predict.yml scores without the fallback, and retries in one layer", () => {
  const step = job("predict.yml", "score").steps.find(({ uses }) =>
    uses?.endsWith("/retry")
  );
  match(
    String(step?.with?.command),
    / --no-fallback --retries 0 --time-limit 50 --json$/,
  );
  const inputs = actions.get("retry")?.inputs;
  strictEqual(inputs?.retries?.default, "3");
  strictEqual(inputs?.["delay-seconds"]?.default, "60");
});

Deno.test("predict.yml raises an alert if any of its jobs fails or is cancelled", () => {
  const { jobs } = workflow("predict.yml");
  const alert = job("predict.yml", "alert");
  match(alert.if ?? "", /^\$\{\{ always\(\) && /);
  match(alert.if ?? "", /contains\(needs\.\*\.result, 'failure'\)/);
  match(alert.if ?? "", /contains\(needs\.\*\.result, 'cancelled'\)/);
  deepStrictEqual(
    [alert.needs].flat().toSorted(),
    Object.keys(jobs).filter((name) => name !== "alert").toSorted(),
  );
  // A failure of scoring and one of monitoring have issues of their own.
  const text = texts.get("predict.yml") ?? "";
  const [, scoring = ""] = /SCORING: (.*)/.exec(text) ?? [];
  deepStrictEqual(
    [...scoring.matchAll(/needs\.(\w+)\.result/g)].map(([, name]) => name),
    ["plan", "score", "report", "heartbeat"],
  );
});

Deno.test("predict.yml monitors after scoring, which does not depend on it, and retrains only where a variable allows it", () => {
  const { steps } = job("predict.yml", "score");
  const names = steps.map(({ name }) => name);
  ok(names.indexOf("Monitor") > names.indexOf("Score"));
  const monitor = steps.find(({ name }) => name === "Monitor");
  strictEqual(monitor?.["continue-on-error"], true);
  match(
    String(monitor?.with?.command),
    /^deno task monitor .* --fail-on data,drift,performance .*--retries 0/,
  );
  const retrain = job("predict.yml", "retrain");
  match(retrain.if ?? "", /vars\.CHURN_AUTO_RETRAIN == 'true'/);
  deepStrictEqual(retrain.permissions, { actions: "write" });
  deepStrictEqual(job("predict.yml", "monitoring").permissions, {
    contents: "read",
    issues: "write",
  });
});

Deno.test("promotion needs approval: only promote.yml promotes, in a protected environment", () => {
  strictEqual(job("promote.yml", "promote").environment, "promotion");
  for (const [name, text] of texts) {
    if (name === "promote.yml") continue;
    if (name === "ci.yml") continue; // its database ends with the job
    ok(!/deno task promote|--stage|champion --/.test(text), name);
  }
});

Deno.test("dependabot proposes releases only after a week", async () => {
  const text = await Deno.readTextFile(`${folder}dependabot.yml`);
  const { updates } = parseYaml(text, { file: "dependabot.yml" }) as {
    updates: { cooldown: Record<string, number> }[];
  };
  ok(updates.length > 0);
  for (const { cooldown } of updates) strictEqual(cooldown["default-days"], 7);
});

/** Runs retry.sh around a script that ends with one code of the list at each call. */
async function retried(codes: number[]) {
  await using folder = await tempFolder();
  const count = `${folder.path}/count`;
  await Deno.writeTextFile(
    `${folder.path}/command`,
    `#!/bin/bash
echo x >>${count}
n=$(wc -l <${count})
codes=(${codes.join(" ")})
echo "{\\"attempt\\": $n}"
exit "\${codes[n - 1]}"
`,
    { mode: 0o755 },
  );
  const finished = await run("bash", [`${actionsFolder}retry/retry.sh`], {
    env: {
      COMMAND: `${folder.path}/command  ; $(touch ${folder.path}/injected) *`,
      RESULT: `${folder.path}/results/result.json`,
      RETRIES: "3",
      DELAY_SECONDS: "0",
    },
  });
  return {
    ...finished,
    attempts: (await Deno.readTextFile(count)).trim().split("\n").length,
    result: await Deno.readTextFile(`${folder.path}/results/result.json`),
    injected: await Deno.stat(`${folder.path}/injected`).then(
      () => true,
      () => false,
    ),
  };
}

Deno.test("retry.sh runs a successful command once, and saves its output", async () => {
  const { code, attempts, result } = await retried([0]);
  deepStrictEqual([code, attempts, result], [0, 1, '{"attempt": 1}\n']);
});

Deno.test("retry.sh retries only exit code 75, and reports it", async () => {
  const back = await retried([75, 75, 0]);
  deepStrictEqual([back.code, back.attempts], [0, 3]);
  strictEqual(back.result, '{"attempt": 3}\n');
  match(back.stdout, /Attempt 1 of 4 ended with exit code 75/);
  match(back.stdout, /Attempt 2 of 4 ended with exit code 75/);
  for (const final of [1, 2, 3]) {
    const { code, attempts } = await retried([final]);
    deepStrictEqual([code, attempts], [final, 1]);
  }
});

Deno.test("retry.sh gives up after three retries with exit code 75", async () => {
  const { code, attempts, stdout } = await retried([75, 75, 75, 75, 0]);
  deepStrictEqual([code, attempts], [75, 4]);
  match(stdout, /::error::Gave up after 4 attempts/);
});

Deno.test("retry.sh does not evaluate its command in a shell", async () => {
  strictEqual((await retried([0])).injected, false);
});

Deno.test("plan.sh prints only its own workflow command, whatever the inputs contain", async () => {
  for (
    const hostile of [
      "US\n::warning::forged",
      "US\r::stop-commands::x",
      "##[add-mask]x",
    ]
  ) {
    const { code, stdout, stderr } = await run("bash", [
      `${actionsFolder}plan/plan.sh`,
    ], {
      env: {
        GEOGRAPHY: hostile,
        COMPANY: "",
        CHANGED: "",
        GITHUB_OUTPUT: "/dev/null",
        GITHUB_STEP_SUMMARY: "/dev/null",
      },
    });
    strictEqual(code, 2);
    const commands = `${stdout}\n${stderr}`.split(/[\r\n]+/).filter((line) =>
      /^\s*::|##\[/.test(line)
    );
    strictEqual(commands.length, 1, commands.join("\n"));
    match(commands[0]!, /^::error::Cannot find geography /);
  }
});

/** Runs settings.sh on variables; gives back what the job's environment gains. */
async function settings(variables: Record<string, string>) {
  await using folder = await tempFolder();
  const file = `${folder.path}/env`;
  await Deno.writeTextFile(file, "");
  const finished = await run("bash", [`${actionsFolder}setup/settings.sh`], {
    env: { SETTINGS: JSON.stringify(variables), GITHUB_ENV: file },
  });
  return { ...finished, gained: await Deno.readTextFile(file) };
}

Deno.test("settings.sh passes on only the settings that the scripts read", async () => {
  const { code, gained } = await settings({
    MLFLOW_SECRET_NAME: "mlflow",
    MLFLOW_DB_HOST: "db.internal\nPATH=/evil",
    PREDICTIONS_SECRET_NAME: "",
    CHURN_HOSTS: "db.internal:5432",
    CHURN_ALERT_REMINDER_DAYS: "14",
    CHURN_ALERT_WEBHOOK: "https://hooks.example/secret",
    CHURN_HOME: "/evil",
    PGSSLMODE: "verify-full",
    PATH: "/evil",
    PREDICTIONS_DATABASE_URL: "postgresql://u:password@h/d",
    RUNNER: "codebuild",
  });
  strictEqual(code, 0);
  deepStrictEqual(gained.trim().split("\n"), [
    "MLFLOW_SECRET_NAME=mlflow",
    "MLFLOW_DB_HOST=db.internalPATH=/evil",
    "CHURN_HOSTS=db.internal:5432",
    "CHURN_ALERT_REMINDER_DAYS=14",
    "PGSSLMODE=verify-full",
  ]);
});

Deno.test("settings.sh rejects a repository where nothing is configured", async () => {
  for (const variables of [{}, { MLFLOW_S3_BUCKET: "b" }]) {
    const { code, gained, stdout } = await settings(
      variables as Record<string, string>,
    );
    deepStrictEqual([code, gained], [2, ""]);
    match(stdout, /::error::Cannot reach any service/);
  }
});

testWithTools("actionlint, with shellcheck, finds nothing", async () => {
  const { stdout, stderr, code } = await actionlint([]);
  deepStrictEqual([stdout, stderr, code], ["", "", 0]);
});

testWithTools(
  "actionlint runs shellcheck: it reports an unquoted variable in a run script",
  async () => {
    await using folder = await tempFolder();
    const file = `${folder.path}/bad.yml`;
    await Deno.writeTextFile(
      file,
      "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: rm $FILE\n",
    );
    const { stdout, code } = await actionlint([file]);
    strictEqual(code, 1);
    match(stdout, /SC2086/);
  },
);

testWithTools(
  "shellcheck finds nothing in the scripts of the actions",
  async () => {
    const scripts = [...actions.keys()].flatMap((name) =>
      [...Deno.readDirSync(`${actionsFolder}${name}`)]
        .filter(({ name }) => name.endsWith(".sh"))
        .map((file) => `${actionsFolder}${name}/${file.name}`)
    );
    ok(scripts.length >= 5);
    scripts.push(`${projectFolder}infrastructure/plan.sh`);
    const { stdout, code } = await lint("shellcheck", scripts);
    deepStrictEqual([stdout, code], ["", 0]);
  },
);

testWithTools("zizmor finds nothing in pedantic offline mode", async () => {
  const { stdout, code } = await lint("zizmor", [
    "--offline",
    "--persona=pedantic",
    "--format=plain",
    ".github",
  ]);
  match(stdout, /No findings to report/);
  strictEqual(code, 0);
});
