/**
 * How long a batch takes from file to Postgres: `deno task predict` against
 * what a user would write in Python instead, as whole processes on the same
 * rows and the same Postgres. Run with `deno task bench-rows`.
 *
 * First every contender runs once unmeasured, and the scores that it stored are
 * compared with those of the first. Then each round runs every contender once,
 * each time on a new database.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { createHash } from "node:crypto";
import { runCommand } from "../tests/support/commands.ts";
import {
  type PostgresServer,
  startPostgres,
  tempFolder,
} from "../tests/support/servers.ts";
import { peer, runPython } from "../tests/support/python.ts";
import {
  type CaseResult,
  describeRun,
  type Format,
  type Measured,
  ours,
  type RowsReport,
  type Run,
  toMarkdown,
} from "./rows_report.ts";
import { toPlot } from "./rows_plot.ts";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const dataFolder = here("../.cache/bench/rows");
const docs = here("../docs/benchmarks.md");
const plot = here("../docs/images/rows.svg");

const { values: flags } = parseArgs({
  options: {
    cases: { type: "string", default: "10,100k,1M,1M.csv,1M.parquet,10M" },
    peers: { type: "string", default: "duckdb,polars,pyarrow,plain" },
    rounds: { type: "string", default: "5" },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});

/** A file to score. */
interface Case {
  readonly name: string;
  readonly rows: number;
  readonly format: Format;
}

/** Plain Python has an environment of its own, because everything in it would slow the others' start. It makes the files, too. */
const plainPeer = "mlflow-3.17.2";

/** Scores of float32 may differ by so much: two units in the last place. */
const tolerance = 1.2e-7;

/** Files with more rows are scored by `predict` alone. */
const mostPeerRows = 1_000_000;

/** A contender that takes longer takes part in one round only. */
const slowSeconds = 20;

const rounds = Number(flags.rounds);
const peers = flags.peers.split(",").filter((name) => name !== "");
const cases = flags.cases.split(",").map(parseCase);
const python = await peer("rows");
const plainPython = await peer(plainPeer);
await makeData();

await using postgres = await startPostgres({
  password: "bench",
  settings: { fsync: "on" },
});
await using folder = await tempFolder();
const env = {
  MLFLOW_TRACKING_URI: postgres.url("mlflow_db"),
  PREDICTIONS_DATABASE_URL: postgres.url("predictions"),
  MLFLOW_ARTIFACT_ROOT: `${folder.path}/artifacts`,
  CHURN_HOME: `${folder.path}/home`,
  CHURN_FILES: `${folder.path},${dataFolder}`,
  USER: "bench",
};
await runCommand("setup", [], { env });
await runCommand("log-model", [
  ...["--model", `${dataFolder}/model.ubj`],
  ...["--features", `${dataFolder}/features.json`],
  ...["--sample", `${dataFolder}/sample.jsonl`],
  ...["--alias", "champion", "--stage", "Production"],
], { env });
// The peers get a table like the one that `predict` fills: same columns, checks and indexes.
await runSql(postgres, {
  database: "predictions",
  sql: "create table peer_scores (like scores including all)",
});

const [loadBefore = NaN] = Deno.loadavg();
const results: CaseResult[] = [];
for (const one of cases) results.push(await measureCase(one));
const [loadAfter = NaN] = Deno.loadavg();

const report: RowsReport = {
  date: new Date().toISOString().slice(0, 10),
  processors: navigator.hardwareConcurrency,
  processor: cpus()[0]?.model ?? "unknown processor",
  loadBefore,
  loadAfter,
  rounds,
  versions: await readVersions(),
  cases: results,
};
await Deno.writeTextFile(
  `${dataFolder}/result.json`,
  JSON.stringify(report, null, 1),
);
if (flags.write) await writeDocs(report);
await print(
  flags.json
    ? JSON.stringify(report)
    : `${describeRun(report)}\n\n${toMarkdown(report)}`,
);

/** Reads `10`, `100k`, `1M` or `1M.csv`. */
function parseCase(name: string): Case {
  const [, count, unit = "", format = "jsonl"] =
    /^(\d+)([kM]?)(?:\.(jsonl|csv|parquet))?$/.exec(name) ?? [];
  if (count === undefined) {
    throw new Error(
      `Cannot read the case "${name}": expected a number of rows and a format, such as 10, 100k, 1M.csv or 1M.parquet`,
    );
  }
  const factor = { "": 1, k: 1e3, M: 1e6 }[unit] ?? 1;
  return { name, rows: Number(count) * factor, format: format as Format };
}

