/** MLflow's own pages, in a real browser, on what our scripts wrote. */
import { ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { findChromium, openPage, type Page } from "./support/browser.ts";
import { runCommand } from "./support/commands.ts";
import { startMlflowServer } from "./support/mlflow.ts";
import { testWithPython } from "./support/python.ts";
import { startWorld } from "./support/world.ts";

const flags = ["--geography", "US", "--retries", "0"];
const model = "churn-prediction-model-us";
const images = fileURLToPath(new URL("../docs/images/", import.meta.url));
/** The UI asks the server many times, and both share two cores with other tests. */
const timeout = 90_000;

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
      await using browser = await openPage(chromium);
      const { page } = browser;
      const show = async (path: string, texts: string[]) => {
        await page.goto(`${server.url}/#/${path}`, {
          waitUntil: "domcontentloaded",
          timeout,
        });
        for (const text of texts) {
          await page.getByText(text).first().waitFor({ timeout });
        }
      };

      await show("experiments/1/runs", [
        "churn_prediction-geography-us",
        "Model Logging - Geo: US",
      ]);
      await tidy(page);
      await show(`experiments/1/runs/${logged.run_id}`, [
        "Model Logging - Geo: US",
        "Finished",
        "log-model.ts",
        "log_loss",
        String(logged.metrics.auc),
        "binary:logistic",
        "training_date",
        "evaluation.jsonl",
        model,
      ]);
      await keep(page, "mlflow-run.png");
      await show(`experiments/1/runs/${logged.run_id}/artifacts`, [
        "MLmodel",
        "model.onnx",
        "model.ubj",
      ]);
      await show(`experiments/1/runs/${scored.run_id}`, [
        "predict.ts",
        "X_test_sample_2.json",
        "churn_model",
      ]);
      await show("models", [model, "@ champion"]);
      await show(`models/${model}`, [
        "Version 1",
        "@ champion",
        "churn.variant",
      ]);
      await show(`models/${model}/versions/1`, [
        "Production",
        "@ champion",
        "promotion.",
        "Inputs (45)",
        "Outputs (1)",
      ]);
      await keep(page, "mlflow-version.png");
    },
  );
}

/** Pages for model training, without the panel at the right that asks for questions. */
async function tidy(page: Page): Promise<void> {
  await page.getByText("Model training").first().click({ timeout });
  await page.mouse.click(1244, 36);
  await page.mouse.move(600, 790); // away from what shows a tip
}

/** A picture for the documents, taken anew with `UPDATE_IMAGES=1`. */
async function keep(page: Page, name: string): Promise<void> {
  if (Deno.env.get("UPDATE_IMAGES") !== "1") return;
  await Deno.mkdir(images, { recursive: true });
  await page.waitForTimeout(5_000); // the last grey bars fill
  await page.screenshot({ path: `${images}${name}` });
}
