/** `init` with models and data of another domain: what it proposes, writes and refuses, and that the commands it prints work as they are. */
import {
  deepStrictEqual,
  doesNotMatch,
  match,
  ok,
  strictEqual,
} from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { getObject, makeBucket } from "../support/aws.ts";
import { copyProject } from "../support/checkout.ts";
import { runCommand } from "../support/commands.ts";
import { startMoto, tempFolder } from "../support/servers.ts";
import { openProject, type Project } from "../support/project.ts";
import { runPython, testWithPython } from "../support/python.ts";

const peer = fileURLToPath(
  new URL("../peers/own_domain.py", import.meta.url),
);

const terminal = fileURLToPath(
  new URL("../peers/in_terminal.py", import.meta.url),
);

const shipped = await Deno.readTextFile(
  new URL("../../variants.yaml", import.meta.url),
);

/** A copy of the project with the machines of another domain in its files. */
async function openMachines(variants = shipped): Promise<Project> {
  const project = await openProject(variants);
  await runPython("parity", peer, { args: [project.files] });
  return project;
}

/** Runs the printed commands as they are, except for the place of their output. */
async function paste(
  { run, files }: Project,
  commands: readonly string[],
): Promise<void> {
  strictEqual(commands.length, 3);
  for (const command of commands) {
    const [deno, task, name = "", ...args] = command
      .replace("--output scores.csv", `--output ${files}/scores.csv`)
      .split(" ");
    deepStrictEqual([deno, task], ["deno", "task"]);
    await run(name, args);
  }
}

/** The scores in a CSV file, by the name of their column. */
async function readScores(path: string, column: string): Promise<number[]> {
  const [head = "", ...rows] = (await Deno.readTextFile(path)).trim()
    .split("\n");
  const at = head.split(",").indexOf(column);
  ok(at > 0, `no column ${column} in ${head}`);
  return rows.map((row) => Number(row.split(",")[at]));
}

function assertClose(
  found: readonly number[],
  expected: readonly number[],
  tolerance: number,
): void {
  strictEqual(found.length, expected.length);
  found.forEach((score, row) =>
    ok(
      Math.abs(score - expected[row]!) <= tolerance,
      `row ${row}: ${score}, expected ${expected[row]}`,
    )
  );
}

