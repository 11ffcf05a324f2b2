/** What the commands print: one line a message, nothing that GitHub's runner or a terminal obeys, commands that act on what is at hand. */
import {
  deepStrictEqual,
  doesNotMatch,
  match,
  ok,
  strictEqual,
} from "node:assert/strict";
import { openTable } from "../../lib/rows/table.ts";
import {
  manyLines,
  oneLine,
  withoutCommands,
} from "../../lib/base/printable.ts";
import { toJobSummary, toRunSummary } from "../../lib/cli/github-summary.ts";
import { type Ended, runCommand } from "../support/commands.ts";
import { tempFolder } from "../support/servers.ts";

/** Texts that break out of a line, begin a workflow command, or speak to a terminal. */
const hostile = [
  "x\n::warning::forged",
  "x\r::stop-commands::token",
  "x\r\n  ::add-mask::a",
  "x\u2028::error::b",
  "x\u0085::error::b",
  "##[add-mask]secret",
  "a ##[error]b",
  "::set-output name=a::b",
  "\u00a0\t::group::x",
  "\x1b[2J\x1b]8;;http://evil\x07",
  "a\u202eb\u2066c",
];

/**
 * What `TryParseV2` and `TryParse` of actions/runner's `ActionCommand.cs` would
 * take for a command: `::` after .NET's white space, or `##[` anywhere, in each
 * line as `StreamReader.ReadLine` cuts them.
 */
function commandsIn(text: string): string[] {
  return text.split(/\r\n|\r|\n/).filter((line) =>
    /^[\s\u0085]*::/.test(line) || line.includes("##[")
  );
}

