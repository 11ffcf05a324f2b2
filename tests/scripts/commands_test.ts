/** The scripts as a user runs them: as programs, with the permissions of deno.json, on real services. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { openPostgres } from "../../lib/database/postgres.ts";
import {
  deleteObject,
  makeBucket,
  putObject,
  putSecret,
} from "../support/aws.ts";
import { copyProject } from "../support/checkout.ts";
import { runCommand } from "../support/commands.ts";
import { openDatabase } from "../support/mlflow_stores.ts";
import { runPython, testWithPython } from "../support/python.ts";
import {
  hasSeed,
  readSeed,
  seedFolder,
  seedProbabilities,
  testWithSeed,
} from "../support/seed.ts";
import { startMoto, startPostgres, tempFolder } from "../support/servers.ts";

const bucket = "churn-models";
const quick = ["--retries", "1", "--retry-delay", "0.1"];
const us = ["--geography", "US", ...quick];

/** A checkout whose variants name no player: the user's own sample has no ids. */
async function copyWithoutIds(): Promise<{ path: string } & AsyncDisposable> {
  const project = await copyProject();
  const path = `${project.path}/variants.yaml`;
  const text = await Deno.readTextFile(path);
  const changed = text.replace("id_column: player_id", "id_column: none");
  await Deno.writeTextFile(path, changed);
  return project;
}

Deno.test("predict sets up, logs, promotes and scores on the embedded default, once", async () => {
  await using home = await tempFolder();
  const env = { CHURN_HOME: home.path };
  const first = await runCommand("predict", [], { env });
  strictEqual(first.report.status, "scored");
  strictEqual(first.report.model_version, 1);
  const weeks = ["2026-11-09", "2026-11-16", "2026-11-23"];
  deepStrictEqual(
    first.report.inputs.map((
      { period, status, rows }: Record<string, unknown>,
    ) => [period, status, rows]),
    await Promise.all(weeks.map(async (week) => [
      week,
      "scored",
      await countLines(`data/churn/weekly/${week}.jsonl`),
    ])),
  );
  match(first.stderr, /^Registering the model of base, models\/churn/m);

  const second = await runCommand("predict", [], { env });
  strictEqual(second.report.status, "nothing-new");
  const { report } = await runCommand("query", [
    "select count(*) as rows from churn_predictions",
  ], { env });
  deepStrictEqual(report.result, [{ rows: first.report.rows }]);

  const forced = await runCommand("predict", ["--force"], { env });
  deepStrictEqual(
    forced.report.inputs.map((
      { period, status, attempt }: Record<string, unknown>,
    ) => [period, status, attempt]),
    [
      ["2026-11-16", "nothing-new", 1],
      ["2026-11-23", "scored", 2],
    ],
  );
  const counts = await runCommand(
    "query",
    ["select (select count(*) from churn_predictions) as all, (select count(*) from churn_predictions_current) as current"],
    { env },
  );
  const rowsOf = await Promise.all(
    weeks.map((week) => playersOf(`data/churn/weekly/${week}.jsonl`)),
  );
  deepStrictEqual(counts.report.result, [{
    all: first.report.rows + rowsOf[2]!.length,
    current: new Set(rowsOf.flat()).size,
  }]);
});

Deno.test("predict --all scores every variant in variants.yaml on the embedded default", async () => {
  await using home = await tempFolder();
  const env = { CHURN_HOME: home.path };
  const { report } = await runCommand("predict", ["--all"], { env });
  const rows = report.variants.map((
    { variant, status, model_version }: Record<string, unknown>,
  ) => [variant, status, model_version]);
  deepStrictEqual(rows, [
    ["base", "scored", 1],
    ["geography-us", "scored", 1],
    ["geography-eu/company-clientb", "scored", 1],
    ["company-clienta", "scored", 1],
  ]);
});

