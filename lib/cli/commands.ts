/** The command line of every command: its name, its flags and their `--help` texts. */
import { stages } from "../mlflow/validation.ts";
import { shells } from "./completion/task.ts";
import type { Command, Flag } from "./flags.ts";

const read = { use: "read" } as const;

/** The aliases that shells complete; any other is allowed, too. */
const usualAliases = ["champion", "challenger"] as const;

const variantFlags = {
  geography: {
    kind: "text",
    value: "G",
    values: "geography",
    help: "the variant's geography, such as US",
  },
  company: {
    kind: "text",
    value: "C",
    values: "company",
    help: "the variant's company, such as ClientB",
  },
  dimension: {
    kind: "list",
    value: "NAME=VALUE",
    help: "a dimension in variants.yaml, such as brand=NJ; also as --brand NJ",
  },
} as const satisfies Record<string, Flag>;

const allFlag = {
  all: { kind: "switch", help: "process every variant in variants.yaml" },
} as const satisfies Record<string, Flag>;

const retryFlags = {
  retries: {
    kind: "text",
    value: "N",
    default: "3",
    watchedDefault: "2",
    help: "attempts after the first one if a service is unavailable",
  },
  "retry-delay": {
    kind: "text",
    value: "S",
    default: "60",
    watchedDefault: "3",
    help: "mean seconds between attempts",
  },
} as const satisfies Record<string, Flag>;

const serviceFlags = {
  ...retryFlags,
  "time-limit": {
    kind: "text",
    value: "M",
    default: "120",
    help:
      "minutes after which the command stops and rolls back; 0 for no limit",
  },
} as const satisfies Record<string, Flag>;

const outputFlags = {
  json: {
    kind: "switch",
    help: "print one JSON object as the last line of stdout",
  },
  quiet: { kind: "switch", help: "print only warnings, errors and the result" },
  verbose: {
    kind: "switch",
    help:
      "also print each step, SQL statement and request with its time; no values, no secrets",
  },
} as const satisfies Record<string, Flag>;