/** Control characters but the line break; also those that turn the direction of text. */
const control = /(?!\n)[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

function checkHarmless({ stdout, stderr }: Pick<Ended, "stdout" | "stderr">) {
  deepStrictEqual(commandsIn(`${stdout}\n${stderr}`), []);
  doesNotMatch(stdout, control);
  doesNotMatch(stderr, control);
}

Deno.test("oneLine() and manyLines() remove commands and control characters", () => {
  for (const text of hostile) {
    const line = oneLine(text);
    deepStrictEqual(commandsIn(line), [], line);
    doesNotMatch(line, control);
    ok(!line.includes("\n"));
    const lines = manyLines(`${text}\n${text}`);
    deepStrictEqual(commandsIn(lines), [], lines);
  }
  const plain = "US: 12 of 40 rows, a::b, C:\\x, é ✓ 😀";
  strictEqual(oneLine(plain), plain);
  strictEqual(manyLines(`${plain}\n  ${plain}`), `${plain}\n  ${plain}`);
});

Deno.test("withoutCommands() keeps the meaning of JSON, in linear time", () => {
  for (const text of hostile) {
    const json = JSON.stringify({ text }, null, 2);
    strictEqual(JSON.parse(withoutCommands(json)).text, text);
  }
  const started = performance.now();
  withoutCommands(`${"\n ".repeat(500_000)}${"#".repeat(500_000)}`);
  ok(performance.now() - started < 5000);
});

Deno.test("a table prints each row on one line, whatever is in it", async () => {
  for (const text of hostile) {
    let shown = "";
    const columns = [text, "n"].map((name) => ({
      name,
      type: "text" as const,
      parse: (value: string) => value,
      show: (value: string) => value,
    }));
    const table = openTable(
      {
        write: (part) => {
          shown += part;
          return Promise.resolve();
        },
      },
      columns,
      {},
    );
    await table.write([[text, "1"]]);
    await table.finish();
    strictEqual(shown.trimEnd().split("\n").length, 3);
    doesNotMatch(shown.replaceAll("\n", ""), control);
  }
});

Deno.test("toJobSummary() turns no text into links, images or cells", () => {
  const error =
    "![a](https://evil/x.png) [b](//evil) <img src=x> www.evil.com `c` | d \\";
  for (
    const text of [
      toJobSummary({ status: "failed", error }),
      toRunSummary([{ variant: error, status: "failed", error }]),
      toJobSummary({ status: error, variant: error }),
    ]
  ) {
    doesNotMatch(text, /!?\[[^\]]*\]\(|https:\/\/|www\.evil|<img|`/);
    for (
      const line of text.split("\n").filter((line) => line.includes("evil"))
    ) {
      // A cell ends where we end it: every other pipe and backslash is an entity.
      doesNotMatch(line, /\\/);
      if (!line.startsWith("|")) continue;
      const cells = line.slice(1, -1).split("|").length;
      ok(cells === 2 || cells === 8, line);
    }
  }
});

Deno.test("predict prints no workflow command from a column, a category, an id, a file or its JSON", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home`, CHURN_FILES: folder.path };
  const [line = ""] =
    (await Deno.readTextFile("data/churn/X_test_sample_2.json")).split("\n");
  const good = JSON.parse(line) as Record<string, unknown>;
  const [category = ""] = Object.entries(good)
    .filter(([name, value]) =>
      typeof value === "string" && name !== "player_id"
    )
    .map(([name]) => name);
  const scored: Record<string, unknown>[] = [];
  const refused: string[] = [];
  for (const text of hostile) {
    scored.push({ ...good, [text]: 1, player_id: text });
    if (category !== "") scored.push({ ...good, [category]: text });
    refused.push(JSON.stringify({ ...good, total_handle: text }));
    refused.push(`{"a": ${text}`);
    refused.push(JSON.stringify([text]));
    refused.push(`${JSON.stringify(text)}`);
  }
  const path = `${folder.path}/x\n::warning::file ##[error].jsonl`;
  await Deno.writeTextFile(
    path,
    scored.map((row) => JSON.stringify(row)).join("\n"),
  );
  const ended = await runCommand("predict", ["--input", path], { env });
  strictEqual(ended.report.rows, scored.length);
  strictEqual(ended.report.input, path);
  checkHarmless(ended);
  // The same told to a person, and once more: "nothing new".
  for (const flags of [["--force"], [], ["--dry-run", "--force"]]) {
    checkHarmless(
      await runCommand("predict", ["--input", path, ...flags], {
        env,
        json: false,
      }),
    );
  }
  for (const [index, text] of refused.entries()) {
    const bad = `${folder.path}/bad-${index}.jsonl`;
    await Deno.writeTextFile(bad, text);
  }
  // Each form with some of the texts: a run takes a second.
  for (const [index] of refused.entries()) {
    if (index % 7 !== 0 && index > 5) continue;
    checkHarmless(
      await runCommand("predict", [
        "--input",
        `${folder.path}/bad-${index}.jsonl`,
      ], { env, code: 1 }),
    );
  }
  checkHarmless(
    await runCommand("predict", ["--input", `${folder.path}/no\n::error::x`], {
      env,
      code: 2,
    }),
  );
  checkHarmless(
    await runCommand("predict", ["--geography", "US\n::error::x"], {
      env,
      code: 2,
    }),
  );
  for (const format of ["table", "csv", "json"]) {
    const { stdout, stderr } = await runCommand("query", [
      'select player_id, player_id as "##[x]" from churn_predictions',
      "--format",
      format,
    ], { env, json: false });
    deepStrictEqual(commandsIn(`${stdout}\n${stderr}`), []);
    if (format === "json") {
      ok(
        JSON.parse(stdout).some((row: { player_id: string }) =>
          row.player_id === hostile[0]
        ),
      );
    }
  }
});

Deno.test("query prints stored days, times and numbers in every format, whatever TZ", async () => {
  await using home = await tempFolder();
  const env = { CHURN_HOME: home.path };
  await runCommand("predict", [], { env });
  const sql =
    `select '2026-11-25'::date as day, '2026-11-25 00:30:00'::timestamp as time,
       '2026-11-25 00:30:00+00'::timestamptz as moment, 9007199254740993::int8 as big`;
  for (const TZ of ["Asia/Tokyo", "America/Los_Angeles", "UTC"]) {
    const show = async (format: string) =>
      (await runCommand("query", [sql, "--format", format], {
        env: { ...env, TZ },
        json: false,
      })).stdout;
    const values = [
      "2026-11-25",
      "2026-11-25 00:30:00",
      "2026-11-25T00:30:00.000Z",
      "9007199254740993",
    ];
    strictEqual((await show("csv")).split("\n")[1], values.join(","));
    strictEqual((await show("table")).split("\n")[2], values.join("  "));
    const [day, time, moment, big] = values;
    deepStrictEqual(JSON.parse(await show("json")), [{
      day,
      time,
      moment,
      big,
    }]);
    const { report } = await runCommand("query", [sql], {
      env: { ...env, TZ },
    });
    deepStrictEqual(report.result, [{ day, time, moment, big }]);
  }
  for (const nothing of ["", "  ", ";"]) {
    const { stderr } = await runCommand("query", [nothing], { env, code: 2 });
    match(stderr, /expected one SQL text/);
  }
  const { stdout } = await runCommand("query", [
    "select * from generate_series(1, 140000) as n",
  ], { env, json: false });
  strictEqual(stdout.trim().split("\n").length, 140_002);
});

Deno.test("predict --dry-run changes nothing, and scores like the run after it", async () => {
  await using folder = await tempFolder();
  const home = `${folder.path}/home`;
  const env = { CHURN_HOME: home };
  const dry = await runCommand("predict", ["--dry-run"], { env });
  strictEqual(dry.report.status, "dry-run");
  match(dry.stderr, /Would create the embedded store in .*\/home\n/);
  match(dry.stderr, /Would log .* as churn-prediction-model version 1/);
  const all = await runCommand("predict", ["--all", "--dry-run"], { env });
  deepStrictEqual(
    all.report.variants.map(({ status }: { status: string }) => status),
    ["dry-run", "dry-run", "dry-run", "dry-run"],
  );
  await runCommand("predict", ["--dry-run", "--geography", "Mars"], {
    env,
    code: 2,
  });
  await runCommand("predict", [
    "--dry-run",
    "--model-uri",
    "models:/churn-prediction-model/2",
  ], { env, code: 1 });
  deepStrictEqual([...Deno.readDirSync(folder.path)], []);

  const real = await runCommand("predict", [], { env });
  deepStrictEqual(
    dry.report.score_distribution,
    real.report.score_distribution,
  );
  deepStrictEqual(
    [dry.report.rows, dry.report.model_name, dry.report.model_version],
    [real.report.rows, real.report.model_name, real.report.model_version],
  );

  // On a store that is there: no row, and no file beside the database's own.
  const counts = async () => {
    const { report } = await runCommand("query", [
      `select table_name, (xpath('/row/c/text()', query_to_xml(format('select count(*) as c from %I', table_name), false, true, '')))[1]::text as rows
       from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE' order by 1`,
    ], { env });
    return report.result;
  };
  const files = () =>
    [...walk(home)].filter((path) => !path.startsWith(`${home}/database/`));
  const before = { rows: await counts(), files: files() };
  for (
    const flags of [["--force"], [], ["--geography", "US"], [
      "--force",
      "--output",
      `${home}/scores.csv`,
    ]]
  ) {
    await runCommand("predict", ["--dry-run", ...flags], { env });
  }
  deepStrictEqual({ rows: await counts(), files: files() }, before);
});

function* walk(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* walk(path);
    else yield path;
  }
}

Deno.test("predict scores files of one call as one batch, identical ones once, and names the first of them", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home`, CHURN_FILES: folder.path };
  const lines = (await Deno.readTextFile("data/churn/X_test_sample_2.json"))
    .trim().split("\n").slice(0, 3).join("\n");
  const [first, copy, other] = ["first", "copy", "other"].map((name) =>
    `${folder.path}/${name}.jsonl`
  ) as [string, string, string];
  await Deno.writeTextFile(first, lines);
  await Deno.writeTextFile(copy, lines);
  await Deno.writeTextFile(other, lines.split("\n").slice(0, 2).join("\n"));
  const inputs = [first, first, copy, other].flatMap((path) => [
    "--input",
    path,
  ]);
  const { report, stderr } = await runCommand("predict", inputs, { env });
  doesNotMatch(stderr, /another process/);
  deepStrictEqual(
    report.inputs.map((
      { input, status, same_as, rows }: Record<string, unknown>,
    ) => [input, status, same_as, rows]),
    [
      [`${first} and 2 more`, "scored", undefined, 5],
      [first, "same-content", first, 0],
      [copy, "same-content", first, 0],
    ],
  );
  strictEqual(report.rows, 5);
  const again = await runCommand("predict", [...inputs, "--force"], {
    env,
    json: false,
  });
  ok(again.stdout.includes(`${copy} has the same content as ${first}`));
  const scores = `${folder.path}/scores.csv`;
  await runCommand("predict", [...inputs, "--output", scores], { env });
  strictEqual((await Deno.readTextFile(scores)).trim().split("\n").length, 6);
  const stored = await runCommand("query", [
    "select count(*) as rows, count(distinct mlflow_run_id) as runs from churn_predictions join scoring_runs r on r.id = scoring_run_id",
  ], { env });
  deepStrictEqual(stored.report.result, [{ rows: 10, runs: 2 }]);
});

Deno.test("printed commands name the variant and the input", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home`, CHURN_FILES: folder.path };
  const us = ["--geography", "US"];
  const input = `${folder.path}/a week's.jsonl`;
  await Deno.writeTextFile(
    input,
    (await Deno.readTextFile("data/geography-us/churn/X_test_sample_2.json"))
      .split("\n").slice(0, 12).join("\n"),
  );
  const text = async (name: string, args: readonly string[], code = 0) => {
    const { stdout, stderr } = await runCommand(name, args, {
      env,
      code,
      json: false,
    });
    return `${stdout}\n${stderr}`;
  };
  await text("predict", []);
  const scored = await text("predict", [...us, "--input", input]);
  const command = `deno task predict --geography US --input '${
    input.replace("'", "'\\''")
  }'`;
  ok(scored.includes(`Run \`${command}\` again`), scored);
  // Pasted, it finds nothing new, and names the command that scores again.
  const known = await text("predict", [...us, "--input", input]);
  ok(known.includes(`\`${command} --force\` scores them again`), known);

  // The query that is suggested shows the ten highest for this variant.
  const [, sql = ""] = /deno task query "(.*)"/.exec(scored) ?? [];
  const suggested = await runCommand("query", [sql], { env });
  const all = await runCommand("query", [
    `select player_id, churn_probability from churn_predictions c join scoring_runs r on r.id = scoring_run_id
     where variant = 'geography-us' order by churn_probability desc limit 10`,
  ], { env });
  strictEqual(suggested.report.result.length, 10);
  deepStrictEqual(suggested.report.result, all.report.result);

  await text("log-model", [...us, "--force"]);
  await text("promote", [
    ...us,
    "--version",
    "2",
    "--alias",
    "champion",
    "--stage",
    "Staging",
  ]);
  const split = await text("predict", us);
  match(
    split,
    /`deno task promote --geography US --version 1` moves both/,
  );
  match(
    await text("predict", [
      ...us,
      "--model-uri",
      "models:/churn-prediction-model-us@nobody",
    ], 1),
    /`deno task log-model --geography US --alias nobody` assigns it/,
  );
  match(
    await text("compare", us, 1),
    /`deno task log-model --geography US --alias challenger` assigns it/,
  );
});

