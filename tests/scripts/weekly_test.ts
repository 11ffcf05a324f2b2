/** Weeks of deliveries, from late and corrected ones to a rollback, on the embedded default and on Postgres with S3. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { putObject } from "../support/aws.ts";
import { copyProject } from "../support/checkout.ts";
import { runCommand } from "../support/commands.ts";
import { testWithPython } from "../support/python.ts";
import { tempFolder } from "../support/servers.ts";
import { startWorld } from "../support/world.ts";

/** Where the deliveries go and the commands run. */
interface Place extends AsyncDisposable {
  /** A folder for files of the test. */
  readonly home: string;
  /** Writes a file below the variant's prefix. */
  deliver(path: string, text: string): Promise<void>;
  run(
    name: string,
    args?: readonly string[],
    code?: number,
    json?: boolean,
  ): ReturnType<typeof runCommand>;
}

const us = ["--geography", "US"];

const declared = (expect: string) => `
inputs: data/churn/weekly/{period}/*.jsonl
recipe:
  one_hot:
    - {column: brand_id, prefix: brand_id_}
    - {column: ben_login_id, prefix: ben_login_id_}
    - {column: player_reg_product, prefix: player_reg_product_}
${expect}
variants:
  - geography: US
`;

async function embedded(expect = ""): Promise<Place> {
  await using stack = new AsyncDisposableStack();
  const project = stack.use(await copyProject());
  const home = stack.use(await tempFolder());
  await Deno.writeTextFile(`${project.path}/variants.yaml`, declared(expect));
  await Deno.remove(`${project.path}/data/geography-us/churn/weekly`, {
    recursive: true,
  });
  const owned = stack.move();
  return {
    home: home.path,
    async deliver(path, text) {
      const file = `${project.path}/${
        path.replace("data/", "data/geography-us/")
      }`;
      await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), {
        recursive: true,
      });
      await Deno.writeTextFile(file, text);
    },
    run: (name, args = us, code = 0, json = true) =>
      runCommand(name, args, {
        env: { CHURN_HOME: `${home.path}/home`, CHURN_FILES: home.path },
        code,
        json,
        folder: project.path,
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function configured(expect = ""): Promise<Place> {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await startWorld("geography-us"));
  const project = stack.use(await copyProject());
  await Deno.writeTextFile(`${project.path}/variants.yaml`, declared(expect));
  const run: Place["run"] = (name, args = us, code = 0, json = true) =>
    runCommand(name, args, {
      env: world.env,
      code,
      json,
      folder: project.path,
    });
  await run("setup");
  await run("log-model");
  await run("promote", [...us, "--version", "1"]);
  const owned = stack.move();
  return {
    home: world.folder,
    deliver: (path, text) =>
      putObject(world.moto, `${world.bucket}/geography-us/${path}`, text),
    run,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The shipped rows, of which every week takes others. */
const sample = (await Deno.readTextFile(
  new URL(
    "../../data/geography-us/churn/weekly/2026-11-23.jsonl",
    import.meta.url,
  ),
)).trim().split("\n").map((line): Record<string, unknown> => JSON.parse(line));

/** Forty players, from `first` on; `shift` gives them the cells of others. */
function week(first: number, { rows = 40, shift = 0 } = {}) {
  return Array.from({ length: rows }, (_, row) => ({
    ...sample[(first + row + shift) % sample.length]!,
    player_id: `P-${first + row}`,
  }));
}

const toLines = (rows: readonly Record<string, unknown>[]) =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join("");

const pathOf = (period: string, part = "part-0") =>
  `data/churn/weekly/${period}/${part}.jsonl`;

/** What `churn_predictions_current` must show: period and version by player. */
type Expected = Map<string, { period: string; version: string }>;

/** Adds a scored week to what is expected; an older week changes nothing for players of a newer one. */
function show(
  expected: Expected,
  rows: readonly { player_id: string }[],
  { period, version }: { period: string; version: string },
): void {
  for (const { player_id } of rows) {
    const shown = expected.get(player_id);
    if (shown && shown.period > period) continue;
    expected.set(player_id, { period, version });
  }
}

async function checkCurrent(place: Place, expected: Expected): Promise<void> {
  const { report } = await place.run("query", [
    `select c.player_id, c.period::text, c.model_version, c.churn_probability = p.churn_probability as same
     from churn_predictions_current c join churn_predictions p using (scoring_run_id, row_number)`,
  ]);
  const rows: {
    player_id: string;
    period: string;
    model_version: string;
    same: boolean;
  }[] = report.result;
  strictEqual(rows.length, expected.size);
  ok(rows.every(({ same }) => same));
  deepStrictEqual(
    new Map(
      rows.map(({ player_id, period, model_version: version }) => [
        player_id,
        { period, version },
      ]),
    ),
    new Map([...expected].toSorted()),
  );
}

/** Period, status, attempt and version of each batch that a call reports. */
const batchesOf = (report: { inputs: Record<string, unknown>[] }) =>
  report.inputs.map(({ period, status, attempt, model_version }) => [
    period,
    status,
    attempt,
    model_version,
  ]);

async function tellStory(place: Place): Promise<void> {
  const { deliver, run } = place;
  const expected: Expected = new Map();
  const days = [
    "2026-09-28",
    "2026-10-05",
    "2026-10-12",
    "2026-10-19",
    "2026-10-26",
    "2026-11-02",
    "2026-11-09",
    "2026-11-16",
  ];
  const weeks = days.map((_, index) => week(10 * index));

  // Weeks 1 to 3 wait for the first Monday; they are scored in order.
  for (const index of [2, 0, 1]) {
    await deliver(pathOf(days[index]!), toLines(weeks[index]!));
  }
  const first = await run("predict");
  deepStrictEqual(batchesOf(first.report), [
    [days[0], "scored", 1, 1],
    [days[1], "scored", 1, 1],
    [days[2], "scored", 1, 1],
  ]);
  for (const index of [0, 1, 2]) {
    show(expected, weeks[index]!, { period: days[index]!, version: "1" });
  }
  await checkCurrent(place, expected);

  // Week 4 is late: week 5 comes first. Version 2 is promoted in week 5.
  await run("log-model", [
    ...us,
    "--model",
    "models/company-clienta/churn/xgb_churn_model_2.bin",
  ]);
  await run("promote", [...us, "--version", "2"]);
  await deliver(pathOf(days[4]!), toLines(weeks[4]!));
  deepStrictEqual(batchesOf((await run("predict")).report).at(-1), [
    days[4],
    "scored",
    1,
    2,
  ]);
  show(expected, weeks[4]!, { period: days[4]!, version: "2" });
  await deliver(pathOf(days[3]!), toLines(weeks[3]!));
  const late = await run("predict");
  deepStrictEqual(
    batchesOf(late.report).filter(([, status]) => status === "scored"),
    [[days[3], "scored", 1, 2]],
  );
  show(expected, weeks[3]!, { period: days[3]!, version: "2" });
  await checkCurrent(place, expected);

  // Week 3 is corrected: another attempt of that week, for nobody but its own players.
  const corrected = week(20, { shift: 7 });
  await deliver(pathOf(days[2]!), toLines(corrected));
  deepStrictEqual(
    batchesOf((await run("predict")).report).filter(([, status]) =>
      status === "scored"
    ),
    [[days[2], "scored", 2, 2]],
  );
  show(expected, corrected, { period: days[2]!, version: "2" });
  await checkCurrent(place, expected);

  // The first delivery of week 3 comes back: it is known, and that it is not shown is said.
  await deliver(pathOf(days[2]!), toLines(weeks[2]!));
  const returned = await run("predict");
  strictEqual(returned.report.status, "nothing-new");
  match(
    returned.stderr,
    /the data of 2026-10-12 have the content of attempt 1 again, but churn_predictions_current shows attempt 2, whose content was another; `deno task predict --geography US --period 2026-10-12 --force` scores it again/,
  );
  await deliver(pathOf(days[2]!), toLines(corrected));

  // Week 6, and a rollback: nothing is scored again by itself, and the command is printed.
  await deliver(pathOf(days[5]!), toLines(weeks[5]!));
  await run("predict");
  await run("promote", [...us, "--version", "1"]);
  const idle = await runText(place, us);
  match(idle, /Nothing new for geography US/);
  match(
    idle,
    /`deno task predict --geography US --period 2026-11-02 --force` scores them again with churn-prediction-model-us version 1/,
  );
  const rolledBack = await run("predict", [
    ...us,
    "--period",
    "2026-W45",
    "--force",
  ]);
  deepStrictEqual(batchesOf(rolledBack.report), [[days[5], "scored", 2, 1]]);
  show(expected, weeks[5]!, { period: days[5]!, version: "1" });
  await checkCurrent(place, expected);

  // Week 7 has the players of week 6 and more, sorted otherwise, in two files: one batch.
  const superset = [...weeks[6]!, ...weeks[5]!.slice(0, 10)].toReversed();
  await deliver(pathOf(days[6]!, "a"), toLines(superset.slice(0, 20)));
  await deliver(pathOf(days[6]!, "b"), toLines(superset.slice(20)));
  await deliver(pathOf(days[6]!, "_SUCCESS"), "");
  const seventh = await run("predict");
  deepStrictEqual(batchesOf(seventh.report).at(-1), [days[6], "scored", 1, 1]);
  strictEqual(seventh.report.inputs.at(-1).files, 2);
  strictEqual(seventh.report.rows, superset.length);
  show(expected, superset, { period: days[6]!, version: "1" });
  await checkCurrent(place, expected);
  const { report: ledger } = await run("query", [
    `select count(*) as runs, min(row_count) as rows, min(content_sha256) as digest from scoring_runs where period = '${
      days[6]
    }'`,
  ]);
  const digests = [superset.slice(0, 20), superset.slice(20)].map((rows) =>
    `${sha256(toLines(rows))}\n`
  );
  deepStrictEqual(ledger.result, [
    { runs: 1, rows: 50, digest: sha256(digests.join("")) },
  ]);

  // In week 8 two players have two rows; the last one counts.
  const eighth = [...weeks[7]!, ...week(70, { rows: 2, shift: 50 })];
  await deliver(pathOf(days[7]!), toLines(eighth));
  const last = await run("predict");
  strictEqual(last.report.inputs.at(-1).duplicate_players, 2);
  match(last.stderr, /2 players have more than one row; the last row of each/);
  show(expected, eighth, { period: days[7]!, version: "1" });
  await checkCurrent(place, expected);
  const { report: rows } = await run("query", [
    `select row_number from churn_predictions_current where player_id in ('P-70', 'P-71') order by 1`,
  ]);
  deepStrictEqual(rows.result, [{ row_number: 41 }, { row_number: 42 }]);

  // Week 5 is scored again: its later players keep what they have.
  await run("predict", [...us, "--force", "--period", days[4]!]);
  show(expected, weeks[4]!, { period: days[4]!, version: "1" });
  await checkCurrent(place, expected);

  // monitor goes by the period: the newest one, against the one before.
  const monitored = await run("monitor");
  strictEqual(monitored.report.period, days[7]);
  const evidence = JSON.parse(
    await Deno.readTextFile(monitored.report.report_json),
  );
  strictEqual(evidence.previous.period, days[6]);
  strictEqual(evidence.comparisons.length, 2);
  const rescored = await run("monitor", [...us, "--period", "2026-W44"]);
  deepStrictEqual(
    [rescored.report.period, rescored.report.scoring_run_id],
    [days[4], 11],
  );

  // Of all runs, the list reads the last two, and of the others who left.
  const { report: settled } = await run("query", [
    `select (select count(*) from scoring_runs where settled_at is null) as unsettled,
       (select count(*) from settled_scores s where not exists (
         select from scores n where n.player_id = s.player_id and n.scoring_run_id = (
           select id from scoring_runs where period = '${days[7]}'))) as left`,
  ]);
  deepStrictEqual(settled.result, [
    { unsettled: 2, left: expected.size - eighth.length + 2 },
  ]);

  // Whatever runs again finds nothing new.
  const again = await run("predict");
  strictEqual(again.report.status, "nothing-new");
  const range = await run("predict", [
    ...us,
    "--from",
    days[1]!,
    "--to",
    days[6]!,
  ]);
  strictEqual(range.report.status, "nothing-new");
  strictEqual(range.report.inputs.length, 6);
  const { report: attempts } = await run("query", [
    "select period::text, max(attempt) as attempts from scoring_runs group by 1 order by 1",
  ]);
  deepStrictEqual(
    attempts.result.map(({ attempts }: { attempts: number }) => attempts),
    [1, 1, 2, 1, 2, 2, 1, 1],
  );
}

async function runText(place: Place, args: readonly string[]) {
  const { stdout, stderr } = await place.run("predict", args, 0, false);
  return `${stdout}\n${stderr}`;
}

const sha256 = (text: string) =>
  createHash("sha256").update(text).digest("hex");

Deno.test("eight weeks on the embedded default: late, corrected, rolled back, re-scored", async () => {
  await using place = await embedded();
  await tellStory(place);
});

testWithPython(
  "eight weeks on Postgres and S3: late, corrected, rolled back, re-scored",
  async () => {
    await using place = await configured();
    await tellStory(place);
  },
);

Deno.test("a week that is late, shrunken or not the promised one is said, and fails on demand", async () => {
  await using place = await embedded(
    "expect: {max_age_days: 9, min_rows: 10, rows_change: 0.5}",
  );
  const { deliver, run } = place;
  const strict = [...us, "--fail-on", "overdue,incomplete"];
  const day = (ago: number) =>
    new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
  const [first, second, third, fourth] = [28, 21, 14, 7].map(day) as [
    string,
    string,
    string,
    string,
  ];
  await deliver(pathOf(first), toLines(week(0)));
  await deliver(pathOf(second), toLines(week(0, { rows: 44 })));

  // The newest period is three weeks old.
  const overdue = await run("predict");
  deepStrictEqual([overdue.report.status, overdue.report.rows], [
    "overdue",
    84,
  ]);
  match(
    overdue.report.problems[0].reason,
    /began 21 days ago; max_age_days allows 9/,
  );
  strictEqual((await run("predict", strict, 3)).report.status, "overdue");

  // 20 of 42 rows are 52.4 % fewer than the median; they are scored all the same.
  await deliver(pathOf(fourth), toLines(week(0, { rows: 20 })));
  const shrunken = await run("predict", strict, 3);
  deepStrictEqual(
    [shrunken.report.status, shrunken.report.rows],
    ["incomplete", 20],
  );
  match(
    shrunken.report.problems[0].reason,
    /20 rows, 52\.4 % fewer than the median 42 of the 2 periods before; rows_change allows 50 %/,
  );
  strictEqual((await run("predict", strict, 3)).report.status, "incomplete");
  await deliver(pathOf(fourth), toLines(week(0, { rows: 21 })));
  const whole = await run("predict", strict);
  deepStrictEqual([whole.report.status, whole.report.inputs.at(-1).attempt], [
    "scored",
    2,
  ]);

  // Fewer rows than the side file promises: nothing of the week is stored.
  const manifest = `data/churn/weekly/${third}.manifest.json`;
  await deliver(manifest, JSON.stringify({ rows: 41 }));
  await deliver(pathOf(third), toLines(week(0)));
  const broken = await run("predict", strict, 3);
  deepStrictEqual([broken.report.status, broken.report.rows], [
    "incomplete",
    0,
  ]);
  match(
    broken.report.problems[0].reason,
    /has 40 rows, .*manifest\.json promises 41/,
  );
  const stored = await run("query", [
    `select count(*) as runs from scoring_runs where period = '${third}'`,
  ]);
  deepStrictEqual(stored.report.result, [{ runs: 0 }]);
  await deliver(manifest, JSON.stringify({ sha256: sha256("other") }));
  match(
    (await run("predict", strict, 3)).report.problems[0].reason,
    /its SHA-256 is [0-9a-f]{64}, .*manifest\.json promises/,
  );
  await deliver(manifest, "{}");
  match(
    (await run("predict", us, 1)).stderr,
    /manifest\.json: it has neither "rows" nor "sha256"/,
  );
  await deliver(
    manifest,
    JSON.stringify({ rows: 40, sha256: sha256(toLines(week(0))) }),
  );
  strictEqual((await run("predict", strict)).report.status, "scored");

  // A side file that is written after the scores counts as well, until it is right.
  const late = `data/churn/weekly/${fourth}.manifest.json`;
  await deliver(late, JSON.stringify({ rows: 400 }));
  const short = await run("predict", strict, 3);
  deepStrictEqual([short.report.status, short.report.rows], ["incomplete", 0]);
  match(
    short.report.problems[0].reason,
    /has 21 rows, .*manifest\.json promises 400/,
  );
  await deliver(late, "{");
  match((await run("predict", us, 1)).stderr, /manifest\.json/);
  await deliver(late, JSON.stringify({ rows: 21 }));
  strictEqual((await run("predict", strict)).report.status, "nothing-new");
});

Deno.test("a side file that must exist is not demanded of files that a flag names; ids that pandas wrote as floats are said", async () => {
  await using place = await embedded(
    "expect: {manifest: 'data/churn/weekly/{period}.manifest.json'}",
  );
  const { deliver, run, home } = place;
  await deliver(pathOf("2026-W45"), toLines(week(0)));
  const waiting = await run("predict");
  deepStrictEqual([waiting.report.status, waiting.report.rows], [
    "incomplete",
    0,
  ]);
  const rows = week(0, { rows: 2 });
  const columns = Object.keys(rows[0]!);
  const csv = rows.map((row, index) =>
    Object.values({ ...row, player_id: `${100 + index}.0` }).join(",")
  );
  await Deno.writeTextFile(
    `${home}/week.csv`,
    [columns.join(","), ...csv, ""].join("\n"),
  );
  const named = await run("predict", [
    ...[...us, "--period", "2026-W45", "--input", `${home}/week.csv`],
  ]);
  deepStrictEqual(batchesOf(named.report), [["2026-11-02", "scored", 1, 1]]);
  match(
    named.stderr,
    /WARNING: .*week\.csv: its player ids end with \.0, such as "100\.0", .*"100" is another player/,
  );
});

Deno.test("a period is chosen by flags, and what cannot be chosen is an error", async () => {
  await using place = await embedded();
  const { deliver, run } = place;
  const nothing = await run("predict", us, 1);
  match(nothing.stderr, /Cannot find any file at .*weekly\/\{period\}/);
  await deliver(pathOf("2026-W44"), toLines(week(0)));
  await deliver(pathOf("2026-W45"), toLines(week(0)));
  const one = await run("predict", [...us, "--period", "2026-10-26"]);
  deepStrictEqual(batchesOf(one.report), [["2026-10-26", "scored", 1, 1]]);
  const other = await run("predict", [...us, "--from", "2026-W45"]);
  match(
    other.stderr,
    /WARNING: .* is for 2026-11-02, but has the same content as the data of 2026-10-26 in .*; is it the right file/,
  );
  deepStrictEqual(batchesOf(other.report), [["2026-11-02", "scored", 1, 1]]);
  const cases: [readonly string[], number, RegExp][] = [
    [["--period", "2026-13-01"], 2, /--period "2026-13-01": expected a day/],
    [["--period", ""], 2, /--period "": expected a day/],
    [["--from", ""], 2, /--from "": expected a day/],
    [
      ["--period", "2026-W46"],
      1,
      /Cannot find data of geography US for 2026-11-09/,
    ],
    [
      ["--from", "2026-W45", "--to", "2026-W44"],
      2,
      /the first period is after/,
    ],
    [["--from", "2026-W45", "--period", "2026-W45"], 2, /--from with --period/],
    [["--fail-on", "late"], 2, /expected overdue, incomplete/],
  ];
  for (const [flags, code, message] of cases) {
    match((await run("predict", [...us, ...flags], code)).stderr, message);
  }
  // One week in two spellings would be scored twice.
  await deliver(pathOf("2026-11-02"), toLines(week(0)));
  match(
    (await run("predict", us, 1)).stderr,
    /the period is spelled (2026-11-02 and 2026-W45|2026-W45 and 2026-11-02)/,
  );
});

Deno.test("deliveries that could go wrong without a word: damaged, empty, doubled, ad-hoc and misdated ones", async () => {
  await using place = await embedded(
    "expect: {max_age_days: 9, min_rows: 10, rows_change: 0.5}",
  );
  const { deliver, run } = place;
  const day = (ahead: number) =>
    new Date(Date.now() + ahead * 86_400_000).toISOString().slice(0, 10);
  const [older, old, now, future] = [-21, -14, -2, 300].map(day) as [
    string,
    string,
    string,
    string,
  ];

  // A row that cannot be used in an old week does not hold up the new one.
  const bad = week(0).map((row, index) =>
    index === 3 ? { ...row, total_handle: "12,5" } : row
  );
  await deliver(pathOf(older), toLines(week(0)));
  await deliver(pathOf(old, "a"), toLines(week(0)));
  await deliver(pathOf(old, "b"), toLines(bad));
  await deliver(pathOf(now), toLines(week(10)));
  const damaged = await run("predict", us, 1);
  deepStrictEqual(
    damaged.report.inputs.map((
      { period, status, rows }: Record<string, unknown>,
    ) => [period, status, rows]),
    [[older, "scored", 40], [old, "failed", 0], [now, "scored", 40]],
  );
  strictEqual(damaged.report.status, "failed");
  match(
    damaged.report.error,
    /b\.jsonl, row 4 \(line 4\), column "total_handle"/,
  );
  match(damaged.stderr, /b\.jsonl, row 4/);

  // Set aside, the row is named in its own file, and its number in the table counts across the files.
  const aside = `${place.home}/bad.jsonl`;
  const without = await run("predict", [...us, "--bad-rows", aside]);
  match(
    without.stderr,
    /the first is row 4 \(line 4\) of [^ ]*b\.jsonl: column "total_handle"/,
  );
  const [record] = (await Deno.readTextFile(aside)).trim().split("\n")
    .map((line) => JSON.parse(line));
  deepStrictEqual([record.row, record.file.slice(-7)], [4, "b.jsonl"]);
  const numbers = await run("query", [
    `select count(*) as rows, count(*) filter (where row_number = 44) as bad, max(row_number) as last from churn_predictions where period = '${old}'`,
  ]);
  deepStrictEqual(numbers.report.result, [{ rows: 79, bad: 0, last: 80 }]);

  // An empty file among others has no rows; equal files count as the side file says.
  const doubled = toLines(week(0, { rows: 20 }));
  for (const part of ["a", "b"]) await deliver(pathOf(older, part), doubled);
  await deliver(pathOf(older, "c"), "");
  await deliver(
    pathOf(older),
    toLines(week(40)),
  );
  const digests = [doubled, doubled, "", toLines(week(40))].map((text) =>
    `${sha256(text)}\n`
  );
  await deliver(
    `data/churn/weekly/${older}.manifest.json`,
    JSON.stringify({ rows: 80, sha256: sha256(digests.join("")) }),
  );
  const whole = await run("predict");
  deepStrictEqual(batchesOf(whole.report)[0], [older, "scored", 2, 1]);
  strictEqual(whole.report.rows, 80);
  strictEqual(whole.report.inputs[0].duplicate_players, 20);

  // A file without ids is refused, although others of its period have some.
  const nobody = week(40).map(({ player_id, ...row }) => ({
    ...row,
    customer: player_id,
  }));
  await deliver(pathOf(older, "c"), toLines(nobody));
  const lost = await run("predict", us, 1);
  match(
    lost.stderr,
    /c\.jsonl: none of the 40 rows has the column "player_id"/,
  );

  // A file without a column that the others have is scored, and that is said.
  const short = week(40).map((row) =>
    Object.fromEntries(
      Object.entries(row).filter(([name]) =>
        name !== "total_deposit" && name !== "brand_id"
      ),
    )
  );
  await deliver(pathOf(older, "c"), toLines(short));
  const rehearsed = await run("predict", [
    ...us,
    "--dry-run",
    "--period",
    older,
  ]);
  match(
    rehearsed.stderr,
    /WARNING: .*c\.jsonl: missing in every one of its 40 rows, unlike in other files of the batch: total_deposit, brand_id\n/,
  );
  // One that get_dummies has encoded by itself lacks the categories that do not occur in it: they are 0, not missing.
  const encoded = week(40).map((row) => ({
    ...Object.fromEntries(
      Object.entries(row).filter(([name]) => name !== "brand_id"),
    ),
    brand_id_NJ: true,
  }));
  await deliver(pathOf(older, "c"), toLines(encoded));
  match(
    (await run("predict", us, 1)).stderr,
    /c\.jsonl: columns "brand_id_AZ", .* missing in all 40 rows .*under a default step/,
  );
  await deliver(pathOf(older, "c"), "");

  // A file that somebody scores by hand says nothing about the weeks.
  const small = `${place.home}/small.jsonl`;
  await Deno.writeTextFile(small, toLines(week(0, { rows: 2 })));
  const byHand = await run("predict", [...us, "--input", small]);
  deepStrictEqual([byHand.report.status, byHand.report.problems], [
    "scored",
    [],
  ]);
  const weekly = `${place.home}/2026-W40.jsonl`;
  await Deno.writeTextFile(weekly, toLines(week(0, { rows: 2 })));
  match(
    (await run("predict", [...us, "--dry-run", "--input", weekly])).stderr,
    /has the period 2026-09-28 in its name, .*--period 2026-09-28 makes it/,
  );
  const strict = [...us, "--fail-on", "overdue,incomplete"];
  strictEqual((await run("predict", strict)).report.status, "nothing-new");

  // It counts with the day of scoring, so a week that is stored now is hidden for its players.
  await deliver(pathOf(now), toLines(week(0)));
  match(
    (await run("predict", strict)).stderr,
    /has no period, so it counts as \d{4}-\d\d-\d\d, the day of scoring/,
  );

  // A week that is far in the future is said, and does not count as the newest.
  await deliver(pathOf(future), toLines(week(0)));
  const misdated = await run("predict", strict);
  match(misdated.stderr, /begins in 300 days/);
  strictEqual(misdated.report.status, "scored");
});
