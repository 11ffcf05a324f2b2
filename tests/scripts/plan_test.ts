/** `plan` and `predict --dry-run`: what they announce is what `predict` then does, and they change nothing. */
import {
  deepStrictEqual,
  doesNotMatch,
  match,
  ok,
  strictEqual,
} from "node:assert/strict";
import { putObject } from "../support/aws.ts";
import { type Ended, runCommand } from "../support/commands.ts";
import { readDatabaseState } from "../support/database_state.ts";
import { readTree } from "../support/file_tree.ts";
import { openProject } from "../support/project.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { tempFolder } from "../support/servers.ts";
import { startWorld } from "../support/world.ts";

/** What a plan and a prediction say of each input. */
function summaryOf({ report }: Ended) {
  return report.inputs.map((
    { input, period, rows }: { input: string; period: string; rows: number },
  ) => ({ input, period, rows }));
}

Deno.test("plan on an empty store says what the first predict will do, which then does it", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home` };
  const planned = await runCommand("plan", [], { env });
  deepStrictEqual(
    [planned.report.status, planned.report.first_run, planned.report.rows],
    ["planned", true, 1200],
  );
  strictEqual(planned.report.output, `${folder.path}/home/database`);
  const text = (await runCommand("plan", [], { env, json: false })).stdout;
  match(
    text,
    /^Plan for base: score 3 periods in 3 files, 1,200 rows, 215 kB$/m,
  );
  match(text, /^ +setup +first run: register models\/churn/m);
  match(
    text,
    /models\/churn\/xgb_churn_model_2\.bin as churn-prediction-model version 1/,
  );
  match(text, /version 1, stage Production after the first run$/m);
  match(text, /To score: `deno task predict`$/m);
  ok(text.split("\n").every((line) => line.length <= 100), text);
  const all = await runCommand("plan", ["--all"], { env });
  deepStrictEqual(
    all.report.variants.map(({ status }: { status: string }) => status),
    ["planned", "planned", "planned", "planned"],
  );
  const dry = await runCommand("predict", ["--dry-run"], { env });
  deepStrictEqual(
    [dry.report.status, dry.report.plan.status, dry.report.plan.first_run],
    ["dry-run", "planned", true],
  );
  const inputs = (each: Ended["report"]) =>
    each.inputs.map((
      { input, action, bytes, rows }: Record<string, unknown>,
    ) => [input, action, bytes, rows]);
  deepStrictEqual(inputs(dry.report.plan), inputs(planned.report));
  deepStrictEqual([...Deno.readDirSync(folder.path)], []);

  const done = await runCommand("predict", [], { env });
  deepStrictEqual(summaryOf(planned), summaryOf(done));
  deepStrictEqual(
    [planned.report.model_name, planned.report.model_version],
    [done.report.model_name, done.report.model_version],
  );
});

Deno.test("plan and a dry run change no byte of an existing store", async () => {
  await using folder = await tempFolder();
  const home = `${folder.path}/home`;
  const env = { CHURN_HOME: home };
  await runCommand("predict", ["--period", "2026-11-16"], { env });
  const before = readTree(home);
  ok(Object.keys(before).length > 900);
  const { report } = await runCommand("plan", [], { env });
  deepStrictEqual(
    report.inputs.map((
      { period, action }: Record<string, string>,
    ) => [period, action]),
    [
      ["2026-11-09", "score"],
      ["2026-11-23", "score"],
      ["2026-11-16", "skip"],
    ],
  );
  strictEqual(report.model_stage, "Production");
  await runCommand("predict", ["--dry-run"], { env });
  const again = ["--force", "--period", "2026-11-16"];
  const forced = await runCommand("plan", again, { env });
  strictEqual(forced.report.inputs[0].action, "score-again");
  strictEqual(
    forced.report.command,
    "deno task predict --period 2026-11-16 --force",
  );
  const output = `${folder.path}/scores.parquet`;
  const toFile = await runCommand("plan", ["--output", output], { env });
  deepStrictEqual(
    [toFile.report.output_kind, toFile.report.output],
    ["file", output],
  );
  deepStrictEqual(readTree(folder.path), {
    "home/": "folder",
    ...Object.fromEntries(
      Object.entries(before).map(([path, state]) => [`home/${path}`, state]),
    ),
  });

  await runCommand("predict", [], { env });
  const nothing = await runCommand("plan", [], { env, json: false });
  match(nothing.stdout, /^Plan for base: nothing new to score$/m);
  match(nothing.stdout, /there is nothing to do/);
});

Deno.test("a dry run leaves the runs of killed processes to the next predict", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home` };
  const { report } = await runCommand("predict", [], { env });
  const { openPglite } = await import("../../lib/database/pglite.ts");
  const open = () => openPglite(`${folder.path}/home/database`);
  {
    await using database = await open();
    await database.query(
      "update runs set status = 'RUNNING', end_time = null where run_uuid = $1",
      [report.run_id],
    );
  }
  const statusOf = async () => {
    await using database = await open();
    const [row] = await database.query<{ status: string }>(
      "select status from runs where run_uuid = $1",
      [report.run_id],
    );
    return row?.status;
  };
  await runCommand("predict", ["--dry-run", "--force"], { env });
  strictEqual(await statusOf(), "RUNNING");
  await runCommand("predict", [], { env });
  strictEqual(await statusOf(), "FINISHED");
});