Deno.test("promote moves champion and Production together, and another alias or stage alone", async () => {
  await using home = await tempFolder();
  const env = { CHURN_HOME: home.path };
  await runCommand("predict", [], { env });
  await runCommand("log-model", ["--force"], { env });
  const marks = async () => {
    const { report } = await runCommand("query", [
      `select version, current_stage as stage, (select string_agg(alias, ',' order by alias) from registered_model_aliases a
         where a.name = v.name and a.version = v.version) as aliases from model_versions v order by version`,
    ], { env });
    return report.result.map((row: Record<string, unknown>) =>
      `${row.version} ${row.stage} ${row.aliases ?? "-"}`
    );
  };
  const promote = async (code: number, ...flags: string[]) =>
    await runCommand("promote", ["--version", "2", ...flags], { env, code });
  const start = ["1 Production champion", "2 None -"];
  for (
    const slip of ["champoin", "Champion", "champions", "chapion", "champ1on"]
  ) {
    const { stderr } = await promote(2, "--alias", slip);
    match(stderr, /did you mean --alias champion\?/);
    deepStrictEqual(await marks(), start);
  }
  const alone = await promote(0, "--alias", "challenger");
  deepStrictEqual(
    [alone.report.alias, alone.report.stage, alone.report.status],
    ["challenger", null, "promoted"],
  );
  deepStrictEqual(await marks(), [
    "1 Production champion",
    "2 None challenger",
  ]);
  strictEqual(
    (await promote(0, "--alias", "challenger")).report.status,
    "unchanged",
  );
  await promote(0, "--stage", "Staging");
  deepStrictEqual(await marks(), [
    "1 Production champion",
    "2 Staging challenger",
  ]);
  await promote(0);
  deepStrictEqual(await marks(), [
    "1 Archived -",
    "2 Production challenger,champion",
  ]);
  await promote(0, "--alias", "pilot", "--stage", "Staging");
  deepStrictEqual(await marks(), [
    "1 Archived -",
    "2 Staging challenger,champion,pilot",
  ]);
});
