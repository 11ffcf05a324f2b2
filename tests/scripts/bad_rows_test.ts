/** `predict --bad-rows`: rows that cannot be used are set aside; the others get the scores they get without these rows, and keep their row numbers. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type Ended, runCommand } from "../support/commands.ts";
import { getObject, makeBucket } from "../support/aws.ts";
import { startMoto, tempFolder } from "../support/servers.ts";
import { projectFolder } from "../support/tools.ts";

type Row = Readonly<Record<string, unknown>>;

const sample: Row[] =
  (await Deno.readTextFile(`${projectFolder}data/churn/X_test_sample_2.json`))
    .trim().split("\n").map((line) => JSON.parse(line));

/** Rows as texts of a format; a bad one is any text. */
interface Format {
  readonly name: string;
  readonly toFile: (rows: readonly string[]) => string;
  readonly toRow: (row: Row) => string;
  /** Rows that cannot be used, and what is said of them. */
  readonly bad: readonly (readonly [string, RegExp])[];
  /** Line of a row; undefined in formats without lines. */
  readonly lineOf: (row: number) => number | null;
}

const columns = Object.keys(sample[0]!);
const wrongType = { ...sample[0], total_deposit: "a lot" };
const wrongCell =
  /^column "total_deposit": expected a number \(double\).*"a lot"/;

const jsonLines: Format = {
  name: "week.jsonl",
  toFile: (rows) => rows.map((row) => `${row}\n`).join(""),
  toRow: (row) => JSON.stringify(row),
  bad: [
    ["{not json", /^Expected property name/],
    ["[1,2]", /^expected an object, found \[1,2\]/],
    [JSON.stringify(wrongType), wrongCell],
    ['{"player_id":', /^Unexpected end of JSON/],
  ],
  lineOf: (row) => row,
};

const array: Format = {
  name: "week.json",
  toFile: (rows) => `[${rows.join(",\n")}]`,
  toRow: (row) => JSON.stringify(row),
  bad: [
    ["[1,2]", /^expected an object, found \[1,2\]/],
    [JSON.stringify(wrongType), wrongCell],
    ["null", /^expected an object, found null/],
  ],
  lineOf: () => null,
};

const toCsvRow = (row: Row) =>
  columns.map((column) => String(row[column] ?? "")).join(",");

const csv: Format = {
  name: "week.csv",
  toFile: (rows) => [columns.join(","), ...rows].join("\n"),
  toRow: toCsvRow,
  bad: [
    ["only,two", /^expected \d+ cells, as in the header, found 2 cells/],
    [
      toCsvRow(wrongType),
      /^column "total_deposit": expected a number \(double\)/,
    ],
  ],
  lineOf: (row) => row + 1,
};

/** Writes a file with bad rows at the given numbers, and one without them. */
async function writePair(
  folder: string,
  format: Format,
  { rows, isBad }: { rows: number; isBad: (row: number) => boolean },
) {
  const all: string[] = [];
  const good: string[] = [];
  const goodNumbers: number[] = [];
  const bad: { row: number; text: string; reason: RegExp }[] = [];
  for (let row = 1; row <= rows; row++) {
    if (isBad(row)) {
      const [text, reason] = format.bad[bad.length % format.bad.length]!;
      bad.push({ row, text, reason });
      all.push(text);
    } else {
      const player = { ...sample[row % sample.length], player_id: `P-${row}` };
      const text = format.toRow(player);
      all.push(text);
      good.push(text);
      goodNumbers.push(row);
    }
  }
  const path = `${folder}/${format.name}`;
  const clean = `${folder}/clean-${format.name}`;
  await Deno.writeTextFile(path, format.toFile(all));
  await Deno.writeTextFile(clean, format.toFile(good));
  return { path, clean, bad, goodNumbers };
}

const readLines = async (path: string) =>
  (await Deno.readTextFile(path)).split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line));

interface Score {
  readonly player_id: string;
  readonly row_number: number;
  readonly churn_probability: number;
}

const toScore = (
  { player_id, row_number, churn_probability }: Score,
): Score => ({ player_id, row_number, churn_probability });

