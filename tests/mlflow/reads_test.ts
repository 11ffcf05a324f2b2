/** Real MLflow, three generations of it, reads what our scripts wrote; our scripts score what it logged. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { runCommand } from "../support/commands.ts";
import { mlflowReleases } from "../support/mlflow.ts";
import { openDatabase } from "../support/mlflow_stores.ts";
import {
  type PeerName,
  runPeer,
  runPython,
  testWithPython,
} from "../support/python.ts";
import { startWorld, type World } from "../support/world.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const experiment = "churn_prediction-geography-us";
const model = "churn-prediction-model-us";
const modelFile = `${root}models/geography-us/churn/xgb_churn_model_2.bin`;
const sample = `${root}data/geography-us/churn/X_test_sample_2.json`;
/** Largest difference of a probability that counts as the same. */
const tolerance = 1e-6;

for (const release of mlflowReleases) {
  testWithPython(
    `${release} reads, uses and changes what log-model and promote wrote`,
    async (t) => {
      await using world = await startWorld("geography-us", release);
      const { run, refusal } = runnerOf(world);
      await run("setup");
      const logged = await run("log-model");
      await run("promote", "--version", "1");
      const scored = await run("predict", "--no-fallback");
      deepStrictEqual([logged.model_version, scored.model_version], [1, 1]);
      const csv = `${world.folder}/input.csv`;
      const seen = await python(world, release, [
        "read_ours.py",
        model,
        modelFile,
        sample,
        csv,
      ]);

      await t.step(
        "mlflow.pyfunc, mlflow.onnx and mlflow.xgboost load it and score the same",
        () => {
          for (
            const [way, difference] of Object.entries<number>(seen.differences)
          ) {
            ok(
              difference <= tolerance,
              `${release} by ${way} differs by ${difference}`,
            );
          }
          ok(seen.spread > 0.5); // scores that were all alike would prove nothing
          strictEqual(seen.run_id, logged.run_id);
          ok(seen.example_scores.length > 0);
        },
      );

      await t.step(
        "mlflow.pyfunc enforces the signature, which is the one that MLflow infers",
        () => {
          strictEqual(seen.infers_same, true);
          deepStrictEqual(seen.outputs, [{ type: "float", required: true }]);
          match(seen.missing, /Model is missing inputs \['months_active'\]/);
          match(
            seen.wrong_type,
            /Incompatible input types for column months_active/,
          );
        },
      );

      await t.step(
        "predict stored the scores that mlflow.pyfunc returns",
        async () => {
          const stored = await storedScores(world, scored.run_id);
          strictEqual(stored.length, 500);
          ok(largestDifference(stored, seen.scores) <= tolerance);
        },
      );

      // One release is enough: the command is a process around mlflow.pyfunc, and takes half a minute.
      if (release === mlflowReleases[0]) {
        await t.step(
          "`mlflow models predict` scores a file with the model",
          async () => {
            const scores = await predictByCommandLine(world, release, csv);
            ok(largestDifference(scores, seen.scores) <= tolerance);
          },
        );
      }

      await t.step(
        "MlflowClient finds, tags, moves, aliases and deletes the model, and the scripts continue from there",
        async () => {
          strictEqual((await run("log-model", "--force")).model_version, 2);
          const { tags } = await python(world, release, [
            "use_ours.py",
            experiment,
            model,
          ]);
          const moves = Object.keys(tags).filter((key) =>
            key.startsWith("promotion.")
          );
          strictEqual(moves.length, 1);
          // Python deleted version 2, which had taken alias and stage: its number stays used.
          strictEqual((await run("log-model", "--force")).model_version, 3);
          match(
            await refusal("promote", "--version", "2"),
            /Cannot find version 2 .*: it has versions 1, 3/,
          );
          const promoted = await run("promote", "--version", "1");
          deepStrictEqual([promoted.status, promoted.from_version], [
            "promoted",
            null,
          ]);
          strictEqual((await run("predict")).status, "nothing-new");
        },
      );
    },
  );

  testWithPython(
    `predict scores what ${release} logged, and rejects by name what it cannot score`,
    async (t) => {
      await using world = await startWorld("geography-us", release);
      const { run, refusal } = runnerOf(world);
      await run("setup");
      const models: TheirModel[] = await python(world, release, [
        "log_theirs.py",
        experiment,
        model,
        sample,
      ]);
      deepStrictEqual(
        models.filter(({ scores }) => scores === null).map(({ kind }) => kind),
        ["sklearn", "pyfunc"],
      );
      for (const { kind, version, scores } of models) {
        await t.step(kind, async () => {
          const flags = [
            "--force",
            "--model-uri",
            `models:/${model}/${version}`,
          ];
          if (scores === null) {
            match(
              await refusal("predict", ...flags),
              new RegExp(`Cannot .*${kind}`),
            );
            return;
          }
          const report = await run("predict", ...flags);
          strictEqual(report.model_version, version);
          const difference = largestDifference(
            await storedScores(world, report.run_id),
            scores,
          );
          ok(difference <= tolerance, `${kind} differs by ${difference}`);
        });
      }
    },
  );
}