testWithPython(
  "plan takes rows from Parquet footers and side files, and leaves those of large texts open",
  async () => {
    await using project = await openProject("variants: [{}]\n");
    const { files } = project;
    const python = await runPython(
      "columnar",
      `import json, sys
import pyarrow, pyarrow.parquet as parquet
rows = [json.loads(line) for line in open("data/churn/weekly/2026-11-23.jsonl")]
table = pyarrow.Table.from_pylist(rows * 200)
parquet.write_table(table, sys.argv[1] + "/week.parquet", row_group_size=30000)
print(json.dumps([parquet.read_metadata(sys.argv[1] + "/week.parquet").num_rows, pyarrow.__version__]))
with open(sys.argv[1] + "/week.jsonl", "w") as out:
    for row in rows * 200: out.write(json.dumps(row) + "\\n")
`,
      { args: [files] },
    );
    const [rows] = JSON.parse(python.stdout);
    const named = (name: string) => ["--input", `${files}/${name}`];
    const parquet = await project.run("plan", named("week.parquet"));
    deepStrictEqual(
      [parquet.report.rows, parquet.report.inputs[0].rows_from],
      [rows, "footer"],
    );
    const lines = await project.run("plan", named("week.jsonl"));
    deepStrictEqual(
      [lines.report.rows, lines.report.inputs[0].rows_from],
      [null, null],
    );
    strictEqual(
      lines.report.bytes,
      (await Deno.stat(`${files}/week.jsonl`)).size,
    );

    // A file that predict would refuse is refused by the plan, with the same words.
    await Deno.writeTextFile(`${files}/bad.jsonl`, '{"player_id": 1\n');
    const bad = await project.run("plan", named("bad.jsonl"), 1);
    strictEqual(bad.report.status, "failed");
    const refused = await project.run("predict", named("bad.jsonl"), 1);
    strictEqual(bad.report.error, refused.report.error);
  },
);

Deno.test("plan says what is incomplete and overdue, with the exit code that --fail-on sets", async () => {
  const weekly = "inputs: data/churn/weekly/{period}.jsonl";
  await using project = await openProject(
    `${weekly}\nexpect: {max_age_days: 1, min_rows: 500}\nvariants: [{}]\n`,
  );
  const { report } = await project.run("plan", [
    "--fail-on",
    "overdue,incomplete",
  ], 3);
  strictEqual(report.status, "incomplete");
  deepStrictEqual(
    report.problems.map((
      { kind, period }: Record<string, string>,
    ) => [kind, period]),
    [
      ["incomplete", "2026-11-23"],
      ["incomplete", "2026-11-16"],
      ["incomplete", "2026-11-09"],
      ["overdue", "2026-11-23"],
    ],
  );
  await project.run("plan");
});