/** A folder for files, and the commands on an embedded store in it. */
async function openStore() {
  const folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home`, CHURN_FILES: folder.path };
  return {
    folder: folder.path,
    run: (
      name: string,
      args: readonly string[],
      { code = 0, more = {}, json = true }: {
        code?: number;
        more?: Readonly<Record<string, string>>;
        json?: boolean;
      } = {},
    ): Promise<Ended> =>
      runCommand(name, args, { env: { ...env, ...more }, code, json }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

// One store for all tests, because a new one logs the model first.
const { folder, run, ...store } = await openStore();
Deno.test.afterAll(async () => await store[Symbol.asyncDispose]());

Deno.test("predict --bad-rows sets rows of every text format aside", async (t) => {
  const stored = async (): Promise<Score[]> =>
    (await run("query", [
      "select player_id, row_number, churn_probability from churn_predictions where scoring_run_id = (select max(id) from scoring_runs) order by row_number",
    ])).report.result;

  const cases = [
    // Four blocks on worker threads; the first row of the file, and whole runs of rows, are bad.
    { format: jsonLines, rows: 13_000, isBad: (row: number) => row % 997 < 3 },
    { format: array, rows: 9_000, isBad: (row: number) => row % 1500 === 1 },
    { format: csv, rows: 30_000, isBad: (row: number) => row % 3 === 0 },
    { format: jsonLines, rows: 10, isBad: (row: number) => row === 10 },
  ];
  for (const { format, ...which } of cases) {
    await t.step(`${format.name}, ${which.rows} rows`, async () => {
      const pair = await writePair(folder, format, which);
      const { path, clean, bad, goodNumbers } = pair;
      const badRows = `${folder}/bad/${format.name}.bad.jsonl`;
      const { report, stderr, stdout } = await run("predict", [
        `--input=${path}`,
        `--bad-rows=${badRows}`,
      ]);
      strictEqual(report.rows, goodNumbers.length);
      strictEqual(report.rows_set_aside, bad.length);
      strictEqual(report.inputs[0].rows_set_aside, bad.length);
      match(
        stderr,
        new RegExp(
          `WARNING: .*: ${bad.length} of ${which.rows} rows .* set aside; the first is row ${
            bad[0]!.row
          }`,
        ),
      );
      ok(!stdout.includes("undefined"));

      const aside = await readLines(badRows);
      deepStrictEqual(
        aside.map(({ file, row, line, text }) => ({ file, row, line, text })),
        bad.map(({ row, text }) => ({
          file: path,
          row,
          line: format.lineOf(row),
          text,
        })),
      );
      aside.forEach(({ reason }, index) => match(reason, bad[index]!.reason));

      const scores = await stored();
      const output = `${folder}/clean.jsonl`;
      await run("predict", [`--input=${clean}`, `--output=${output}`]);
      const expected: Score[] = (await readLines(output)).map(toScore);
      deepStrictEqual(
        scores.map(toScore),
        expected.map((score, index) => ({
          ...score,
          row_number: goodNumbers[index],
        })),
      );

      const [counted] = (await run("query", [
        "select row_count, rows_set_aside, (select value from metrics where key = 'rows_set_aside' and run_uuid = mlflow_run_id) as metric from scoring_runs order by id desc limit 1",
      ])).report.result;
      deepStrictEqual(counted, {
        row_count: goodNumbers.length,
        rows_set_aside: bad.length,
        metric: bad.length,
      });

      const written = `${folder}/scores.csv`;
      await run("predict", [
        `--input=${path}`,
        `--output=${written}`,
        `--bad-rows=${badRows}`,
      ]);
      const lines = (await Deno.readTextFile(written)).trim().split("\n");
      const at = lines[0]!.split(",").indexOf("row_number");
      deepStrictEqual(
        lines.slice(1).map((line) => Number(line.split(",")[at])),
        goodNumbers,
      );
      strictEqual((await readLines(badRows)).length, bad.length);
    });
  }

  await t.step("monitor reads the rows that were scored", async () => {
    const { report } = await run("monitor", []);
    strictEqual(report.rows, 9);
    ok(!JSON.stringify(report).includes("Cannot use"), JSON.stringify(report));
  });

  await t.step(
    "an input that was scored before leaves the file as it is",
    async () => {
      const badRows = `${folder}/bad/again.jsonl`;
      await Deno.writeTextFile(badRows, "kept\n");
      const { report } = await run("predict", [
        `--input=${folder}/week.jsonl`,
        `--bad-rows=${badRows}`,
      ]);
      strictEqual(report.status, "nothing-new");
      strictEqual(report.inputs[0].rows_set_aside, 1);
      strictEqual(await Deno.readTextFile(badRows), "kept\n");
    },
  );

  await t.step("without a bad row, the file is empty", async () => {
    const badRows = `${folder}/bad/again.jsonl`;
    const { report } = await run("predict", [
      `--input=${folder}/clean-week.jsonl`,
      `--bad-rows=${badRows}`,
      "--force",
    ]);
    strictEqual(report.rows_set_aside, 0);
    strictEqual(await Deno.readTextFile(badRows), "");
  });

  await t.step(
    "several inputs share one file, in the order of the inputs",
    async () => {
      const badRows = `${folder}/bad/both.jsonl`;
      const [a, b] = [`${folder}/a.jsonl`, `${folder}/b.jsonl`];
      const good = JSON.stringify(sample[0]);
      await Deno.writeTextFile(a, `{oops\n${good}\n`);
      await Deno.writeTextFile(b, `${good}\n${good}\n{oops\n`);
      for (const more of [[], ["--force", `--output=${folder}/x.parquet`]]) {
        const { report } = await run("predict", [
          `--input=${a}`,
          `--input=${b}`,
          `--bad-rows=${badRows}`,
          ...more,
        ]);
        strictEqual(report.rows_set_aside, 2);
        const found = await readLines(badRows);
        deepStrictEqual(found.map(({ file, row }) => [file, row]), [
          [a, 1],
          [b, 3],
        ]);
      }
    },
  );

  await t.step("a dry run counts, and writes nothing", async () => {
    const badRows = `${folder}/bad/dry.jsonl`;
    const args = [
      `--input=${folder}/a.jsonl`,
      `--bad-rows=${badRows}`,
      "--dry-run",
      "--force",
    ];
    const { report } = await run("predict", args);
    strictEqual(report.rows_set_aside, 1);
    const { stdout } = await run("predict", args, { json: false });
    match(stdout, /^Would store 1 player of /m);
    match(stdout, /^ {2}set aside: 1 row that cannot be used/m);
    await refuses(() => Deno.stat(badRows));
  });
});

Deno.test("predict --max-bad-rows limits the rows set aside; above it nothing is stored", async (t) => {
  const { path, bad } = await writePair(folder, jsonLines, {
    rows: 1000,
    isBad: (row) => row % 100 === 7,
  });
  strictEqual(bad.length, 10);
  const badRows = `${folder}/limited.jsonl`;
  const predict = (limit: string, code: number) =>
    run("predict", [
      `--input=${path}`,
      `--bad-rows=${badRows}`,
      `--max-bad-rows=${limit}`,
    ], { code });
  const completed = async () =>
    (await run("query", [
      "select count(*)::int as runs from scoring_runs where status = 'completed'",
    ])).report.result[0].runs;
  const before = await completed();

  for (
    const [limit, message] of [
      [
        "9",
        /10 of its first 1000 rows cannot be used, and --max-bad-rows allows 9; the first is row 7 \(line 7\): Expected/,
      ],
      [
        "0.9%",
        /10 of its 1000 rows \(1\.0 %\) cannot be used, and --max-bad-rows allows 0\.9 %; the first is row 7/,
      ],
      ["0", /--max-bad-rows allows 0;/],
    ] as const
  ) {
    await t.step(`${limit} is exceeded`, async () => {
      const { stderr } = await predict(limit, 1);
      match(stderr, message);
      strictEqual(await completed(), before);
      await refuses(() => Deno.stat(badRows));
    });
  }
  for (const limit of ["10", "1%"]) {
    await t.step(`${limit} is enough`, async () => {
      const { report } = await predict(limit, 0);
      strictEqual(report.inputs[0].rows_set_aside, 10);
      strictEqual(await completed(), before + 1);
    });
  }

  await t.step("a file of bad rows alone is refused", async () => {
    const none = `${folder}/none.jsonl`;
    await Deno.writeTextFile(none, "{oops\n{oops\n");
    const { stderr } = await run("predict", [
      `--input=${none}`,
      `--bad-rows=${badRows}`,
    ], { code: 1 });
    match(stderr, /none of its 2 rows can be used; the first is row 1/);
  });

  await t.step("wrong usage", async () => {
    for (
      const [args, message] of [
        [["--max-bad-rows=3"], /Cannot use --max-bad-rows without --bad-rows/],
        [
          [`--bad-rows=${badRows}`, "--max-bad-rows=many"],
          /--max-bad-rows "many": expected a whole number of rows, such as 20/,
        ],
        [
          [`--bad-rows=${badRows}`, "--max-bad-rows=101%"],
          /percentage of the rows from 0% to 100%/,
        ],
        [
          [`--bad-rows=${folder}/x.csv`, `--output=${folder}/x.csv`],
          /the scores go there/,
        ],
        [
          [`--bad-rows=${path}`, `--input=${folder}/*.jsonl`],
          /it is also an input, and would be replaced/,
        ],
        [
          [`--bad-rows=${badRows}`, "--all"],
          /Cannot use --bad-rows with --all/,
        ],
      ] as const
    ) {
      const { stderr } = await run("predict", args, { code: 2 });
      match(stderr, message);
    }
  });
});

Deno.test("predict --bad-rows s3://… writes to S3", async () => {
  await using moto = await startMoto();
  await makeBucket(moto, "rows");
  const path = `${folder}/s3.jsonl`;
  await Deno.writeTextFile(path, `{oops\n${JSON.stringify(sample[1])}\n`);
  await run("predict", [
    `--input=${path}`,
    "--bad-rows=s3://rows/bad/week.jsonl",
  ], { more: moto.env });
  const written = await getObject(moto, "rows/bad/week.jsonl");
  match(
    new TextDecoder().decode(written),
    /^\{"file":".*s3\.jsonl","row":1,"line":1,"reason":"[^\n]*","text":"\{oops"\}\n$/,
  );
});

/** Expects a file not to exist. */
async function refuses(work: () => Promise<unknown>): Promise<void> {
  const error = await work().then(() => undefined, (error: unknown) => error);
  ok(error instanceof Deno.errors.NotFound);
}
