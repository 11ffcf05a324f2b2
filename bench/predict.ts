// deno-lint-ignore-file no-console -- prints its table
/**
 * How fast a whole `predict` is: reading JSON Lines, scoring, storing in
 * Postgres. Run with `deno task bench-predict`; docs/operations.md sizes jobs by
 * what it prints. Rows are the shipped sample's, repeated under new player ids.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { runCommand } from "../tests/support/commands.ts";
import { startPostgres, tempFolder } from "../tests/support/servers.ts";

const { values: flags } = parseArgs({
  options: { rows: { type: "string", default: "1000,10000,100000,300000" } },
});
const sizes = flags.rows.split(",").map(Number);
const sample = (await Deno.readTextFile("data/churn/X_test_sample_2.json"))
  .trim().split("\n");

await using postgres = await startPostgres();
await using folder = await tempFolder();
const env = {
  MLFLOW_TRACKING_URI: postgres.url("mlflow_db"),
  PREDICTIONS_DATABASE_URL: postgres.url("predictions"),
  MLFLOW_ARTIFACT_ROOT: `${folder.path}/artifacts`,
  CHURN_HOME: `${folder.path}/home`,
  CHURN_FILES: folder.path,
  USER: "bench",
};
await runCommand("setup", [], { env });
await runCommand("log-model", [
  ...["--model", "models/churn/xgb_churn_model_2.bin"],
  ...["--features", "data/churn/feature_names_3.json"],
  ...["--sample", "data/churn/X_test_sample_2.json"],
  ...["--alias", "champion", "--stage", "Production"],
], { env });

const processor = cpus()[0]?.model ?? "unknown processor";
console.log(
  `${cpus().length} × ${processor}, Deno ${Deno.version.deno}, Postgres on the same machine\n`,
);
console.log("| rows | MB of JSON Lines | seconds | rows/s |");
console.log("|---:|---:|---:|---:|");
for (const size of sizes) {
  const input = `${folder.path}/${size}.jsonl`;
  const bytes = await writeRows(input, size);
  const { report } = await runCommand("predict", ["--input", input], { env });
  const cells = [
    report.rows.toLocaleString("en-US"),
    Math.round(bytes / 1e6),
    report.seconds.toFixed(1),
    Math.round(report.rows / report.seconds).toLocaleString("en-US"),
  ];
  console.log(`| ${cells.join(" | ")} |`);
  await Deno.remove(input);
}

/** Writes the rows, a player id for each, and gives back the file's size. */
async function writeRows(path: string, count: number): Promise<number> {
  using file = await Deno.open(path, { create: true, write: true });
  const writer = file.writable.getWriter();
  const encoder = new TextEncoder();
  const chunkRows = 1000;
  let bytes = 0;
  for (let from = 0; from < count; from += chunkRows) {
    const rows = Array.from(
      { length: Math.min(chunkRows, count - from) },
      (_, index) =>
        (sample[(from + index) % sample.length] ?? "").replace(
          /"player_id":\s*"?[^",]*"?/,
          `"player_id":"bench-${from + index}"`,
        ),
    );
    const chunk = encoder.encode(rows.join("\n") + "\n");
    bytes += chunk.length;
    await writer.write(chunk);
  }
  await writer.close();
  return bytes;
}