function fileOf({ rows, format }: Case): string {
  return `${dataFolder}/players-${rows}.${format}`;
}

/** Makes the model and the rows that are not there yet; all of them, when the program that makes them has changed. */
async function makeData(): Promise<void> {
  const digest = createHash("sha256");
  for (const name of ["rows_data.py", "../models/players.py"]) {
    digest.update(await Deno.readFile(here(name)));
  }
  const stamp = `${dataFolder}/made.sha256`;
  const wanted = digest.digest("hex");
  if (await Deno.readTextFile(stamp).catch(() => "") !== wanted) {
    await Deno.remove(dataFolder, { recursive: true }).catch(() => {});
    await Deno.mkdir(dataFolder, { recursive: true });
    await note("Training the model");
    await runPython(plainPeer, here("rows_data.py"), {
      args: ["model", dataFolder],
    });
    await Deno.writeTextFile(stamp, wanted);
  }
  for (const one of cases) {
    const file = fileOf(one);
    if (await Deno.stat(file).then(() => true, () => false)) continue;
    await note(`Making ${file}`);
    await runPython(plainPeer, here("rows_data.py"), {
      args: ["rows", file, String(one.rows)],
    });
  }
}

async function measureCase(one: Case): Promise<CaseResult> {
  const names = [ours, ...one.rows > mostPeerRows ? [] : peers];
  const failures = new Map<string, string>();
  const slow = new Set<string>();
  await recreate("checked");
  for (const name of names) {
    try {
      const run = await runContender(name, one, "checked");
      await note(
        `${one.name} ${name}: ${run.seconds.toFixed(2)} s, unmeasured`,
      );
      if (run.seconds > slowSeconds) slow.add(name);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      await note(`${one.name} ${name} failed: ${error.message}`);
      failures.set(name, error.message);
      continue;
    }
    await checkScores(name, one);
  }
  const running = names.filter((name) => !failures.has(name));
  const runs = new Map<string, Run[]>(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    // Everyone follows everyone in turn.
    const shift = round % running.length;
    for (const name of [...running.slice(shift), ...running.slice(0, shift)]) {
      if (round > 0 && slow.has(name) && name !== ours) continue;
      await recreate("measured");
      const run = await runContender(name, one, "measured");
      await requireRows(name, one, "measured");
      runs.get(name)?.push(run);
      await note(
        `${one.name} round ${round + 1} ${name}: ${run.seconds.toFixed(2)} s, ${
          run.cpuSeconds.toFixed(2)
        } s of CPU, ${Math.round(run.peakBytes / 1e6)} MB`,
      );
    }
  }
  const { size } = await Deno.stat(fileOf(one));
  const measured = names.map((contender): Measured => {
    const failure = failures.get(contender);
    return {
      contender,
      runs: runs.get(contender) ?? [],
      ...failure === undefined ? {} : { failure },
    };
  });
  return { ...one, bytes: size, measured };
}

/** Makes a database with empty tables, in place of the one with this name. */
async function recreate(database: string): Promise<void> {
  for (
    const sql of [
      `drop database if exists ${database}`,
      `create database ${database} template predictions`,
      "checkpoint",
    ]
  ) await runSql(postgres, { database: "postgres", sql });
}

/**
 * Runs one contender to its end.
 *
 * @throws {Error} With the end of what it said, if its exit code is not 0.
 */
