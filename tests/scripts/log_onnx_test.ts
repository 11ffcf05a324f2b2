/** ONNX files: logged, promoted and scored on the embedded default, and used by Python's MLflow like a model of its own. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { copyProject } from "../support/checkout.ts";
import { runCommand } from "../support/commands.ts";
import { seededNumbers } from "../support/ensembles.ts";
import { runPython, testWithPython } from "../support/python.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const golden = `${root}tests/golden`;
const names = ["x0", "x1", "x2", "x3", "x4"];
const rowCount = 240;

/** A graph, the line of variants.yaml that it needs, and the column of its churn class. */
interface Case {
  readonly name: string;
  readonly line: string;
  readonly column: number;
  /** Labelled rows; with nulls and absent cells where the model allows them. */
  readonly rows: string;
  readonly names: readonly string[];
}

const matrixCase = (
  name: string,
  line: string,
  { column, missing }: { column: number; missing: boolean },
): Case => ({ name, line, column, rows: toRows(missing), names });
const columnsCase = (name: string, names: readonly string[]): Case => ({
  name,
  line: "",
  column: 1,
  rows: Deno.readTextFileSync(`${golden}/onnx_columns/${name}.jsonl`).trim(),
  names,
});

const cases: readonly Case[] = [
  matrixCase("catboost-binary", "", { column: 1, missing: true }),
  matrixCase("lightgbm-text-matrix", "positive_class: churn", {
    column: 0,
    missing: true,
  }),
  matrixCase("pipeline", "positive_class: stay", { column: 1, missing: false }),
  columnsCase("mixed", ["tier", "brand", "months", "spend"]),
  columnsCase("booleans", ["spend", "months", "vip"]),
];

function toRows(missing: boolean): string {
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
    const env = {
      CHURN_HOME: `${project.path}/home`,
      CHURN_FILES: project.path,
    };
    const run = (command: string, flags: string[], code = 0) =>
      runCommand(command, flags, { env, code, folder: project.path });
    const inPython: {
      name: string;
      folder: string;
      rows: string;
      column: number;
    }[] = [];
    const logged = new Map<
      string,
      { ours: number[]; metrics: Record<string, number> }
    >();
    await run("setup", []);
    for (
      const [index, { name, line, column, rows, names }] of cases.entries()
    ) {
      await t.step(`log-model, promote, predict, query: ${name}`, async () => {
        await Deno.writeTextFile(
          `${project.path}/variants.yaml`,
          `${settings}${line}\n`,
        );
        const data = `${project.path}/${name}.jsonl`;
        const features = `${project.path}/${name}.json`;
        await Deno.writeTextFile(data, rows);
        await Deno.writeTextFile(features, JSON.stringify(names));
        // Told by content, not by name.
        const file = `${project.path}/${name}.bin`;
        const source = name === "mixed" || name === "booleans"
          ? "onnx_columns"
          : "onnx";
        await Deno.copyFile(`${golden}/${source}/${name}.onnx`, file);
        const flags = [
          ...["--model", file, "--features", features, "--sample", data],
          ...["--evaluation", data, "--label", "churned"],
        ];
        const version = index + 1;
        const { report } = await run("log-model", [
          ...flags,
          ...index === 0 ? [] : ["--stage", "Production"],
        ]);
        strictEqual(report.status, "created");
        strictEqual(report.model_version, version);
        deepStrictEqual(Object.keys(report.parity.maxAbsoluteError), [
          "onnxruntime on the rows as sent",
        ]);
        if (index === 0) {
          const again = await run("log-model", flags);
          strictEqual(again.report.status, "unchanged");
        }
        if (index === 0) {
          await run("promote", ["--version", "1"]);
          const { report } = await run("predict", [
            ...["--input", data, "--engine", "trees"],
          ], 2);
          match(report.error, /an ONNX graph only; use --engine auto/);
        }
        // The rows of several cases are the same, which alone would be nothing new.
        const predicted = await run("predict", ["--input", data, "--force"]);
        strictEqual(predicted.report.status, "scored");
        strictEqual(predicted.report.model_version, version);
        strictEqual(predicted.report.rows, rowCount);
        logged.set(name, { ours: [], metrics: report.metrics });
        inPython.push({
          name,
          folder: report.model_uri,
          rows: data,
          column,
        });
      });
    }
    await t.step("query returns every stored score", async () => {
      const { report } = await run("query", [
        `select player_id as id, churn_probability as p, model_version::int as v
         from churn_predictions order by v, row_number`,
      ]);
      const stored: { id: string; p: number; v: number }[] = report.result;
      strictEqual(stored.length, cases.length * rowCount);
      for (const { id, p, v } of stored) {
        const { ours } = logged.get(cases[v - 1]!.name)!;
        strictEqual(id, `p${ours.length}`);
        ours.push(p);
      }
    });
    await t.step("another positive_class is a usage error", async () => {
      const flags = ["--model-uri", "models:/churn-prediction-model/2"];
      const data = `${project.path}/lightgbm-text-matrix.jsonl`;
      await Deno.writeTextFile(
        `${project.path}/variants.yaml`,
        `${settings}positive_class: stay\n`,
      );
      const { report } = await run("predict", [
        ...[...flags, "--input", data, "--force"],
      ], 2);
      match(report.error, /logged with the probability of class "churn"/);
    });
    const list = `${project.path}/cases.json`;
    await Deno.writeTextFile(
      list,
      JSON.stringify(
        inPython.map((one) => ({ ...one, ours: logged.get(one.name)?.ours })),
      ),
    );
    const { stdout } = await runPython(
      "mlflow-3.17.2",
      `${root}tests/peers/use_onnx.py`,
      { args: [list] },
    );
    const found = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
    for (const { name } of cases) {
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
        match(used.enforced, /missing inputs \['(x0|spend)'\]/);
        strictEqual(Object.keys(used.metrics).length, 6);
        for (const [metric, value] of Object.entries(used.metrics)) {
          ok(Math.abs(metrics[metric]! - Number(value)) <= 1e-9, metric);
        }
      });
    }
  },
);
