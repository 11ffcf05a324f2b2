/** The launcher: what every task answers, what a command may touch, and where paths start. */
import {
  deepStrictEqual,
  match,
  ok,
  strictEqual,
  throws,
} from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { commands, commandTable } from "../../lib/config/commands.ts";
import { parseStage } from "../../lib/mlflow/validation.ts";
import { argumentsFor } from "../../lib/cli/launch.ts";
import { developmentTasks, toSteps } from "../../lib/cli/development.ts";
import { findRequest, parseFlags, toHelp } from "../../lib/config/flags.ts";
import { nearest } from "../../lib/base/nearest.ts";
import { version } from "../../lib/cli/version.ts";
import { toLocalPath } from "../../lib/config/paths.ts";
import { UsageError } from "../../lib/base/errors.ts";
import { runCommand } from "../support/commands.ts";
import { openProject } from "../support/project.ts";
import { tempFolder } from "../support/servers.ts";
import { run } from "../support/tools.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const config: { version: string; tasks: Record<string, string> } = JSON.parse(
  await Deno.readTextFile(`${root}deno.json`),
);
const everything = [...commands, ...developmentTasks];

/** `deno task` in a folder, without what this process has in its environment. */
async function runTask(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { cwd = root, env = {} } = options;
  const kept = ["PATH", "HOME", "DENO_DIR"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  return await run(
    Deno.execPath(),
    ["task", "--quiet", "--config", `${root}deno.json`, ...args],
    {
      cwd,
      clearEnv: true,
      env: { ...Object.fromEntries(kept), NO_COLOR: "1", ...env },
    },
  );
}

Deno.test("deno.json has one task per command, in the order of the tables, and one version", () => {
  deepStrictEqual(
    Object.keys(config.tasks),
    everything.map(({ name }) => name),
  );
  strictEqual(config.version, version);
  for (const [name, task] of Object.entries(config.tasks)) {
    const programs = name === "mlflow" ? "deno,mlflow,uvx" : "deno";
    strictEqual(
      task,
      `deno run -q -ER --allow-run=${programs} lib/cli/launch.ts ${name}`,
    );
  }
});

Deno.test("CHANGELOG.md begins with this version, and every version has a day, newest first", async () => {
  const text = await Deno.readTextFile(`${root}CHANGELOG.md`);
  const headings = [...text.matchAll(/^## (.*)$/gm)].map(([, line]) => line!);
  const parts = headings.map((line) =>
    /^(\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)$/.exec(line)?.slice(1) ?? [line]
  );
  strictEqual(parts[0]?.[0], version);
  for (const [number, day] of parts) {
    ok(day !== undefined && !Number.isNaN(Date.parse(day)), `${number}`);
  }
  const days = parts.map(([, day]) => day);
  deepStrictEqual(days, days.toSorted().toReversed());
});

Deno.test("every task answers --help, -h and --version, and does nothing else", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home` };
  for (const command of everything) {
    const { name } = command;
    const asked = name === "predict" ? ["--help", "-h", "--version"] : ["-h"];
    for (const flag of asked) {
      const { code, stdout, stderr } = await runTask([name, flag], { env });
      deepStrictEqual([name, code, stderr], [name, 0, ""]);
      const expected = flag === "--version"
        ? version
        : toHelp(command, { columns: 100 });
      strictEqual(stdout, `${expected}\n`);
    }
  }
  deepStrictEqual(await Array.fromAsync(Deno.readDir(folder.path)), []);
});

Deno.test("a misspelled flag of any task ends with exit code 2 before any work", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home` };
  const cases = everything.filter(({ name }) => name !== "test").map((
    command,
  ) => {
    const [first] = Object.keys(command.flags);
    return { name: command.name, first };
  });
  for (const { name, first } of cases) {
    const wrong = first === undefined ? "nothing-like-it" : `${first}x`;
    const { code, stderr } = await runTask([name, `--${wrong}`], { env });
    strictEqual(code, 2, `${name}: ${stderr}`);
    match(stderr, new RegExp(`unknown flag --${wrong}`));
    match(stderr, new RegExp(`\`deno task ${name} --help\` lists the flags`));
    if (first !== undefined) {
      match(stderr, new RegExp(`did you mean --${first}\\?`));
    }
  }
  const word = await runTask(["wasm", "now"], { env });
  deepStrictEqual([word.code, /unexpected argument "now"/.test(word.stderr)], [
    2,
    true,
  ]);
  deepStrictEqual(await Array.fromAsync(Deno.readDir(folder.path)), []);
});

Deno.test("the launcher lists all tasks with what they do, and suggests a name", async () => {
  const start = ["run", "-q", "-ER", "--allow-run=deno", "lib/cli/launch.ts"];
  const launch = (...args: string[]) =>
    run(Deno.execPath(), [...start, ...args], { env: { NO_COLOR: "1" } });
  const list = await launch("--help");
  strictEqual(list.code, 0);
  for (const { name } of everything) {
    match(list.stdout, new RegExp(`^  ${name}  +[A-Z]`, "m"));
  }
  deepStrictEqual(await launch(), { ...list, code: 2 });
  const near = await launch("predct");
  strictEqual(near.code, 2);
  match(near.stderr, /^Unknown task "predct"; did you mean predict\?/);
  const report = JSON.parse((await launch("predct", "--json")).stdout);
  strictEqual(report.status, "failed");
  match(report.error, /^Unknown task "predct"/);
  strictEqual(report.exit_code, 2);
});

Deno.test("toSteps() passes the task's environment to each step, and the user's arguments to the last", () => {
  const find = (name: string) =>
    developmentTasks.find((task) => task.name === name)!;
  const [parity, format] = toSteps(find("parity-table"), ["--check"]);
  deepStrictEqual(parity?.environment, { PARITY_TABLE: "docs/parity.md" });
  deepStrictEqual(parity?.args.at(-1), "tests/model/parity_test.ts");
  deepStrictEqual(format?.args, [
    "fmt",
    "--quiet",
    "docs/parity.md",
    "--check",
  ]);
  deepStrictEqual(toSteps(find("wasm"), []).map((step) => step.environment), [
    {},
  ]);
});

Deno.test("every flag is explained, in lines as wide as the terminal", () => {
  for (const command of everything) {
    for (const columns of [80, 100]) {
      const help = toHelp(command, { columns });
      for (const name of Object.keys(command.flags)) {
        match(help, new RegExp(`^  --${name}`, "m"));
      }
      for (const line of help.split("\n")) ok(line.length <= columns, line);
    }
    // Nothing is lost or added by the width.
    const words = (columns: number) =>
      toHelp(command, { columns }).split(/\s+/);
    deepStrictEqual(words(80), words(200));
  }
});

Deno.test("--stage completes MLflow's stages, as MLflow spells them", () => {
  const { values } = commandTable.promote.flags.stage;
  deepStrictEqual(values.map(parseStage), values);
  throws(() => parseStage("no"), new RegExp(`are ${values.join(", ")}`));
});

Deno.test("findRequest() does not treat promote's --version N as a request", () => {
  const promote = commands.find(({ name }) => name === "promote")!;
  strictEqual(findRequest(promote, ["--version", "2"]), undefined);
  strictEqual(findRequest(promote, ["--version=2"]), undefined);
  strictEqual(findRequest(promote, ["--version"]), "version");
  strictEqual(findRequest(promote, ["--version", "--json"]), "version");
  strictEqual(findRequest(promote, ["--version", "2", "-h"]), "help");
});

Deno.test("parseFlags() rejects ambiguous and unknown flags", () => {
  const command = {
    name: "x",
    summary: "",
    flags: {
      all: { kind: "switch", help: "" },
      input: { kind: "list", value: "URI", help: "" },
      output: { kind: "text", value: "FILE", help: "", default: "postgres" },
    },
  } as const;
  const refused: Record<string, RegExp> = {
    "--inptu a": /unknown flag --inptu; did you mean --input\?/,
    "--nothing": /unknown flag --nothing; `deno task x --help`/,
    "-a": /unknown flag -a/,
    "--output a --output=b": /--output is given twice, "a" and "b"/,
    "--output": /--output FILE is missing its value/,
    "--output --all": /is missing its value \(.* write --output=--all\)/,
    "--all=yes": /--all takes no value, found "yes"/,
    "word": /unexpected argument "word"/,
    "--constructor": /unknown flag --constructor/,
  };
  for (const [line, message] of Object.entries(refused)) {
    throws(() => parseFlags(command, line.split(" ")), (error) => {
      ok(error instanceof UsageError);
      match(error.message, message);
      return true;
    });
  }
  const { values } = parseFlags(command, [
    "--input",
    "a",
    "--input=-b",
    "--input",
    "-",
    "--all",
  ]);
  deepStrictEqual({ ...values }, {
    input: ["a", "-b", "-"],
    all: true,
    output: "postgres",
  });
});

Deno.test("nearest() finds swapped, missing and additional letters, and nothing more distant", () => {
  const words = ["input", "output", "geography"];
  strictEqual(nearest("geograhpy", words), "geography");
  strictEqual(nearest("ouput", words), "output");
  strictEqual(nearest("put", words), undefined);
});

Deno.test("toLocalPath() resolves paths from the user's directory, and returns undefined for other URIs", () => {
  const place = { folder: "/data", home: "/home/me" };
  deepStrictEqual(
    ["a b.jsonl", "../x", "~", "~/x", "~you/x", "/abs", "file:///abs"].map((
      text,
    ) => toLocalPath(text, place)),
    [
      "/data/a b.jsonl",
      "/x",
      "/home/me",
      "/home/me/x",
      "/data/~you/x",
      "/abs",
      "/abs",
    ],
  );
  for (const text of ["", "-", "s3://b/k", "models:/a/1", "https://x/y"]) {
    strictEqual(toLocalPath(text, place), undefined);
  }
});

Deno.test("every flag and word that names a file starts where the user stands, knows ~, and is granted", () => {
  const environment = { INIT_CWD: "/data/here", HOME: "/home/me" };
  let checked = 0;
  for (const command of commands) {
    const files = [
      ...Object.entries(command.flags).flatMap(([name, flag]) =>
        flag.kind !== "switch" && flag.file
          ? [{ flag: `--${name}`, use: flag.file.use }]
          : []
      ),
      ...command.words?.file
        ? [{ flag: undefined, use: command.words.file.use }]
        : [],
    ];
    for (const { flag, use } of files) {
      const spellings: readonly (readonly [given: string, path: string])[] = [
        ["week.csv", "/data/here/week.csv"],
        ["../week.csv", "/data/week.csv"],
        ["~/week.csv", "/home/me/week.csv"],
        ["/abs/week.csv", "/abs/week.csv"],
        ["file:///abs/week.csv", "/abs/week.csv"],
      ];
      for (const [given, path] of spellings) {
        const lines = flag === undefined
          ? [[given]]
          : [[flag, given], [`${flag}=${given}`]];
        for (const line of lines) {
          const args = argumentsFor(command, line, environment);
          const script = args.indexOf(`scripts/${command.name}.ts`);
          const passed = args.slice(script + 1);
          deepStrictEqual(
            passed,
            flag === undefined
              ? [path]
              : line.length === 2
              ? [flag, path]
              : [`${flag}=${path}`],
            `${command.name} ${line.join(" ")}`,
          );
          const granted = args.find((arg) =>
            arg.startsWith(use === "write" ? "--allow-write=" : "--allow-read=")
          ) ?? "";
          const paths = granted.replace(/^[^=]*=/, "").split(",");
          // Of a file to write, the highest missing folder is granted as a whole.
          ok(
            paths.some((each) =>
              path === each || path.startsWith(`${each}/`)
            ),
            `${command.name} ${line.join(" ")}: ${granted}`,
          );
          checked++;
        }
      }
    }
  }
  ok(checked > 100, `${checked}`);
  // What is no file stays as it is.
  const predict = commands.find(({ name }) => name === "predict")!;
  const uris = ["--input", "s3://b/week.csv", "--output", "postgres"];
  const args = argumentsFor(predict, uris, environment);
  deepStrictEqual(args.slice(-4), uris);
});

Deno.test("predict reads and writes the files on the command line from any working directory", async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  await Deno.mkdir(`${path}/stands/here`, { recursive: true });
  const lines =
    (await Deno.readTextFile(`${root}data/churn/X_test_sample_2.json`))
      .split("\n").slice(0, 5).join("\n");
  await Deno.writeTextFile(`${path}/week one.jsonl`, lines);
  await Deno.writeTextFile(`${path}/home.jsonl`, lines.replaceAll("P-", "Q-"));
  const env = { CHURN_HOME: "~/home", HOME: path };
  const { code, stderr } = await runTask([
    "predict",
    "--input",
    "../../week one.jsonl",
    "--input=~/home.jsonl",
    "--output",
    "new/scores.csv",
  ], { cwd: `${path}/stands/here`, env });
  strictEqual(code, 0, stderr);
  const csv = await Deno.readTextFile(`${path}/stands/here/new/scores.csv`);
  strictEqual(csv.trim().split("\n").length, 1 + 2 * 5);
  // Into a folder that is there already: only the file itself may be written.
  const again = await runTask([
    "predict",
    "--input=../../week one.jsonl",
    "--output=scores.jsonl",
  ], { cwd: `${path}/stands/here`, env });
  strictEqual(again.code, 0, again.stderr);
  const found = await Array.fromAsync(Deno.readDir(`${path}/stands/here`));
  deepStrictEqual(found.map(({ name }) => name).sort(), [
    "new",
    "scores.jsonl",
  ]);
});