testWithPython(
  "init adds a LightGBM model of machine failures, and the printed commands score it as LightGBM does",
  async (t) => {
    await using project = await openMachines();
    const { files, path, run } = project;
    const expected: Record<"failed" | "days" | "boosted", number[]> = JSON
      .parse(
        await Deno.readTextFile(`${files}/expected.json`),
      );
    const named = [
      `--model=${files}/machines.txt`,
      `--sample=${files}/machines.csv`,
    ];
    const read = () => Deno.readTextFile(`${path}/variants.yaml`);

    await t.step(
      "the base has an entry: refused, and nothing is written",
      async () => {
        const { stderr } = await run("init", named, 2);
        match(
          stderr,
          /Cannot add base: .*--company or --geography, or pass --replace/,
        );
        strictEqual(await read(), shipped);
      },
    );

    await t.step(
      "the entry follows the others, and every other line stays",
      async () => {
        const { report, stderr } = await run("init", [
          ...named,
          "--company=Acme",
        ]);
        deepStrictEqual(
          [report.status, report.features, report.id_column, report.label],
          ["created", 6, "machine_id", "failed"],
        );
        match(stderr, /^id column: machine_id, the only column /m);
        match(stderr, /^label: failed, the only column .* 0 and 1/m);
        match(
          stderr,
          /"Air temperature" is "Air_temperature", the others are categories of "type"$/m,
        );
        const text = await read();
        ok(text.startsWith(shipped));
        strictEqual(text.slice(shipped.length), `${entry}\n`);
        await paste(project, report.commands);
        assertClose(
          await readScores(`${files}/scores.csv`, "failed_probability"),
          expected.failed,
          1.2e-7,
        );
      },
    );

    await t.step(
      "a week at the proposed place is scored into the database",
      async () => {
        const folder = `${path}/data/company-acme/failed/weekly`;
        await Deno.mkdir(folder, { recursive: true });
        await Deno.copyFile(
          `${files}/machines.csv`,
          `${folder}/2026-11-23.csv`,
        );
        const scored = await run("predict", ["--company=Acme"]);
        deepStrictEqual(
          [scored.report.rows, scored.report.period],
          [500, "2026-11-23"],
        );
      },
    );

    await t.step(
      "an entry that exists is changed only with --replace, and keeps its other keys and comments",
      async () => {
        const again = [...named, "--company=acme", "--outcome=breakdown"];
        match((await run("init", again, 2)).stderr, /Cannot add company Acme/);
        const before = await read();
        await project.declare(before.replace(
          "    label: failed",
          "    model_uri: models:/x/1 # kept\n    label: failed # 1: it stopped",
        ));
        await run("init", [...again, "--replace"]);
        const text = await read();
        match(text, /model_uri: models:\/x\/1 # kept\n/);
        match(text, /label: failed # 1: it stopped\n/);
        match(text, /company: Acme\n/);
        match(text, /outcome: breakdown\n/);
        strictEqual(text.match(/company: Acme/g)?.length, 1);
      },
    );

    await t.step(
      "XGBoost's UBJSON and JSON are the same variant; JSON Lines work as CSV does",
      async () => {
        for (const [index, name] of ["boosted.ubj", "boosted.json"].entries()) {
          const { report } = await run("init", [
            `--model=${files}/${name}`,
            `--sample=${files}/plain.csv`,
            `--company=x${index}`,
          ]);
          await paste(project, report.commands);
          assertClose(
            await readScores(`${files}/scores.csv`, "failed_probability"),
            expected.boosted,
            1.2e-7,
          );
        }
        const lines = await run("init", [
          `--model=${files}/machines.txt`,
          `--sample=${files}/machines.jsonl`,
          "--geography=lines",
        ]);
        deepStrictEqual(lines.report.features, 6);
      },
    );

    await t.step(
      "a regressor without names takes the columns in their order, and its output has the model's name",
      async () => {
        const { report, stderr } = await run("init", [
          `--model=${files}/days_to_failure.txt`,
          `--sample=${files}/encoded-2026-11-16.csv`,
          "--company=days",
        ]);
        match(
          stderr,
          /no feature names, so the sample's columns are taken in their order/,
        );
        match(
          stderr,
          /^label: none, because the model's output is not one probability/m,
        );
        match(report.inputs, /weekly\/encoded-\{period\}\.csv$/);
        await paste(project, report.commands);
        assertClose(
          await readScores(`${files}/scores.csv`, "days_to_failure"),
          expected.days,
          2e-4, // LightGBM returns doubles, an output file has the float32 of the score
        );
        const named = await run("init", [
          `--model=${files}/days_to_failure.txt`,
          `--sample=${files}/machines.csv`,
          `--features=${files}/features.json`,
          "--company=named",
        ]);
        await paste(project, named.report.commands);
        assertClose(
          await readScores(`${files}/scores.csv`, "days_to_failure"),
          expected.days,
          2e-4,
        );
        const shown = await project.run("predict", [
          "--company=days",
          `--input=${files}/encoded-2026-11-16.csv`,
          `--output=${files}/again.csv`,
        ]);
        strictEqual(shown.report.rows, 500);
      },
    );
  },
);

const entry = `  - company: Acme
    experiment: failed_prediction-company-acme
    model_name: failed-prediction-model-acme
    files:
      model: data/failed/model.txt
      features: data/failed/features.json
      sample: data/failed/sample.csv
      evaluation: data/failed/sample.csv
    inputs: data/failed/weekly/{period}.csv
    label: failed
    id_column: machine_id
    names:
      entity: machine
      outcome: failed
    recipe:
      steps:
        - rename:
            Air temperature: Air_temperature
      one_hot:
        - column: type`;

testWithPython(
  "init refuses what two columns fit, what the sample lacks, and files that differ, and writes nothing",
  async (t) => {
    await using project = await openMachines();
    const { files, path, run } = project;
    const rows = (await Deno.readTextFile(`${files}/machines.csv`)).trim()
      .split("\n");
    const write = async (
      name: string,
      change: (line: string, row: number) => string,
    ) => {
      await Deno.writeTextFile(`${files}/${name}`, rows.map(change).join("\n"));
      return `--sample=${files}/${name}`;
    };
    const model = `--model=${files}/machines.txt`;
    const refused = async (
      args: readonly string[],
      code: number,
      message: RegExp,
    ) => {
      const { stderr } = await run("init", ["--company=x", ...args], code);
      match(stderr, message);
      strictEqual(await Deno.readTextFile(`${path}/variants.yaml`), shipped);
      await Deno.stat(`${path}/data/company-x`).then(
        () => Promise.reject(new Error("files were written")),
        () => {},
      );
    };

    await t.step("two columns of ids", async () => {
      const sample = await write(
        "ids.csv",
        (line, row) => `${line},${row === 0 ? "order_id" : row}`,
      );
      await refused(
        [model, sample],
        2,
        /which column is the id column: machine_id, order_id .*--id-column COLUMN/,
      );
      await refused(
        [model, sample, "--id-column=machine"],
        2,
        /Cannot use --id-column machine: .*machine_id, /,
      );
      await refused(
        [model, sample, "--id-column=torque"],
        2,
        /besides features and label/,
      );
    });
    await t.step("a label that the model reads", async () => {
      await refused(
        [
          `--model=${files}/boosted.json`,
          `--sample=${files}/plain.csv`,
          "--label=torque",
        ],
        2,
        /Cannot use --label torque: the model reads this column as a feature; the other columns are machine_id, failed$/m,
      );
    });
    await t.step("two columns of outcomes", async () => {
      const sample = await write(
        "labels.csv",
        (line, row) => `${line},${row === 0 ? "stopped" : row % 2}`,
      );
      await refused(
        [model, sample],
        2,
        /which column is the label: failed, stopped .*--label COLUMN/,
      );
    });
    await t.step("a feature that no column is", async () => {
      const sample = await write(
        "short.csv",
        (line) => line.replace(/^([^,]+,[^,]+),[^,]+/, "$1"),
      );
      await refused(
        [model, sample],
        1,
        /Cannot find the feature "torque" of the model in the sample/,
      );
    });
    await t.step("a feature that two columns are", async () => {
      const sample = await write(
        "twice.csv",
        (line, row) => `${line},${row === 0 ? "air-temperature" : 300}`,
      );
      await refused(
        [model, sample],
        1,
        /which column is the feature "Air_temperature": "Air temperature", "air-temperature"/,
      );
    });
    await t.step("a model without names and a column too many", async () => {
      const sample = `--sample=${files}/machines.csv`;
      await refused(
        [`--model=${files}/days_to_failure.txt`, sample, "--label=failed"],
        1,
        /it has 6 features without names, and the sample has 4 columns besides id and label .*--features FILE/,
      );
    });
    await t.step(
      "no model, no sample, no such file, no model's file",
      async () => {
        const sample = `--sample=${files}/machines.csv`;
        await refused([sample], 2, /without --model FILE/);
        await refused([model], 2, /without --sample FILE/);
        await refused(
          [model, `--sample=${files}/no.csv`],
          2,
          /Cannot find .*no\.csv/,
        );
        await refused(
          [`--model=${files}/machines.csv`, sample],
          1,
          /Cannot use .*machines\.csv/,
        );
      },
    );
    await t.step(
      "a pattern outside the prefix, a name that is no part of a path",
      async () => {
        const sample = `--sample=${files}/machines.csv`;
        await refused(
          [model, sample, "--inputs=../x/{period}.csv"],
          2,
          /Cannot use inputs "\.\.\/x/,
        );
        await run("init", [model, sample, "--company=x/y"], 2);
      },
    );
    await t.step("another file at the place of the copy", async () => {
      await Deno.mkdir(`${path}/data/company-y/failed`, { recursive: true });
      await Deno.writeTextFile(`${path}/data/company-y/failed/sample.csv`, "x");
      const args = [model, `--sample=${files}/machines.csv`, "--company=y"];
      match(
        (await run("init", args, 2)).stderr,
        /Cannot copy to .*sample\.csv: a different file already exists there; /,
      );
      strictEqual(await Deno.readTextFile(`${path}/variants.yaml`), shipped);
      await run("init", [...args, "--replace"]);
    });
  },
);

Deno.test("init adds an ONNX graph with named inputs to a file whose list is written in brackets", async () => {
  await using project = await openProject(
    "label: churned # mine\nvariants: [{}]\n",
  );
  const golden = fileURLToPath(
    new URL("../golden/onnx_columns/", import.meta.url),
  );
  const { report } = await project.run("init", [
    `--model=${golden}numbers.onnx`,
    `--sample=${golden}numbers.jsonl`,
    "--company=x",
    "--outcome=fault",
  ]);
  const text = await Deno.readTextFile(`${project.path}/variants.yaml`);
  match(
    text,
    /^label: churned # mine\nvariants:\n {2}- \{\}\n {2}- company: x\n {4}experiment: fault_prediction-company-x\n/,
  );
  await paste(project, report.commands);
});

Deno.test("init --replace keeps names and output of the entry, and refuses an entry that others repeat by an alias", async () => {
  const golden = fileURLToPath(new URL("../golden/onnx/", import.meta.url));
  const { rows }: { rows: number[] } = JSON.parse(
    await Deno.readTextFile(`${golden}expected.json`),
  );
  await using project = await openProject(`variants:
  - company: Acme
    model_name: churn-model
    model_output: probability
  - company: Beta
    positive_class: stay
  - company: Gamma
    files: &shared { model: a.onnx }
  - company: Delta
    files: *shared
`);
  const { files, path, run } = project;
  const lines = Array.from({ length: 20 }, (_, row) => {
    const cells = rows.slice(row * 5, row * 5 + 5).map((cell, at) =>
      [`x${at}`, cell] as const
    );
    return JSON.stringify({
      player_id: `p${row}`,
      churned: row % 2,
      ...Object.fromEntries(cells),
    });
  });
  await Deno.writeTextFile(`${files}/rows.jsonl`, lines.join("\n"));
  await Deno.writeTextFile(
    `${files}/names.json`,
    JSON.stringify(["x0", "x1", "x2", "x3", "x4"]),
  );
  const replace = (name: string, more: readonly string[], code = 0) =>
    run("init", [
      `--model=${golden}${name}.onnx`,
      `--sample=${files}/rows.jsonl`,
      "--replace",
      ...more,
    ], code);
  const read = () => Deno.readTextFile(`${path}/variants.yaml`);

  const { report, stderr } = await replace("forest-of-shares", [
    "--company=Acme",
    "--outcome=features",
  ]);
  // Only a probability is measured on the label.
  deepStrictEqual([report.label, report.metrics?.rows], ["churned", 20]);
  deepStrictEqual(
    [report.model_name, report.experiment],
    ["churn-model", "churn_prediction-company-acme"],
  );
  match(
    stderr,
    /^names: experiment churn_prediction-company-acme and model churn-model, as before$/m,
  );
  const copies = [...Deno.readDirSync(`${path}/data/company-acme/features`)];
  deepStrictEqual(copies.map(({ name }) => name).toSorted(), [
    "features.json",
    "model.onnx",
    "sample.jsonl",
  ]);

  const misspelled = await replace("text-first", [
    "--company=Beta",
    `--features=${files}/names.json`,
    "--label=chrned",
  ]);
  match(
    misspelled.stderr,
    /The rows have no column "chrned"; did you mean --label churned\?/,
  );
  const text = await read();
  match(text, /model_name: churn-model\n {4}model_output: probability\n/);
  match(text, /company: Beta\n {4}positive_class: stay\n/);
  strictEqual(text.match(/model_name|experiment/g)?.length, 1);

  const refused = await replace("net-sigmoid", ["--company=Gamma"], 1);
  match(
    refused.stderr,
    /Cannot change variants\.yaml: variants\[2\] has the anchor &shared, /,
  );
  strictEqual(await read(), text);
  await replace("net-sigmoid", ["--company=Delta"]);
  const trees = fileURLToPath(
    new URL("../../models/churn/xgb_churn_model_2.bin", import.meta.url),
  );
  const sample = fileURLToPath(
    new URL("../../data/churn/X_test_sample_2.json", import.meta.url),
  );
  await run("init", [
    `--model=${trees}`,
    `--sample=${sample}`,
    "--company=Beta",
    "--replace",
  ]);
  // With it, predict refuses trees.
  doesNotMatch(await read(), /positive_class/);
  match(await read(), /files: &shared \{ model: a\.onnx \}/);
});

testWithPython(
  "init asks in a terminal for what no flag says, and takes an empty answer as the proposal",
  async () => {
    await using project = await openMachines();
    const { files, path } = project;
    const type = async (answers: readonly string[]) => {
      const { stdout } = await runPython("parity", terminal, {
        args: [
          answers.join("|"),
          "deno",
          "task",
          "--quiet",
          "--cwd",
          path,
          "init",
        ],
        env: { CHURN_HOME: `${files}/home`, NO_COLOR: "1" },
      });
      return stdout;
    };
    const [model, sample] = [`${files}/machines.txt`, `${files}/machines.csv`];
    const refused = await type([model, sample, "Acme", "", "", "no"]);
    match(refused, /init: Nothing was written\s+exit code 2/);
    strictEqual(await Deno.readTextFile(`${path}/variants.yaml`), shipped);
    const shown = await type([
      model,
      sample,
      "Acme",
      "",
      "machine",
      "machine_id",
      "",
    ]);
    match(shown, /id column \[machine_id: the only column/);
    match(shown, /Enter one of machine_id, none/);
    match(shown, /exit code 0/);
    strictEqual(
      await Deno.readTextFile(`${path}/variants.yaml`),
      `${shipped}${entry}\n`,
    );
  },
);

testWithPython(
  "nothing that a command says or writes about machines that fail calls them players, or the outcome churn",
  async () => {
    await using project = await openMachines();
    const { files, path, run } = project;
    await run("init", [
      `--model=${files}/machines.txt`,
      `--sample=${files}/machines.csv`,
      "--company=Acme",
    ]);
    const folder = `${path}/data/company-acme/failed/weekly`;
    await Deno.mkdir(folder, { recursive: true });
    await Deno.copyFile(`${files}/machines.csv`, `${folder}/2026-11-23.csv`);
    const rows = await Deno.readTextFile(`${files}/machines.csv`);
    for (
      const [name, text] of [
        ["nobody.csv", rows.replaceAll(/^M-\d+/gm, "")],
        ["twice.csv", rows.replace("M-0001", "M-0000")],
        ["often.csv", rows.replaceAll(/^M-02../gm, "M-0200")],
        ["others.csv", rows.replaceAll(/^M-/gm, "N-")],
      ] as const
    ) await Deno.writeTextFile(`${files}/${name}`, text);
    const shown: string[] = [];
    for (
      const [name, args, code] of [
        ["plan", [], 0],
        ["predict", ["--quiet"], 0],
        ["monitor", [
          `--outcomes=${files}/machines.csv`,
          `--report=${files}/report`,
        ], 0],
        ["monitor", [], 0],
        ["predict", [`--input=${files}/nobody.csv`], 1],
        ["predict", [`--input=${files}/twice.csv`, "--dry-run"], 0],
        ["monitor", [`--outcomes=${files}/others.csv`], 1],
        ["predict", [`--input=${files}/often.csv`], 0],
        ["monitor", ["--run=3"], 0],
        ["monitor", [`--outcomes=${files}/nobody.csv`], 1],
      ] as const
    ) {
      const ended = await run(name, ["--company=Acme", ...args], code);
      shown.push(ended.stdout, ended.stderr);
    }
    await run("report", [`--output=${files}/report/all.html`]);
    for await (const { name } of Deno.readDir(`${files}/report`)) {
      shown.push(await Deno.readTextFile(`${files}/report/${name}`));
    }
    const all = shown.join("\n");
    match(all, /the variant's machine id/);
    match(all, /1 machine has more than one row/);
    match(all, /belongs to a machine of the/);
    match(all, /observed failed rate/);
    match(
      all,
      /duplicate machines (warns|fails): 99 rows repeat one of 1 machines/,
    );
    const contract =
      /churn_predictions(_current)?|CHURN_\w+|churn_model|churn\.\w+|duplicate_players|(scored|outcome)_players|"players":|https:\S+/g;
    const words = [files, path, contract].reduce<string>(
      (text, part) => text.replaceAll(part, ""),
      all,
    ).match(
      /.{0,60}(player|churn).{0,60}/gi,
    );
    deepStrictEqual(words ?? [], []);
  },
);

testWithPython(
  "with a bucket, init copies the files to the variant's prefix there; Parquet is read like CSV",
  async () => {
    await using moto = await startMoto();
    await using project = await copyProject();
    await using folder = await tempFolder();
    await makeBucket(moto, "acme");
    await runPython("parity", peer, { args: [folder.path] });
    await runPython("xgboost", toParquet, { args: [folder.path] });
    const env = {
      ...moto.env,
      CHURN_HOME: `${folder.path}/home`,
      MLFLOW_TRACKING_URI: "postgresql://u:p@127.0.0.1:1/mlflow",
      PREDICTIONS_DATABASE_URL: "postgresql://u:p@127.0.0.1:1/p",
      MLFLOW_S3_BUCKET: "acme",
    };
    const { report } = await runCommand("init", [
      `--model=${folder.path}/machines.txt`,
      `--sample=${folder.path}/machines.parquet`,
      "--company=Acme",
      "--geography=EU",
    ], { env, folder: project.path });
    const prefix = "acme/geography-eu/company-acme/data/failed";
    strictEqual(report.inputs, `s3://${prefix}/weekly/{period}.parquet`);
    for (
      const [name, copy] of [
        ["machines.txt", "model.txt"],
        ["machines.parquet", "sample.parquet"],
      ]
    ) {
      deepStrictEqual(
        await getObject(moto, `${prefix}/${copy}`),
        await Deno.readFile(`${folder.path}/${name}`),
      );
    }
    const names = await getObject(moto, `${prefix}/features.json`);
    strictEqual(JSON.parse(new TextDecoder().decode(names)).length, 6);
  },
);

const toParquet = `
import sys
import pandas as pd
pd.read_csv(f"{sys.argv[1]}/machines.csv").to_parquet(f"{sys.argv[1]}/machines.parquet")
`;

testWithPython("docs/your-model.md shows what init prints", async () => {
  const doc = await Deno.readTextFile(
    new URL("../../docs/your-model.md", import.meta.url),
  );
  const [, typed = "", shown = ""] =
    /```console\n\$ deno task (init [^\n]+)\n([^]*?)```/.exec(doc) ?? [];
  await using project = await copyProject();
  await runPython("parity", peer, { args: [project.path] });
  const [name = "", ...args] = typed.split(" ");
  await using folder = await tempFolder();
  const { stdout, stderr } = await runCommand(name, args, {
    env: { CHURN_HOME: folder.path },
    folder: project.path,
    json: false,
  });
  const printed = `${stderr}${stdout}`.split("\n");
  const lines = shown.trim().split("\n");
  strictEqual(lines.length, 14);
  for (const line of lines) {
    const pattern = RegExp.escape(line).replaceAll("…", ".*");
    ok(
      printed.some((each) => new RegExp(`^${pattern}$`).test(each)),
      `${line}\nis none of\n${printed.join("\n")}`,
    );
  }
});
