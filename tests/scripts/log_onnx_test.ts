/** ONNX files: logged, promoted and scored on the embedded default, and used by Python's MLflow like a model of its own. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { copyProject } from "../support/checkout.ts";
import { runCommand } from "../support/commands.ts";
import { seededNumbers } from "../support/ensembles.ts";
import { runPython, testWithPython } from "../support/python.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const golden = `${root}tests/golden/onnx`;
const names = ["x0", "x1", "x2", "x3", "x4"];
const rowCount = 240;

/** A graph, the lines of variants.yaml that it needs, the column of its churn class, and whether it allows missing values. */
const models = [
  { name: "sklearn-logistic", lines: "", column: 1, missing: false },
  { name: "catboost-binary", lines: "", column: 1, missing: true },
  { name: "xgboost-matrix", lines: "", column: 1, missing: true },
  {
    name: "lightgbm-text-matrix",
    lines: "positive_class: churn\n",
    column: 0,
    missing: true,
  },
  {
    name: "pipeline",
    lines: "positive_class: stay\n",
    column: 1,
    missing: false,
  },
  { name: "net-sigmoid", lines: "", column: 0, missing: false },
  {
    name: "forest-of-shares",
    lines: "model_output: probability\n",
    column: 0,
    missing: false,
  },
] as const;

/** Labelled rows; with missing values, every seventh cell is null and every eleventh absent. */
function toRows({ missing }: { missing: boolean }): string {
  const random = seededNumbers(20261125);
  return Array.from({ length: rowCount }, (_, row) => {
    const cells = names.map((name, column) => {
      const at = row * names.length + column;
      const value = Math.fround(random() * 4 - 2);
      return [name, missing && at % 7 === 3 ? null : value, at] as const;
    });
    const present = cells.filter(([, , at]) => !missing || at % 11 !== 5);
    return JSON.stringify({
      player_id: `p${row}`,
      churned: Number(random() < 0.4),
      ...Object.fromEntries(present.map(([name, value]) => [name, value])),
    });
  }).join("\n");
}

testWithPython(
  "an ONNX file is logged with real metrics, promoted, scored and stored, and Python's MLflow returns the same scores",
  async (t) => {
    await using project = await copyProject();
    const settings = await Deno.readTextFile(`${project.path}/variants.yaml`);
    const features = `${project.path}/names.json`;
    await Deno.writeTextFile(features, JSON.stringify(names));
    const cases: unknown[] = [];
    const logged = new Map<
      string,
      { ours: number[]; metrics: Record<string, number> }
    >();
    for (const { name, lines, column, missing } of models) {
      await t.step(`log-model, promote, predict, query: ${name}`, async () => {
        const keep = `${project.path}/homes/${name}`;
        await Deno.mkdir(keep, { recursive: true });
        const env = {
          CHURN_HOME: keep,
          CHURN_FILES: `${project.path},${golden}`,
        };
        const run = (command: string, flags: string[], code = 0) =>
          runCommand(command, flags, { env, code, folder: project.path });
        await Deno.writeTextFile(
          `${project.path}/variants.yaml`,
          settings + lines,
        );
        const rows = `${project.path}/${name}.jsonl`;
        await Deno.writeTextFile(rows, toRows({ missing }));
        // Told by content, not by name.
        const file = `${project.path}/${name}.bin`;
        await Deno.copyFile(`${golden}/${name}.onnx`, file);
        const flags = [
          ...["--model", file, "--features", features, "--sample", rows],
          ...["--evaluation", rows, "--label", "churned"],
        ];
        await run("setup", []);
        const { report } = await run("log-model", flags);
        strictEqual(report.status, "created");
        strictEqual(report.model_version, 1);
        deepStrictEqual(Object.keys(report.parity.maxAbsoluteError), [
          "onnxruntime on the rows as sent",
        ]);
        strictEqual((await run("log-model", flags)).report.status, "unchanged");
        await run("promote", ["--version", "1"]);
        const refused = await run("predict", [
          ...["--input", rows, "--engine", "trees"],
        ], 2);
        match(refused.report.error, /ONNX graph only; use --engine auto/);
        const predicted = await run("predict", ["--input", rows]);
        strictEqual(predicted.report.status, "scored");
        const { report: stored } = await run("query", [
          "select player_id as id, churn_probability as p from churn_predictions order by row_number",
        ]);
        const result: { id: string; p: number }[] = stored.result;
        strictEqual(result.length, rowCount);
        strictEqual(result[239]?.id, "p239");
        const ours = result.map(({ p }) => p);
        logged.set(name, { ours, metrics: report.metrics });
        cases.push({ name, folder: report.model_uri, rows, column, ours });
      });
    }
    const list = `${project.path}/cases.json`;
    await Deno.writeTextFile(list, JSON.stringify(cases));
    const { stdout } = await runPython(
      "mlflow-3.17.2",
      `${root}tests/peers/use_onnx.py`,
      { args: [list] },
    );
    const found = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
    for (const { name } of models) {
      await t.step(`Python's MLflow agrees: ${name}`, () => {
        const { ours, metrics } = logged.get(name)!;
        const used = found[name];
        strictEqual(used.loader, "mlflow.onnx");
        for (const way of ["graph", "pyfunc"]) {
          strictEqual(used[way].length, rowCount);
          const worst = Math.max(
            ...ours.map((p, row) => Math.abs(p - used[way][row])),
          );
          ok(worst <= 1e-6, `${way}: ${worst}`);
        }
        for (const way of ["example", "serving"]) {
          strictEqual(used[way].length, 20);
          used[way].forEach((p: number, row: number) =>
            ok(Math.abs(p - ours[row]!) <= 1e-6, `${way} ${row}`)
          );
        }
        match(used.enforced, /missing inputs \['x0'\]/);
        for (const [metric, value] of Object.entries(used.metrics)) {
          ok(Math.abs(metrics[metric]! - Number(value)) <= 1e-9, metric);
        }
      });
    }
  },
);