async function runContender(
  name: string,
  one: Case,
  database: string,
): Promise<Run> {
  const url = postgres.url(database);
  const file = fileOf(one);
  const command = name === ours
    ? [Deno.execPath(), "task", "--quiet", "predict", "--input", file]
    : [
      name === "plain" ? plainPython : python,
      here("rows_peers.py"),
      name,
      file,
      dataFolder,
      url,
      "1",
    ];
  const inherited = ["PATH", "HOME", "DENO_DIR", "DENO_CERT", "TMPDIR"]
    .flatMap((key) => {
      const value = Deno.env.get(key);
      return value === undefined ? [] : [[key, value] as const];
    });
  const output = await new Deno.Command(python, {
    args: [here("rows_measure.py"), ...command],
    cwd: here(".."),
    clearEnv: true,
    env: {
      ...Object.fromEntries(inherited),
      ...env,
      PREDICTIONS_DATABASE_URL: url,
      ...name === ours ? {} : {
        MLFLOW_TRACKING_URI: postgres.url("mlflow_db").replace(
          "postgresql:",
          "postgresql+psycopg2:",
        ),
        MLFLOW_DISABLE_TELEMETRY: "true",
        PYTHONWARNINGS: "ignore",
      },
    },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const { code, ...run }: Run & { code: number } = JSON.parse(
    decoder.decode(output.stdout),
  );
  if (code === 0) return run;
  const said = decoder.decode(output.stderr).trim().slice(-600);
  throw new Error(`exit code ${code}: ${said}`);
}

/** The scores that a contender stored, as a query. */
function storedBy(name: string): string {
  const table = name === ours ? "churn_predictions" : "peer_scores";
  return `select row_number, player_id, churn_probability::real as score from ${table}`;
}

/** Compares what a contender stored with what the first one stored, row by row, and empties the peers' table. */
async function checkScores(name: string, one: Case): Promise<void> {
  await requireRows(name, one, "checked");
  const [unmatched = NaN, difference = NaN] = await queryNumbers(
    `create table if not exists expected as ${storedBy(name)};
     select count(*) filter (where e.row_number is distinct from s.row_number),
       coalesce(max(abs(e.score::float8 - s.score::float8)), 0)
     from expected e full join (${storedBy(name)}) s using (player_id);`,
    "checked",
  );
  if (unmatched !== 0 || !(difference <= tolerance)) {
    throw new Error(
      `Cannot compare: ${name} stored other scores for ${one.name} than the first contender; ` +
        `${unmatched} rows differ in number or player, scores by up to ${difference}`,
    );
  }
  await runSql(postgres, {
    database: "checked",
    sql: "truncate peer_scores",
  });
}

async function requireRows(
  name: string,
  { name: caseName, rows }: Case,
  database: string,
): Promise<void> {
  const [found] = await queryNumbers(
    `select count(*) from (${storedBy(name)}) s`,
    database,
  );
  if (found === rows) return;
  throw new Error(
    `Cannot compare: ${name} stored ${found} rows for ${caseName}, not ${rows}`,
  );
}

/** Runs statements and returns the numbers of the last line. */
async function queryNumbers(sql: string, database: string): Promise<number[]> {
  const text = await runSql(postgres, { database, sql });
  return (text.trim().split("\n").at(-1) ?? "").split("|").map(Number);
}

async function runSql(
  server: PostgresServer,
  { database, sql }: { database: string; sql: string },
): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(
    `${server.bin}/psql`,
    {
      args: [
        server.url(database),
        ...["--quiet", "--no-psqlrc", "--no-align", "--tuples-only"],
        ...["--set=ON_ERROR_STOP=1", "--command", sql],
      ],
      stdin: "null",
    },
  ).output();
  const decoder = new TextDecoder();
  if (code === 0) return decoder.decode(stdout);
  throw new Error(`Cannot run ${sql}: ${decoder.decode(stderr)}`);
}

async function readVersions(): Promise<Record<string, string>> {
  const server = await runSql(postgres, {
    database: "postgres",
    sql: "show server_version",
  });
  return {
    Deno: Deno.version.deno,
    Postgres: server.trim().replace(/ .*/, ""),
    ...await packageVersions("rows", {
      DuckDB: "duckdb",
      polars: "polars",
      pyarrow: "pyarrow",
      XGBoost: "xgboost",
      psycopg: "psycopg",
    }),
    ...await packageVersions(plainPeer, {
      MLflow: "mlflow",
      pandas: "pandas",
      "its XGBoost": "xgboost",
    }),
  };
}

async function packageVersions(
  name: "rows" | typeof plainPeer,
  packages: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const { stdout } = await runPython(
    name,
    "import json, sys; from importlib.metadata import version; " +
      "print(json.dumps({k: version(v) for k, v in json.loads(sys.argv[1]).items()}))",
    { args: [JSON.stringify(packages)] },
  );
  return JSON.parse(stdout);
}

/** Puts the tables of this run between the two marks of the page, and draws the plot. */
async function writeDocs(report: RowsReport): Promise<void> {
  const page = await Deno.readTextFile(docs);
  const marks = /<!-- rows -->[^]*<!-- end rows -->/;
  if (!marks.test(page)) throw new Error(`Cannot find the marks in ${docs}`);
  const results = `<!-- rows -->\n\n${describeRun(report)}\n\n${
    toMarkdown(report)
  }\n\n<!-- end rows -->`;
  await Deno.writeTextFile(docs, page.replace(marks, () => results));
  await Deno.writeTextFile(plot, toPlot(report));
  await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", docs],
  }).output();
}

async function note(text: string): Promise<void> {
  await Deno.stderr.write(new TextEncoder().encode(`${text}\n`));
}

async function print(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${text}\n`));
}
