/** The same rows in every format and compression get the same scores, through the command. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { openRowWriter } from "../../lib/rows/write.ts";
import { runCommand } from "../support/commands.ts";
import { tempFolder } from "../support/servers.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

type Row = Record<string, string | number | boolean | null>;

/** The shipped sample. */
const lines =
  (await Deno.readTextFile(`${root}data/churn/X_test_sample_2.json`))
    .trim().split("\n").slice(0, 300);
const rows: Row[] = lines.map((line) => JSON.parse(line));
const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];

/** Writes the rows as CSV or Parquet; booleans as 1 and 0. */
async function toFile(
  format: "csv" | "parquet",
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const writer = await openRowWriter({
    write(bytes) {
      parts.push(new Uint8Array(bytes));
      return Promise.resolve();
    },
  }, {
    format,
    columns: names.map((name) => ({
      name,
      type: rows.some((row) => typeof row[name] === "string")
        ? "text"
        : "number",
    })),
  });
  const cells = names.map((name) =>
    rows.map((row) => {
      const cell = row[name] ?? null;
      return typeof cell === "boolean" ? Number(cell) : cell;
    })
  );
  await writer.write(cells);
  await writer.finish();
  return await new Blob(parts).bytes();
}

const text = new TextEncoder().encode(lines.join("\n"));
const csv = await toFile("csv");
const parquet = await toFile("parquet");
const contents: Record<string, Uint8Array> = {
  "week.jsonl": text,
  "week.json": new TextEncoder().encode(JSON.stringify(rows)),
  "week.csv": csv,
  "week.parquet": parquet,
  "week.jsonl.gz": gzipSync(text),
  "week.csv.zst": zstdCompressSync(csv),
  "week.parquet.gz": gzipSync(parquet),
  "no-suffix": parquet,
};

Deno.test("predict gives the same scores for JSON Lines, arrays, CSV and Parquet, compressed or piped", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home` };
  const output = `${folder.path}/scores.jsonl`;
  const score = async (input: string, stdin?: Uint8Array<ArrayBuffer>) => {
    await runCommand("predict", ["--input", input, "--output", output], {
      env,
      ...(stdin ? { stdin } : {}),
    });
    return (await Deno.readTextFile(output)).trim().split("\n").map((line) => {
      const { player_id, churn_probability, row_number } = JSON.parse(line);
      return [player_id, churn_probability, row_number];
    });
  };
  await Deno.writeFile(`${folder.path}/week.jsonl`, text);
  const expected = await score(`${folder.path}/week.jsonl`);
  strictEqual(expected.length, 300);
  deepStrictEqual(expected.map(([id]) => id), rows.map((row) => row.player_id));
  for (const [name, bytes] of Object.entries(contents)) {
    await Deno.writeFile(`${folder.path}/${name}`, bytes);
    deepStrictEqual(await score(`${folder.path}/${name}`), expected, name);
  }
  deepStrictEqual(
    await score("-", new Uint8Array(contents["week.csv.zst"]!)),
    expected,
  );
  const { report, stderr } = await runCommand(
    "predict",
    ["--input", "-", "--output", output],
    { env, stdin: text },
  );
  strictEqual(report.input, "-");
  match(stderr, /^Scoring standard input with /);
  // A link may be read where only its own name was allowed.
  await using elsewhere = await tempFolder();
  await Deno.writeFile(`${elsewhere.path}/week`, parquet);
  await Deno.symlink(`${elsewhere.path}/week`, `${folder.path}/link`);
  deepStrictEqual(await score(`${folder.path}/link`), expected);
  // Nothing of the temporary copies is left.
  deepStrictEqual([...Deno.readDirSync(`${env.CHURN_HOME}/tmp`)], []);
});

Deno.test("predict refuses what it does not read by name, with exit code 1, and leaves nothing behind", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home` };
  const refused: [Uint8Array<ArrayBuffer>, RegExp][] = [
    [
      new TextEncoder().encode("ORC\0rest"),
      /an ORC file; convert it to Parquet/,
    ],
    [new Uint8Array(5 << 20), /are NUL/],
    [
      new Uint8Array(gzipSync(text).subarray(0, 900)),
      /Cannot read standard input/,
    ],
    [new Uint8Array(0), /standard input is empty/],
  ];
  for (const [stdin, says] of refused) {
    const ended = await runCommand("predict", ["--input", "-"], {
      env,
      stdin,
      code: 1,
    });
    match(ended.report.error, says);
  }
  deepStrictEqual([...Deno.readDirSync(`${env.CHURN_HOME}/tmp`)], []);
});

Deno.test("a raw column that only later rows have counts for all of them, and every row is written once", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home` };
  const isBrand = (name: string) => name.startsWith("brand_id_");
  const plain = rows.map((row) =>
    Object.fromEntries(Object.entries(row).filter(([name]) => !isBrand(name)))
  );
  // More than one block of 4 MiB without the column, then rows that have it.
  const week = Array.from({ length: 9_000 }, (_, row): Row => ({
    ...plain[row % plain.length],
    player_id: `P${row}`,
    ...(row < 8_800 ? {} : { brand_id: ["NJ", "PA", null][row % 3] ?? null }),
  }));
  const explicit = week.map((row) => ({ brand_id: null, ...row }));
  const score = async (given: Row[], args: string[]) => {
    const input = `${folder.path}/week.jsonl`;
    await Deno.writeTextFile(
      input,
      given.map((row) => JSON.stringify(row)).join("\n"),
    );
    return await runCommand("predict", ["--input", input, ...args], { env });
  };
  const scoresOf = async (given: Row[]) => {
    const output = `${folder.path}/scores.jsonl`;
    await score(given, ["--output", output]);
    return (await Deno.readTextFile(output)).trim().split("\n").map((line) => {
      const { player_id, churn_probability } = JSON.parse(line);
      return [player_id, churn_probability];
    });
  };
  const expected = await scoresOf(explicit);
  deepStrictEqual(await scoresOf(week), expected);
  strictEqual(expected.length, week.length);
  const stored = await score(week, []);
  strictEqual(stored.report.rows, week.length);
  const { report } = await runCommand("query", [
    "select count(*) as rows, count(distinct player_id) as players from churn_predictions where player_id is not null",
  ], { env });
  deepStrictEqual(report.result, [{ rows: week.length, players: week.length }]);
});