testWithPython(
  "predict writes the same scores to CSV, JSON Lines and Parquet as to the table",
  async () => {
    await using home = await tempFolder();
    const env = { CHURN_HOME: `${home.path}/home`, CHURN_FILES: home.path };
    await runCommand("predict", [], { env });
    const { report } = await runCommand("query", [
      "select player_id, churn_probability from churn_predictions order by scoring_run_id, row_number",
    ], { env });
    const expected = report.result;
    await runCommand("predict", ["--output", `${home.path}/scores.jsonl`], {
      env,
    });
    await runCommand("predict", ["--output", `${home.path}/scores.csv`], {
      env,
    });
    const lines = (await Deno.readTextFile(`${home.path}/scores.jsonl`)).trim()
      .split("\n").map((line) => JSON.parse(line));
    deepStrictEqual(
      lines.map(({ player_id, churn_probability }) => ({
        player_id,
        churn_probability,
      })),
      expected,
    );
    await runCommand("predict", ["--output", `${home.path}/scores.parquet`], {
      env,
    });
    // pandas with pyarrow, as the pinned peer has them.
    const read =
      `import json, pandas, sys; json.dump(pandas.read_parquet(sys.argv[1])[["player_id", "churn_probability"]].to_dict("records"), sys.stdout)`;
    const { stdout } = await runPython("mlflow-3.17.2", read, {
      args: [`${home.path}/scores.parquet`],
    });
    deepStrictEqual(JSON.parse(stdout), expected);
    const csv = (await Deno.readTextFile(`${home.path}/scores.csv`)).trim()
      .split(
        "\n",
      ).slice(1).map((line) => line.split(","));
    deepStrictEqual(
      csv.map(([player_id, score]) => ({
        player_id,
        churn_probability: Number(score),
      })),
      expected,
    );
  },
);

Deno.test("predict names row, line and column of bad data, exits 1, and stores nothing", async () => {
  await using home = await tempFolder();
  const env = { CHURN_HOME: `${home.path}/home`, CHURN_FILES: home.path };
  const good = (await Deno.readTextFile("data/churn/X_test_sample_2.json"))
    .trim().split("\n").slice(0, 3);
  const cases = {
    'row 2 \\(line 2\\), column "total_handle": expected a number': good[1]!
      .replace(/"total_handle":[^,]*/, '"total_handle":"12,5"'),
    "line 2: .*expected one JSON object": good[1]!.slice(0, 40),
  };
  for (const [message, line] of Object.entries(cases)) {
    const path = `${home.path}/bad.jsonl`;
    await Deno.writeTextFile(path, [good[0], line, good[2]].join("\n"));
    const { stderr, report } = await runCommand("predict", ["--input", path], {
      env,
      code: 1,
    });
    match(stderr, new RegExp(message));
    strictEqual(report.status, "failed");
  }
  const { report } = await runCommand("query", [
    "select count(*) as rows from churn_predictions",
  ], { env });
  deepStrictEqual(report.result, [{ rows: 0 }]);
});

Deno.test("predict waits for the process that has the embedded database, then both succeed", async () => {
  await using home = await tempFolder();
  const env = { CHURN_HOME: home.path };
  const runs = await Promise.all(
    [1, 2, 3].map(() => runCommand("predict", [], { env })),
  );
  deepStrictEqual(runs.map(({ report }) => report.status).sort(), [
    "nothing-new",
    "nothing-new",
    "scored",
  ]);
  const { report } = await runCommand("query", [
    "select count(*) as rows from scoring_runs",
  ], { env });
  deepStrictEqual(report.result, [{ rows: 3 }]);
});

Deno.test("query prints CSV and cannot write", async () => {
  await using home = await tempFolder();
  const env = { CHURN_HOME: home.path };
  await runCommand("predict", [], { env });
  const csv = await runCommand("query", [
    "--format",
    "csv",
    "select 1 as a, 'x,y' as b",
  ], { env, json: false });
  strictEqual(csv.stdout, 'a,b\n1,"x,y"\n');
  for (
    const sql of [
      "delete from churn_predictions",
      "commit; delete from churn_predictions",
    ]
  ) {
    await runCommand("query", [sql], { env, code: 1 });
  }
  const { report } = await runCommand("query", [
    "select count(*) > 0 as kept from churn_predictions",
  ], { env });
  deepStrictEqual(report.result, [{ kept: true }]);
});

Deno.test("database serves the embedded database to another Postgres client", async () => {
  await using home = await tempFolder();
  const env = { CHURN_HOME: home.path };
  const { report } = await runCommand("predict", [], { env });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const taken = await runCommand("database", ["--port", String(port)], {
    env,
    code: 2,
  });
  match(
    taken.stderr,
    /Cannot use port \d+: another program listens on it; add --port \d+/,
  );
  listener.close();
  const server = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "database", "--port", String(port)],
    env,
    stdout: "null",
    stderr: "piped",
  }).spawn();
  for await (const text of server.stderr.pipeThrough(new TextDecoderStream())) {
    if (text.includes("psql")) break;
  }
  {
    await using client = await openPostgres({
      host: "127.0.0.1",
      port,
      user: "postgres",
      password: "",
      database: "postgres",
      sslMode: "disable",
    });
    const [found] = await client.query(
      "select count(*) as rows from churn_predictions",
    );
    deepStrictEqual(found, { rows: report.rows });
  }
  server.kill("SIGINT");
  strictEqual((await server.status).code, 0);
});