/** Flags of `init`. */
export const initCommand = {
  name: "init",
  summary:
    "Adds a variant for your own model and data to variants.yaml: proposes features, id and label, checks them, and copies the files.",
  changes: ["variants.yaml", "data"],
  flags: {
    ...variantFlags,
    model: {
      kind: "text",
      value: "FILE",
      help: "your model: XGBoost, LightGBM or ONNX",
      file: { use: "read", beside: ["manifest.json"] },
      ask: "Model file (XGBoost, LightGBM or ONNX):",
    },
    sample: {
      kind: "text",
      value: "FILE",
      help:
        "rows like those to score, in any format: CSV, Parquet, JSON Lines, …",
      file: read,
      ask: "File with rows like those to score (CSV, Parquet, JSON Lines, …):",
    },
    evaluation: {
      kind: "text",
      value: "FILE",
      help: "labelled rows for metrics (the sample, if it has the label)",
      file: read,
    },
    features: {
      kind: "text",
      value: "FILE",
      help: "feature names, a JSON array, for a model without names",
      file: read,
    },
    "id-column": {
      kind: "text",
      value: "COLUMN",
      help: "column that identifies a row, or none",
    },
    label: {
      kind: "text",
      value: "COLUMN",
      help: "column with the outcome, 1 or 0, or none",
    },
    inputs: {
      kind: "text",
      value: "PATTERN",
      help: "files to score, below the variant's prefix, usually with {period}",
    },
    entity: {
      kind: "text",
      value: "NOUN",
      help: "what a row is about, such as machine (from the id column)",
    },
    outcome: {
      kind: "text",
      value: "NOUN",
      help: "what the label 1 means, such as failure (from the label)",
    },
    "positive-class": {
      kind: "text",
      value: "CLASS",
      help: "for ONNX: the class whose probability is the score",
    },
    replace: {
      kind: "switch",
      help: "replace the variant's entry and files if they exist",
    },
    yes: { kind: "switch", help: "ask nothing and take the proposals" },
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `setup`. */
export const setupCommand = {
  name: "setup",
  summary:
    "Creates MLflow's database, the prediction tables, and a variant's experiment. A second run changes nothing.",
  flags: { ...variantFlags, ...allFlag, ...serviceFlags, ...outputFlags },
} as const satisfies Command;

/** Flags of `move`. */
export const moveCommand = {
  name: "move",
  summary:
    "Copies the embedded store to the configured services: runs, registry, scores and artifacts. The embedded store stays as it is.",
  flags: { ...serviceFlags, ...outputFlags },
} as const satisfies Command;

/** Flags of `log-model`. */
export const logModelCommand = {
  name: "log-model",
  summary:
    "Logs a variant's model with its parameters, metrics and signature, and registers the next version.",
  flags: {
    ...variantFlags,
    ...allFlag,
    model: {
      kind: "text",
      value: "URI",
      help: "model file to use instead of the variant's own",
      file: { use: "read", beside: ["manifest.json"] },
    },
    features: {
      kind: "text",
      value: "URI",
      help: "feature names file to use instead of the variant's own",
      file: read,
    },
    sample: {
      kind: "text",
      value: "URI",
      help: "sample of rows to use instead of the variant's own",
      file: read,
    },
    evaluation: {
      kind: "text",
      value: "URI",
      help: "labelled set to use instead of the variant's own",
      file: read,
    },
    encoded: {
      kind: "text",
      value: "URI",
      help:
        "sample as pandas encoded it for training, which must be equal to ours",
      file: read,
    },
    label: {
      kind: "text",
      value: "COLUMN",
      help: "outcome column in the labelled set",
    },
    scores: {
      kind: "text",
      value: "COLUMN",
      help:
        "column of the sample with the library's scores, which must be ours",
    },
    "training-date": {
      kind: "text",
      value: "DAY",
      help: "training date of the model, such as 2026-11-16",
    },
    alias: {
      kind: "text",
      value: "NAME",
      values: usualAliases,
      help: "alias to assign to the version",
    },
    stage: {
      kind: "text",
      value: "NAME",
      values: stages,
      help: "stage to assign to the version",
    },
    force: {
      kind: "switch",
      help: "log the model even if it is identical to the newest version",
    },
    ...serviceFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `promote`. */
export const promoteCommand = {
  name: "promote",
  summary:
    "Moves an alias and a stage to a version, archives other versions in the stage, and records the promotion.",
  flags: {
    ...variantFlags,
    version: { kind: "text", value: "N", help: "version to promote" },
    alias: {
      kind: "text",
      value: "NAME",
      values: usualAliases,
      help: "alias to move (champion; none if only --stage is given)",
    },
    stage: {
      kind: "text",
      value: "NAME",
      values: stages,
      help: "stage to move (Production; none if only another alias is given)",
    },
    ...serviceFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags that say what `predict` scores, with which model, and where the scores go. */
const scoringFlags = {
  "model-uri": {
    kind: "text",
    value: "URI",
    help: "models:/NAME/Production, /3, /latest or models:/NAME@alias",
  },
  input: {
    kind: "list",
    value: "URI",
    help:
      "data to score instead: s3:// or a file, may contain *; several are one batch",
    file: read,
  },
  period: {
    kind: "text",
    value: "P",
    help:
      "score this period only, or the period of --input: 2026-11-23 or 2026-W48",
  },
  from: {
    kind: "text",
    value: "P",
    help: "score the periods from this one on",
  },
  to: { kind: "text", value: "P", help: "score the periods up to this one" },
  output: {
    kind: "text",
    value: "PLACE",
    values: ["postgres"],
    help: "postgres, or a .csv, .jsonl or .parquet file (postgres)",
    file: { use: "write", except: "postgres" },
  },
  "bad-rows": {
    kind: "text",
    value: "FILE",
    help:
      "write rows that cannot be used to this JSON Lines file, and score the others",
    file: { use: "write" },
  },
  "max-bad-rows": {
    kind: "text",
    value: "N|P%",
    help: "with --bad-rows, how many rows of an input may be bad (no limit)",
  },
  engine: {
    kind: "text",
    value: "E",
    values: ["auto", "trees", "onnxruntime"],
    default: "auto",
    help: "auto, trees or onnxruntime",
  },
  force: {
    kind: "switch",
    help:
      "score data again that was already scored: the chosen periods, or the newest",
  },
  "idempotency-key": {
    kind: "text",
    value: "KEY",
    help:
      "with --force: score a batch again once per key, such as a workflow run's id",
  },
  "fail-on": {
    kind: "text",
    value: "STATES",
    values: ["never", "overdue", "incomplete", "overdue,incomplete"],
    default: "never",
    help:
      "overdue, incomplete, both with a comma, or never: what sets exit code 3",
  },
  "no-fallback": {
    kind: "switch",
    help: "fail if S3 is unavailable, instead of reading the local folder",
  },
} as const satisfies Record<string, Flag>;

/** Flags of `predict`. */
export const predictCommand = {
  name: "predict",
  summary:
    "Scores a variant's new data with its production model and stores each row once.",
  flags: {
    ...variantFlags,
    ...allFlag,
    ...scoringFlags,
    "dry-run": {
      kind: "switch",
      help: "print the plan and try it: score without storing or logging",
    },
    ...serviceFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `plan`: those of `predict`. A person waits for it, so that it is not tried again by default. */
export const planCommand = {
  name: "plan",
  summary:
    "Shows what predict would do: periods, files, rows, model and destination. Changes nothing and scores nothing.",
  flags: {
    ...variantFlags,
    ...allFlag,
    ...scoringFlags,
    ...serviceFlags,
    retries: { ...retryFlags.retries, default: "0", watchedDefault: "0" },
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `monitor`. */
export const monitorCommand = {
  name: "monitor",
  summary:
    "Compares a variant's scores with the model's reference, the previous run, and matured outcomes; alerts when a verdict changes.",
  alerts: true,
  flags: {
    ...variantFlags,
    ...allFlag,
    outcomes: {
      kind: "text",
      value: "URI",
      help:
        "rows with id and label: s3:// or a file (outcomes in variants.yaml)",
      file: read,
    },
    challenger: {
      kind: "text",
      value: "V",
      help:
        "alias or version to measure on the same outcomes (challenger in variants.yaml)",
    },
    run: {
      kind: "text",
      value: "N",
      help: "scoring run to monitor, to which the outcomes belong (the newest)",
    },
    period: {
      kind: "text",
      value: "P",
      help: "monitor the run of this period, such as 2026-11-16 or 2026-W47",
    },
    "as-of": {
      kind: "text",
      value: "P",
      help: "monitor the run of the newest period up to this one",
    },
    report: {
      kind: "text",
      value: "DIR",
      help: "folder for the HTML and JSON report (CHURN_HOME/reports/VARIANT)",
      file: { use: "write" },
    },
    "fail-on": {
      kind: "text",
      value: "VERDICTS",
      values: ["never", "data", "drift", "performance"],
      default: "never",
      help:
        "data, drift, performance, several with commas, or never: sets exit code 3",
    },
    ...serviceFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `report`. */
export const reportCommand = {
  name: "report",
  summary:
    "Writes one page with the state of every variant, from the stored monitoring results.",
  flags: {
    output: {
      kind: "text",
      value: "FILE",
      help: "HTML file to write (CHURN_HOME/reports/index.html)",
      file: { use: "write" },
    },
    ...serviceFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `compare`. */
export const compareCommand = {
  name: "compare",
  summary:
    "Compares a candidate with the champion on the labelled set, by the thresholds in variants.yaml; promotes nothing.",
  flags: {
    ...variantFlags,
    candidate: {
      kind: "text",
      value: "URI",
      help: "candidate version (models:/NAME@challenger)",
    },
    ...serviceFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `fetch`. */
export const fetchCommand = {
  name: "fetch",
  summary: "Downloads a file from the variant's folder in the bucket.",
  flags: {
    ...variantFlags,
    file: {
      kind: "text",
      value: "PATH",
      help: "path of the file below the variant's prefix",
    },
    output: {
      kind: "text",
      value: "FILE",
      help: "local file to write",
      file: { use: "write" },
    },
    ...serviceFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags that say how rows are written. */
const resultFlags = {
  format: {
    kind: "text",
    value: "F",
    values: ["table", "csv", "json", "jsonl", "parquet"],
    help: "table, csv, json, jsonl or parquet (by --output's name, or table)",
  },
  output: {
    kind: "text",
    value: "FILE",
    help: "write to this file instead of standard output",
    file: { use: "write" },
  },
  limit: {
    kind: "text",
    value: "N",
    help:
      "most rows; 0 for all (1000 for a table in a terminal, otherwise all)",
  },
} as const satisfies Record<string, Flag>;

/** Flags of `query`. */
export const queryCommand = {
  name: "query",
  summary:
    "Runs a read-only SQL query on the predictions database; without SQL, lists its tables and views.",
  words: {
    name: "[SQL]",
    help:
      '"select count(*) from churn_predictions_current", or "\\d TABLE" for its columns',
  },
  flags: {
    ...resultFlags,
    ...serviceFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `history`. */
export const historyCommand = {
  name: "history",
  summary:
    "Shows all scores of one id, such as one player, over periods and variants, with model version and change.",
  words: {
    name: "ID",
    help: "the id as the scored data has it, such as P-ALL-012501",
  },
  flags: { ...variantFlags, ...serviceFlags, ...outputFlags },
} as const satisfies Command;

/** Flags of `doctor`. */
export const doctorCommand = {
  name: "doctor",
  summary:
    "Checks settings, secrets, bucket, databases, registry and data, and says how to correct what is wrong. Changes nothing.",
  flags: { ...variantFlags, ...outputFlags },
  sys: ["statfs"],
} as const satisfies Command;

/** Flags of `database`. */
export const databaseCommand = {
  name: "database",
  summary:
    "Serves the embedded database on 127.0.0.1, one client at a time, until Ctrl-C.",
  flags: {
    port: {
      kind: "text",
      value: "N",
      default: "5433",
      help: "port to listen on",
      listens: true,
    },
    ...retryFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `completion`. */
export const completionCommand = {
  name: "completion",
  summary:
    "Prints a script with which bash, zsh or fish completes the tasks, their flags and values.",
  offline: true,
  words: {
    name: "SHELL",
    help: "bash, zsh or fish; the script says how to use it",
    values: shells,
  },
  flags: { ...outputFlags },
} as const satisfies Command;

/** Flags of `mlflow`. */
export const mlflowCommand = {
  name: "mlflow",
  summary:
    "Shows MLflow's UI on the configured database, or on a copy of the embedded one, until Ctrl-C.",
  socket: "tmp/mlflow/.s.PGSQL.{port}",
  flags: {
    port: {
      kind: "text",
      value: "N",
      default: "5000",
      help: "port of the UI on 127.0.0.1",
      listens: true,
    },
    ...retryFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `matrix`. */
export const matrixCommand = {
  name: "matrix",
  summary:
    "Prints the GitHub Actions job matrix for the variants in variants.yaml.",
  offline: true,
  flags: {
    geography: {
      kind: "text",
      value: "G",
      help: 'only variants with this value; "-" for variants without one',
    },
    company: {
      kind: "text",
      value: "C",
      help: 'only variants with this value; "-" for variants without one',
    },
    dimension: {
      kind: "list",
      value: "NAME=VALUE",
      help:
        'only variants with this value of a dimension; "-" for those without',
    },
    changed: {
      kind: "text",
      value: "FILE",
      help: "only variants whose model file is listed in FILE, one per line",
      file: read,
    },
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `summary`. */
export const summaryCommand = {
  name: "summary",
  summary:
    "Prints a Markdown step summary of the JSON results of one or more commands.",
  offline: true,
  words: {
    name: "FILE…",
    help: "output of a command run with --json",
    file: read,
  },
  flags: {},
} as const satisfies Command;

/** Every command that a launcher may start, in the order of a first use. */
export const commands: readonly Command[] = [
  initCommand,
  doctorCommand,
  setupCommand,
  moveCommand,
  logModelCommand,
  promoteCommand,
  planCommand,
  predictCommand,
  monitorCommand,
  reportCommand,
  compareCommand,
  fetchCommand,
  historyCommand,
  queryCommand,
  databaseCommand,
  mlflowCommand,
  completionCommand,
  matrixCommand,
  summaryCommand,
];
