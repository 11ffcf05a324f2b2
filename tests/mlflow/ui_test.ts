/** MLflow's own pages, in a real browser, on what our scripts wrote. */
import { ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { findChromium, openPages, type Stop } from "../support/browser.ts";
import { runCommand } from "../support/commands.ts";
import { startMlflowServer } from "../support/mlflow.ts";
import { testWithPython } from "../support/python.ts";
import { startWorld } from "../support/world.ts";

const flags = ["--geography", "US", "--retries", "0"];
const model = "churn-prediction-model-us";
const images = fileURLToPath(new URL("../../docs/images/", import.meta.url));
/** The UI asks the server many times, and both share two cores with other tests. */
const timeoutMs = 90_000;

const chromium = findChromium();
const reason =
  "Cannot open MLflow's pages: Chromium is not installed (`apt-get install chromium`)";
const skipped = chromium === undefined && Deno.env.get("CI") !== "true";
if (skipped) {
  Deno.stderr.writeSync(
    new TextEncoder().encode(`SKIPPED MLflow's UI: ${reason}\n`),
  );
}

if (!skipped) {
  testWithPython(
    "MLflow's UI shows experiment, runs, metrics, inputs, model and version",
    async () => {
      ok(chromium !== undefined, reason);
      await using world = await startWorld("geography-us");
      const { env, pythonEnv, postgres, bucket } = world;
      await runCommand("setup", flags, { env });
      const { report: logged } = await runCommand("log-model", flags, { env });
      await runCommand("promote", [...flags, "--version", "1"], { env });
      const { report: scored } = await runCommand("predict", flags, { env });
      await using server = await startMlflowServer(
        "mlflow-3.17.2",
        postgres.url("mlflow_db"),
        {
          artifacts: `s3://${bucket}`,
          env: { ...pythonEnv },
        },
      );
      const at = (path: string, texts: string[], more: Partial<Stop> = {}) => ({
        url: `${server.url}/#/${path}`,
        texts,
        ...more,
      });
      const stops = [
        // Then to the pages for model training, without the panel at the right that asks for questions.
        at("experiments/1/runs", [
          "churn_prediction-geography-us",
          "Model Logging - Geo: US",
        ], {
          clicks: ["Model training", [1244, 36]],
        }),
        at(`experiments/1/runs/${logged.run_id}`, [
          "Model Logging - Geo: US",
          "Finished",
          "log-model.ts",
          "log_loss",
          String(logged.metrics.auc),
          "binary:logistic",
          "training_date",
          "evaluation.jsonl",
          model,
        ], { image: toImage("mlflow-run.png") }),
        at(`experiments/1/runs/${logged.run_id}/artifacts`, [
          "MLmodel",
          "model.onnx",
          "model.ubj",
        ]),
        at(`experiments/1/runs/${scored.run_id}`, [
          "predict.ts",
          "X_test_sample_2.json",
          "churn_model",
        ]),
        at("models", [model, "@ champion"]),
        at(`models/${model}`, ["Version 1", "@ champion", "churn.variant"]),
        at(`models/${model}/versions/1`, [
          "Production",
          "@ champion",
          "promotion.",
          "Inputs (45)",
          "Outputs (1)",
        ], {
          image: toImage("mlflow-version.png"),
        }),
      ];
      await openPages({ executablePath: chromium, stops, timeoutMs });
    },
  );
}

/** Where a picture for the documents goes: nowhere, unless `UPDATE_IMAGES=1` asks for new ones. */
function toImage(name: string): string | undefined {
  return Deno.env.get("UPDATE_IMAGES") === "1" ? `${images}${name}` : undefined;
}