/** One model that `log_theirs.py` logged; no scores where scoring it must be refused. */
interface TheirModel {
  readonly kind: string;
  readonly version: number;
  readonly scores: number[] | null;
}

// deno-lint-ignore no-explicit-any -- the reports differ by script
type Report = any;

interface Runner {
  /** The report of a script that must end with exit code 0. */
  run(name: string, ...flags: string[]): Promise<Report>;
  /** The message of a script that must end with exit code 1. */
  refusal(name: string, ...flags: string[]): Promise<string>;
}

/** Runs the scripts for the US in the world's environment. */
function runnerOf({ env }: World): Runner {
  const start = (code: number, name: string, flags: string[]) =>
    runCommand(name, ["--geography", "US", "--retries", "0", ...flags], {
      env,
      code,
    });
  return {
    run: async (name, ...flags) => (await start(0, name, flags)).report,
    refusal: async (name, ...flags) =>
      (await start(1, name, flags)).report.error,
  };
}

/** What a script of `tests/peers` prints as its last line, run in `release` on the world's MLflow. */
async function python(
  world: World,
  release: PeerName,
  [script, ...args]: [string, ...string[]],
): Promise<Report> {
  const { stdout } = await runPython(release, `${root}tests/peers/${script}`, {
    args,
    env: { ...world.pythonEnv },
  });
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

async function predictByCommandLine(
  world: World,
  release: PeerName,
  csv: string,
): Promise<number[]> {
  const output = `${world.folder}/output.json`;
  await runPeer(release, [
    "mlflow",
    "models",
    "predict",
    `--model-uri=models:/${model}/Production`,
    `--input-path=${csv}`,
    "--content-type=csv",
    `--output-path=${output}`,
    "--env-manager=local",
  ], { env: { ...world.pythonEnv } });
  const { predictions } = JSON.parse(await Deno.readTextFile(output));
  return predictions.map((row: number | Record<string, number>) =>
    typeof row === "number" ? row : row["0"]
  );
}

async function storedScores(
  { postgres }: World,
  runId: string,
): Promise<number[]> {
  await using database = await openDatabase(postgres, "predictions");
  const rows = await database.query<{ score: number }>(
    `select churn_probability as score
     from churn_predictions p join scoring_runs r on r.id = p.scoring_run_id
     where r.mlflow_run_id = $1 order by row_number`,
    [runId],
  );
  return rows.map(({ score }) => score);
}

function largestDifference(
  ours: readonly number[],
  theirs: readonly number[],
): number {
  strictEqual(ours.length, theirs.length);
  ok(ours.length > 0);
  return Math.max(
    ...ours.map((score, row) => Math.abs(score - (theirs[row] ?? NaN))),
  );
}