testWithPython(
  "plan on Postgres and S3 reads only, and never shows a password",
  async () => {
    await using world = await startWorld("geography-us");
    const { env, moto, bucket, postgres } = world;
    const us = ["--geography", "US"];
    const run = (name: string, args: readonly string[] = us, code = 0) =>
      runCommand(name, args, { env, code });
    match(
      (await run("plan", us, 1)).report.error,
      /deno task setup --geography US/,
    );
    await run("setup");
    match((await run("plan", us, 1)).report.error, /deno task log-model/);
    await run("log-model");
    match((await run("plan", us, 1)).report.error, /deno task promote/);
    await run("promote", [...us, "--version", "1"]);
    const file = `${bucket}/geography-us/data/churn/weekly/2026-W48.jsonl`;
    await putObject(
      moto,
      file,
      await Deno.readTextFile(
        "data/geography-us/churn/weekly/2026-11-23.jsonl",
      ),
    );

    const listed = async () => {
      const response = await fetch(`${moto.endpoint}/${bucket}?list-type=2`);
      return await response.text();
    };
    const state = async () => ({
      mlflow: await readDatabaseState(postgres, "mlflow_db"),
      predictions: await readDatabaseState(postgres, "predictions"),
      bucket: await listed(),
    });
    const before = await state();
    const planned = await run("plan");
    await run("predict", [...us, "--dry-run"]);
    const text = await runCommand("plan", us, { env, json: false });
    deepStrictEqual(await state(), before);
    deepStrictEqual(
      [planned.report.output_kind, planned.report.output],
      ["postgres", `postgres@127.0.0.1:${postgres.port}/predictions`],
    );
    deepStrictEqual(planned.report.inputs, [{
      input: `s3://${file}`,
      files: [{ uri: `s3://${file}`, bytes: planned.report.bytes }],
      data_source: "s3",
      period: "2026-11-23",
      action: "score",
      rows: 400,
      rows_from: "counted",
      bytes: planned.report.bytes,
    }]);
    for (const { stdout, stderr } of [planned, text]) {
      doesNotMatch(stdout + stderr, /p@ss|p%40ss/);
    }

    const done = await run("predict");
    deepStrictEqual(summaryOf(planned), summaryOf(done));
    await run("log-model", [...us, "--force"]);
    await run("promote", [...us, "--version", "2"]);
    const after = await runCommand("plan", us, { env, json: false });
    match(
      after.stdout,
      /scored with churn-prediction-model-us version 1;\nto score them with version 2: `deno task predict --geography US --period 2026-11-23 --force`\n/,
    );
  },
);

Deno.test("plan, a dry run and predict refuse the same outputs, before anything is read", async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  const env = { CHURN_HOME: `${path}/home` };
  await Deno.writeTextFile(`${path}/file`, "");
  await Deno.mkdir(`${path}/folder.csv`);
  // In a folder of its own, because readTree() reads every file.
  await using other = await tempFolder();
  const socket = `${other.path}/socket.csv`;
  using _listener = Deno.listen({ transport: "unix", path: socket });
  const lines = (await Deno.readTextFile("data/churn/weekly/2026-11-23.jsonl"))
    .split("\n").slice(0, 3).join("\n");
  await Deno.writeTextFile(`${path}/week.jsonl`, lines);
  const before = readTree(path);
  const refused: readonly (readonly [args: string[], message: RegExp])[] = [
    [["--output", `${path}/file/scores.csv`], /file\/scores\.csv: its folder/],
    [["--output", `${path}/folder.csv`], /folder\.csv: it is a folder/],
    [
      ["--output", socket],
      /socket\.csv: it is a socket, pipe or device; name a file/,
    ],
    [
      ["--input", `${path}/week.jsonl`, "--output", `${path}/week.jsonl`],
      /--output .*week\.jsonl: it is also an input/,
    ],
    [
      ["--output", `${path}/a.csv`, "--bad-rows", `${path}/file/bad.jsonl`],
      /file\/bad\.jsonl: its folder/,
    ],
  ];
  for (const [args, message] of refused) {
    const calls = [["plan"], ["predict", "--dry-run"], ["predict"]] as const;
    for (const [name, ...more] of calls) {
      const ended = await runCommand(name, [...more, ...args], {
        env,
        code: 2,
      });
      match(ended.report.error, message);
      if (name === "plan") deepStrictEqual(readTree(path), before);
    }
    await Deno.remove(`${path}/home`, { recursive: true }).catch(() => {});
  }
  // What can be written leaves no trace of the check.
  const args = ["--output", `${path}/new/scores.csv`];
  await runCommand("plan", args, { env });
  await runCommand("predict", ["--dry-run", ...args], { env });
  deepStrictEqual(readTree(path), before);
});

Deno.test("plan of a first run refuses the files that log-model would refuse", async () => {
  await using project = await openProject("variants: [{}]\n");
  const model = `${project.path}/models/churn/xgb_churn_model_2.bin`;
  const names = `${project.path}/data/churn/feature_names_3.json`;
  const bytes = await Deno.readFile(model);
  const refusals = async () => {
    const planned = await project.run("plan", [], 1);
    const done = await project.run("predict", [], 1);
    return [planned.report.error, done.report.error];
  };
  await Deno.writeFile(model, new Uint8Array());
  const [empty, emptyToo] = await refusals();
  strictEqual(empty, emptyToo);
  match(empty, /xgb_churn_model_2\.bin/);
  const checked = await project.run("doctor", []);
  const files = checked.report.checks.find((
    { group, title }: Record<string, string>,
  ) => group === "Files" && title === "base");
  strictEqual(files.state, "warning");
  match(files.detail, /empty \(0 bytes\) in .*xgb_churn_model_2\.bin/);
  await Deno.writeFile(model, bytes);
  await Deno.remove(names);
  const [missing, missingToo] = await refusals();
  strictEqual(missing, missingToo);
  match(missing, /feature_names_3\.json/);
});