testWithPython(
  "the seed's model on Postgres, S3 and Secrets Manager: setup, log-model, promote, predict, fallback",
  async () => {
    if (!hasSeed) return;
    await using postgres = await startPostgres();
    await using moto = await startMoto();
    await using project = await copyWithoutIds();
    const { username, password, host, port } = {
      ...postgres,
      username: postgres.user,
    };
    await putSecret(moto, "mlflow-db", { username, password });
    await putSecret(moto, "predictions-pg-database", {
      username,
      password,
      host,
      port,
      dbname: "predictions",
    });
    await makeBucket(moto, bucket);
    const files = {
      "models/churn/xgb_churn_model_2.bin": await readSeed(
        "xgb_churn_model_2.bin",
      ),
      "data/churn/feature_names_3.json": await readSeed("feature_names_3.json"),
      "data/churn/X_test_sample_2.json": await readSeed("X_test_sample_2.json"),
    };
    for (const [path, bytes] of Object.entries(files)) {
      await putObject(moto, `${bucket}/geography-us/${path}`, bytes);
    }
    const env = {
      ...moto.env,
      MLFLOW_SECRET_NAME: "mlflow-db",
      MLFLOW_DB_HOST: host,
      MLFLOW_DB_PORT: String(port),
      MLFLOW_S3_BUCKET: bucket,
      CHURN_HOME: `${project.path}/home`,
    };
    const run = (name: string, args: string[], code = 0) =>
      runCommand(name, args, { env, code, folder: project.path });

    const made = await run("setup", us);
    match(made.stderr, /Created the database/);
    strictEqual(made.report.status, "created");
    strictEqual(made.report.artifact_location, `s3://${bucket}/`);
    const again = await run("setup", us);
    strictEqual(again.report.status, "unchanged");
    match(again.stderr, /already exist/);

    const logged = await run("log-model", us);
    strictEqual(logged.report.model_version, 1);
    strictEqual(logged.report.metrics, null);
    strictEqual((await run("log-model", us)).report.status, "unchanged");
    match((await run("predict", us, 1)).stderr, /deno task promote/);
    strictEqual(
      (await run("promote", [...us, "--version", "1"])).report.status,
      "promoted",
    );
    strictEqual(
      (await run("promote", [...us, "--version", "1"])).report.status,
      "unchanged",
    );
    match(
      (await run("promote", [...us, "--version", "9"], 1)).stderr,
      /Cannot find version 9 of .*: it has version 1/,
    );

    await using database = await openDatabase(postgres, "predictions");
    const stored = async () =>
      (await database.query<{ score: number }>(
        "select churn_probability as score from churn_predictions order by id",
      )).map(({ score }) => score);
    strictEqual((await run("predict", us)).report.status, "scored");
    const scores = await stored();
    strictEqual(scores.length, 10);
    for (const [row, expected] of seedProbabilities.entries()) {
      ok(
        Math.abs(scores[row]! - expected) <= 1e-6,
        `row ${row + 1}: ${scores[row]}`,
      );
    }
    strictEqual((await run("predict", us)).report.status, "nothing-new");
    strictEqual((await stored()).length, 10);

    await deleteObject(
      moto,
      `${bucket}/geography-us/data/churn/X_test_sample_2.json`,
    );
    const refused = await run("predict", us, 1);
    match(refused.stderr, /shipped synthetic data/);
    const otherRows = new TextDecoder().decode(
      files["data/churn/X_test_sample_2.json"],
    ).trim().split("\n").slice(2, 5);
    await Deno.writeTextFile(
      `${project.path}/data/geography-us/churn/X_test_sample_2.json`,
      otherRows.join("\n"),
    );
    match(
      (await run("predict", [...us, "--no-fallback"], 1)).stderr,
      /--no-fallback/,
    );
    strictEqual((await stored()).length, 10);
    const fallback = await run("predict", us);
    strictEqual(fallback.report.data_source, "local-fallback");
    match(fallback.stderr, /WARNING: .*Falling back to /);
    deepStrictEqual((await stored()).slice(10), (await stored()).slice(2, 5));
    const sources = await database.query(
      "select data_source from scoring_runs order by id",
    );
    deepStrictEqual(sources, [{ data_source: "s3" }, {
      data_source: "local-fallback",
    }]);

    await moto.stop();
    // With moto away the secrets are, too: a login by URI keeps the database in reach.
    const away = {
      ...env,
      MLFLOW_SECRET_NAME: "",
      MLFLOW_TRACKING_URI: postgres.url("mlflow_db"),
      PREDICTIONS_DATABASE_URL: postgres.url("predictions"),
    };
    const down = await runCommand("predict", [...us, "--no-fallback"], {
      env: away,
      code: 75,
      folder: project.path,
    });
    match(down.stderr, /Attempt 1 of 2/);
    const local = await runCommand("predict", us, {
      env: away,
      folder: project.path,
    });
    strictEqual(local.report.status, "nothing-new");
    strictEqual((await stored()).length, 13);
  },
);

