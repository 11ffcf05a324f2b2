/** `models/train.py` for a variant that `init` added: label, id, features and recipe of `variants.yaml`, and rows in every format that it reads. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { openProject } from "../support/project.ts";
import { runPython, testWithPython } from "../support/python.ts";

const peer = fileURLToPath(
  new URL("../peers/own_domain.py", import.meta.url),
);

/** Writes the rows of machines.csv in the other formats. */
const convert = `
import sys
import pandas as pd
rows = pd.read_csv(f"{sys.argv[1]}/machines.csv")
rows.to_parquet(f"{sys.argv[1]}/machines.parquet")
rows.to_json(f"{sys.argv[1]}/array.json", orient="records")
rows.to_csv(f"{sys.argv[1]}/machines.csv.gz", index=False, sep=";")
`;

testWithPython(
  "models/train.py trains a variant of another domain from every format, and log-model measures the model as scikit-learn does",
  async (t) => {
    await using project = await openProject("variants: [{}]\n");
    const { files, path, run } = project;
    await runPython("parity", peer, { args: [files] });
    await runPython("xgboost", convert, { args: [files] });
    await run("init", [
      `--model=${files}/machines.txt`,
      `--sample=${files}/machines.csv`,
      "--company=Acme",
      "--replace",
    ]);
    const train = async (name: string, more: readonly string[] = []) => {
      const output = `${files}/${name}.model`;
      const { code, stderr } = await runPython(
        "xgboost",
        `${path}/models/train.py`,
        {
          args: [
            "--variant=company-acme",
            `--training=${files}/${name}`,
            "--training-date=2026-11-16",
            `--output=${output}`,
            ...more,
          ],
          env: { PYTHONDONTWRITEBYTECODE: "1" },
          mayFail: true,
        },
      );
      return { code, stderr, output };
    };
    const read = async (output: string) => ({
      model: await Deno.readFile(`${output}/xgb_churn_model_2.bin`),
      manifest: JSON.parse(await Deno.readTextFile(`${output}/manifest.json`)),
    });

    const evaluation = `--evaluation=${files}/machines.csv`;
    const first = await train("machines.csv", [evaluation]);
    strictEqual(first.code, 0, first.stderr);
    const { model, manifest } = await read(first.output);

    await t.step(
      "the same rows in other formats make the same model",
      async () => {
        for (
          const name of [
            "machines.jsonl",
            "machines.parquet",
            "array.json",
            "machines.csv.gz",
          ]
        ) {
          const { code, stderr, output } = await train(name);
          strictEqual(code, 0, stderr);
          deepStrictEqual((await read(output)).model, model, name);
        }
      },
    );

    await t.step(
      "log-model accepts the candidate, dates it by its manifest, and measures the same",
      async () => {
        await run("setup", ["--company=Acme"]);
        const { report } = await run("log-model", [
          "--company=Acme",
          `--model=${first.output}/xgb_churn_model_2.bin`,
          `--evaluation=${files}/machines.csv`,
          "--alias=challenger",
        ]);
        strictEqual(report.status, "created");
        deepStrictEqual(manifest.training, {
          label: "failed",
          rows: 500,
          base_rate: 0.386,
          name: "machines.csv",
          sha256: manifest.training.sha256,
        });
        for (const name of ["auc", "log_loss", "brier", "precision"]) {
          const [found, expected] = [
            report.metrics[name],
            manifest.metrics[name],
          ];
          ok(
            Math.abs(found - expected) < 1e-6,
            `${name}: ${found}, ${expected}`,
          );
        }
      },
    );

    await t.step(
      "an option without a training file is refused, and the shipped models stay",
      async () => {
        const shipped = `${path}/models/churn/xgb_churn_model_2.bin`;
        const before = await Deno.stat(shipped);
        const { code, stderr } = await runPython(
          "xgboost",
          `${path}/models/train.py`,
          { args: ["--max-depth=2"], mayFail: true },
        );
        strictEqual(code, 2);
        match(stderr, /training needs --variant, --training, --output and/);
        deepStrictEqual((await Deno.stat(shipped)).mtime, before.mtime);
      },
    );

    await t.step(
      "rows for evaluation need not have every category",
      async () => {
        const rows = (await Deno.readTextFile(`${files}/machines.csv`))
          .split("\n").filter((line) => !line.includes(",H,"));
        await Deno.writeTextFile(`${files}/no-h.csv`, rows.join("\n"));
        const { code, stderr, output } = await train("machines.jsonl", [
          `--evaluation=${files}/no-h.csv`,
        ]);
        strictEqual(code, 0, stderr);
        const { manifest } = await read(output);
        strictEqual(manifest.metrics.rows, rows.length - 2); // header, end
        ok(manifest.metrics.rows < 500);
      },
    );

    await t.step("flags change the training, and are recorded", async () => {
      const { output } = await train("machines.jsonl", [
        "--n-estimators=7",
        "--max-depth=2",
        "--param=reg_lambda=3",
      ]);
      const { manifest } = await read(output);
      deepStrictEqual(
        [
          manifest.trees,
          manifest.parameters.max_depth,
          manifest.parameters.reg_lambda,
        ],
        [7, 2, 3],
      );
    });

    await t.step(
      "without a file of features, all columns but label and id are the features",
      async () => {
        await Deno.remove(`${path}/data/company-acme/failed/features.json`);
        const { code, stderr, output } = await train("machines.csv");
        strictEqual(code, 0, stderr);
        deepStrictEqual(
          JSON.parse(await Deno.readTextFile(`${output}/features.json`)),
          [
            "Air_temperature",
            "torque",
            "tool_wear",
            "type_H",
            "type_L",
            "type_M",
          ],
        );
        deepStrictEqual((await read(output)).model, model);
      },
    );

    await t.step(
      "a wrong label, parameter or column ends with its name",
      async () => {
        const refusals: [string[], RegExp][] = [
          [["--label=torque"], /column "torque" must hold 0 and 1, found /],
          [["--label=stopped"], /column "stopped" .* found no such column/],
          [["--param=max_depht=3"], /Cannot use --param max_depht=3/],
          [["--param=max_depth=3"], /it has a flag, --max-depth/],
          [["--param=reg_lambda"], /reg_lambda: expected NAME=VALUE/],
          [["--param=missing=-1"], /set missing_value in variants.yaml/],
          [["--param=n_jobs=2"], /n_jobs=2: it is always 1/],
          [[`--features=${files}/wrong.json`], /without the columns humidity/],
          [[`--features=${files}/label.json`], /Cannot train on failed/],
          [
            [`--features=${files}/rare.json`],
            /no training row has "X" in "type"/,
          ],
        ];
        const names = {
          wrong: ["humidity"],
          label: ["failed"],
          rare: ["type_X"],
        };
        for (const [name, list] of Object.entries(names)) {
          const text = JSON.stringify(list);
          await Deno.writeTextFile(`${files}/${name}.json`, text);
        }
        for (const [flags, message] of refusals) {
          const { code, stderr } = await train("machines.csv", flags);
          strictEqual(code, 1);
          match(stderr, message);
        }
      },
    );
  },
);