Deno.test("the command that a plan prints is the call with all that matters, and runs", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home` };
  await runCommand("predict", ["--period", "2026-11-16"], { env });
  const args = [
    "--period",
    "2026-11-16",
    "--force",
    "--idempotency-key",
    "run-1",
    "--fail-on",
    "overdue,incomplete",
  ];
  const { report } = await runCommand("plan", args, { env });
  strictEqual(
    report.command,
    "deno task predict --period 2026-11-16 --fail-on overdue,incomplete --force --idempotency-key run-1",
  );
  const pasted = report.command.split(" ").slice(3);
  const done = await runCommand("predict", pasted, { env });
  strictEqual(done.report.inputs[0].attempt, 2);
  const again = await runCommand("predict", pasted, { env, json: false });
  // Another request: the same key would score nothing.
  match(
    again.stdout,
    /`deno task predict --period 2026-11-16 --fail-on overdue,incomplete --force` scores them again/,
  );
});

Deno.test("a plan with unusable or incomplete data says what its command does with the others", async () => {
  await using project = await openProject(
    "inputs: data/churn/weekly/{period}.jsonl\nvariants: [{}]\n",
  );
  const weekly = `${project.path}/data/churn/weekly`;
  await Deno.writeTextFile(
    `${weekly}/2026-11-16.manifest.json`,
    '{"rows": 500}',
  );
  const state = async (args: string[], code: number) => {
    const { report } = await project.run("plan", args, code);
    const text = (await runCommand("plan", args, {
      env: { CHURN_HOME: `${project.files}/home` },
      code,
      json: false,
      folder: project.path,
    })).stdout;
    const actions = report.inputs.map((
      { action }: Record<string, string>,
    ) => action);
    return { actions, text };
  };
  const waiting = await state([], 0);
  deepStrictEqual(waiting.actions, ["score", "wait", "score"]);
  match(waiting.text, /^Plan for base: score 2 periods in 2 files, 800 rows/m);
  match(
    waiting.text,
    /`deno task predict` scores 2 of 3 batches; the data marked with ! are not complete yet$/m,
  );
  await Deno.writeTextFile(`${weekly}/2026-11-09.jsonl`, "{");
  const failing = await state([], 1);
  deepStrictEqual(failing.actions, ["fail", "wait", "score"]);
  match(
    failing.text,
    /scores 1 of 3 batches; correct the data marked with ✗ first to score all$/m,
  );
  const alone = await state(["--period", "2026-11-09"], 1);
  deepStrictEqual(alone.actions, ["fail"]);
  match(alone.text, /^Plan for base: nothing can be scored$/m);
  match(
    alone.text,
    /Correct the data marked with ✗ first, then score: `deno task predict --period 2026-11-09`$/m,
  );
  // A file gets the scores of all batches, or none.
  const file = await state(["--output", `${project.files}/all.csv`], 1);
  match(file.text, /Correct the data marked with ✗ first, then score: /);
});

Deno.test("plan and a dry run warn of a period in the future as predict does", async () => {
  await using project = await openProject(
    await Deno.readTextFile("variants.yaml"),
  );
  const weekly = `${project.path}/data/churn/weekly`;
  await Deno.copyFile(
    `${weekly}/2026-11-23.jsonl`,
    `${weekly}/2099-01-05.jsonl`,
  );
  const future = ["--period", "2099-01-05"];
  const warning =
    /WARNING: .*2099-01-05\.jsonl is for 2099-01-05, which begins in \d+ days; churn_predictions_current shows it/;
  const same = /WARNING: .*has the same content as the data of 2026-11-23/;
  match((await project.run("plan", future)).stderr, warning);
  const all = await project.run("predict", ["--dry-run"]);
  match(all.stderr, warning);
  match(all.stderr, same);
  const done = await project.run("predict");
  match(done.stderr, warning);
  match(done.stderr, same);
  // In a file, nothing is hidden.
  const file = ["--output", `${project.files}/a.csv`];
  doesNotMatch(
    (await project.run("plan", [...future, ...file])).stderr,
    warning,
  );
});