Deno.test("a file on the command line that does not exist ends with exit code 2", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: folder.path };
  const calls = [
    ["plan", "--input", "no.csv"],
    ["plan", "--input", `${folder.path}/*.csv`],
    ["predict", "--dry-run", `--input=${folder.path}/no.csv`],
    ["predict", "--geography", "Mars"],
  ] as const;
  for (const [name, ...args] of calls) {
    const { report } = await runCommand(name, args, { env, code: 2 });
    match(report.error, /there is no such file|the project ships none/);
  }
});

Deno.test("--all without listed variants says that there is nothing to do", async () => {
  await using project = await openProject("variants: []\n");
  const env = { CHURN_HOME: `${project.files}/home` };
  for (const name of ["predict", "plan"]) {
    const { stdout } = await runCommand(name, ["--all"], {
      env,
      json: false,
      folder: project.path,
    });
    strictEqual(stdout, "Nothing to do: variants.yaml lists no variant\n");
  }
});

Deno.test("an invalid flag ends with exit code 2, and with --json prints one object", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: folder.path };
  const { report, stderr } = await runCommand("predict", ["--inptu", "x"], {
    env,
    code: 2,
  });
  match(report.error, /did you mean --input/);
  match(stderr, /^predict: unknown flag --inptu/);
  const comma = await runTask(["predict", "--input", "/tmp/a,b.jsonl"]);
  strictEqual(comma.code, 2);
  match(comma.stderr, /^predict: Cannot use "\/tmp\/a,b.jsonl": .*comma/);
});