testWithSeed(
  "log-model and predict read the seed's files by name on the embedded default, including a JSON model",
  async () => {
    await using home = await tempFolder();
    await using project = await copyWithoutIds();
    const folder = project.path;
    for (const model of ["xgb_churn_model_2.bin", "xgb_churn_model_2.json"]) {
      const env = {
        CHURN_HOME: `${home.path}/${model}`,
        CHURN_FILES: seedFolder,
      };
      const flags = ["--geography", "SEED"];
      await runCommand("setup", flags, { env, folder });
      const logged = await runCommand("log-model", [
        ...flags,
        "--model",
        `${seedFolder}/${model}`,
        "--features",
        `${seedFolder}/feature_names_3.json`,
        "--sample",
        `${seedFolder}/X_test_sample_2.json`,
      ], { env, folder });
      await runCommand("promote", [
        ...flags,
        "--version",
        String(logged.report.model_version),
      ], { env, folder });
      for (const engine of ["trees", "onnxruntime"]) {
        await runCommand("predict", [
          ...flags,
          "--force",
          "--engine",
          engine,
          "--input",
          `${seedFolder}/X_test_sample_2.json`,
        ], { env, folder });
        const { report } = await runCommand("query", [
          "select churn_probability as score from churn_predictions_current order by row_number",
        ], { env, folder });
        const scores = report.result.map(({ score }: { score: number }) =>
          score
        );
        strictEqual(scores.length, 10);
        for (const [row, expected] of seedProbabilities.entries()) {
          ok(
            Math.abs(scores[row] - expected) <= 1e-6,
            `${engine}, row ${row + 1}: ${scores[row]}`,
          );
        }
      }
    }
  },
);

async function playersOf(path: string): Promise<string[]> {
  const text = await Deno.readTextFile(
    new URL(`../../${path}`, import.meta.url),
  );
  return text.trim().split("\n").map((line) => JSON.parse(line).player_id);
}

async function countLines(path: string): Promise<number> {
  const text = await Deno.readTextFile(
    new URL(`../../${path}`, import.meta.url),
  );
  return text.trim().split("\n").length;
}

Deno.test("an invalid flag changes nothing, and reports name the engine and version that scored", async () => {
  await using home = await tempFolder();
  const env = { CHURN_HOME: `${home.path}/home` };
  const first = await runCommand("predict", [], { env });
  for (
    const flags of [["--stage", "Foo"], ["--alias", "v1"], [
      "--training-date",
      "2026-02-30",
    ]]
  ) {
    await runCommand("log-model", [...flags, "--force"], { env, code: 2 });
  }
  await runCommand("promote", ["--version", "1", "--stage", "Foo"], {
    env,
    code: 2,
  });
  await runCommand("predict", ["--all", "--output", "scores.csv"], {
    env,
    code: 2,
  });
  // A file where the folder should be.
  await Deno.writeTextFile(`${home.path}/file`, "");
  await runCommand("predict", ["--output", `${home.path}/file/scores.csv`], {
    env,
    code: 2,
  });
  const counts = await runCommand("query", [
    `select (select count(*) from model_versions) as versions, (select count(*) from runs where name = 'Scoring') as scorings`,
  ], { env });
  deepStrictEqual(counts.report.result, [{ versions: 1, scorings: 3 }]);

  const second = await runCommand("log-model", ["--force"], { env });
  strictEqual(second.report.model_version, 2);
  await runCommand("promote", ["--version", "2"], { env });
  const idle = await runCommand("predict", [], { env });
  deepStrictEqual([
    idle.report.status,
    idle.report.model_version,
    idle.report.engine,
  ], ["nothing-new", 1, null]);
  strictEqual(idle.report.run_id, first.report.run_id);
  const unknown = await runCommand("predict", ["--geography", "Mars"], {
    env,
    code: 2,
  });
  match(
    unknown.stderr,
    /the project ships none; variants\.yaml lists base; geography US/,
  );
  const experiments = await runCommand("query", [
    "select count(*) as mars from experiments where name like '%mars'",
  ], { env });
  deepStrictEqual(experiments.report.result, [{ mars: 0 }]);
});
