/** The command line of every command: its name, its flags and their `--help` texts. */
import type { Command, Flag } from "./flags.ts";

const read = { use: "read" } as const;

const variantFlags = {
  geography: {
    kind: "text",
    value: "G",
    help: "the variant's geography, such as US",
  },
  company: {
    kind: "text",
    value: "C",
    help: "the variant's company, such as ClientB",
  },
} as const satisfies Record<string, Flag>;

const allFlag = {
  all: { kind: "switch", help: "every variant of variants.yaml" },
} as const satisfies Record<string, Flag>;

const retryFlags = {
  retries: {
    kind: "text",
    value: "N",
    default: "3",
    help: "tries after the first one when a service is away",
  },
  "retry-delay": {
    kind: "text",
    value: "S",
    default: "60",
    help: "mean seconds between two tries",
  },
} as const satisfies Record<string, Flag>;

const outputFlags = {
  json: {
    kind: "switch",
    help: "print one JSON object as the last line of stdout",
  },
  quiet: { kind: "switch", help: "print only warnings, errors and the result" },
  verbose: { kind: "switch", help: "also print each step and its time" },
} as const satisfies Record<string, Flag>;

/** Flags of `setup`. */
export const setupCommand = {
  name: "setup",
  summary:
    "Creates MLflow's database, the predictions' tables, and a variant's experiment. A second run changes nothing.",
  flags: { ...variantFlags, ...allFlag, ...retryFlags, ...outputFlags },
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
      help: "the model file, instead of the variant's own",
      file: { use: "read", beside: ["manifest.json"] },
    },
    features: {
      kind: "text",
      value: "URI",
      help: "the feature names, likewise",
      file: read,
    },
    sample: {
      kind: "text",
      value: "URI",
      help: "a sample of rows, likewise",
      file: read,
    },
    evaluation: {
      kind: "text",
      value: "URI",
      help: "a labelled set, likewise",
      file: read,
    },
    label: {
      kind: "text",
      value: "COLUMN",
      help: "the outcome's column in the labelled set",
    },
    "training-date": {
      kind: "text",
      value: "DAY",
      help: "when the model was trained, such as 2026-11-16",
    },
    alias: { kind: "text", value: "NAME", help: "give the version this alias" },
    stage: { kind: "text", value: "NAME", help: "give the version this stage" },
    force: {
      kind: "switch",
      help: "log even what the newest version already is",
    },
    ...retryFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `promote`. */
export const promoteCommand = {
  name: "promote",
  summary:
    "Moves an alias and a stage to a version, archives the stage's other versions, and records the move.",
  flags: {
    ...variantFlags,
    version: { kind: "text", value: "N", help: "the version to promote" },
    alias: {
      kind: "text",
      value: "NAME",
      help: "the alias that moves (champion; with --stage alone, none)",
    },
    stage: {
      kind: "text",
      value: "NAME",
      help: "the stage that moves (Production; with another alias alone, none)",
    },
    ...retryFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `predict`. */
export const predictCommand = {
  name: "predict",
  summary:
    "Scores a variant's new data with its production model and stores each row once.",
  flags: {
    ...variantFlags,
    ...allFlag,
    "model-uri": {
      kind: "text",
      value: "URI",
      help: "models:/NAME/Production, /3, /latest or models:/NAME@alias",
    },
    input: {
      kind: "list",
      value: "URI",
      help: "data to score, s3:// or a file, * allowed; may be repeated",
      file: read,
    },
    output: {
      kind: "text",
      value: "PLACE",
      help: "postgres, or a file .csv, .jsonl or .parquet (postgres)",
      file: { use: "write", except: "postgres" },
    },
    engine: {
      kind: "text",
      value: "E",
      default: "auto",
      help: "auto, trees or onnxruntime",
    },
    force: { kind: "switch", help: "score data again that was scored before" },
    "no-fallback": {
      kind: "switch",
      help: "fail when S3 is away, instead of reading the local folder",
    },
    "dry-run": { kind: "switch", help: "score, but store and log nothing" },
    ...retryFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `monitor`. */
export const monitorCommand = {
  name: "monitor",
  summary:
    "Compares a variant's scores with the model's reference, with the run before, and with matured outcomes.",
  flags: {
    ...variantFlags,
    ...allFlag,
    outcomes: {
      kind: "text",
      value: "URI",
      help: "JSON Lines with player and label, s3:// or a file",
      file: read,
    },
    run: {
      kind: "text",
      value: "N",
      help:
        "the scoring run to monitor, which the outcomes belong to (the newest)",
    },
    period: {
      kind: "text",
      value: "DAY",
      help: "the run scored on this day (UTC), such as 2026-11-16",
    },
    "as-of": {
      kind: "text",
      value: "DAY",
      help:
        "the newest run scored on or before this day, which the outcomes count from",
    },
    report: {
      kind: "text",
      value: "DIR",
      help: "folder of the page and the JSON (CHURN_HOME/reports/VARIANT)",
      file: { use: "write" },
    },
    "fail-on": {
      kind: "text",
      value: "WHAT",
      default: "never",
      help: "drift, performance or never: which failure ends with exit code 3",
    },
    ...retryFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `compare`. */
export const compareCommand = {
  name: "compare",
  summary:
    "Measures a candidate and the champion on the labelled set, by the thresholds of variants.yaml; promotes nothing.",
  flags: {
    ...variantFlags,
    candidate: {
      kind: "text",
      value: "URI",
      help: "the candidate (models:/NAME@challenger)",
    },
    ...retryFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `fetch`. */
export const fetchCommand = {
  name: "fetch",
  summary: "Copies a file of the variant's folder in the bucket to this disk.",
  flags: {
    ...variantFlags,
    file: {
      kind: "text",
      value: "PATH",
      help: "the file, below the variant's prefix",
    },
    output: {
      kind: "text",
      value: "FILE",
      help: "where the copy goes",
      file: { use: "write" },
    },
    ...retryFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `query`. */
export const queryCommand = {
  name: "query",
  summary:
    "Answers one SQL question about the predictions' database, read-only.",
  words: {
    name: "SQL",
    help: 'such as "select count(*) from churn_predictions_current"',
  },
  flags: {
    format: {
      kind: "text",
      value: "F",
      default: "table",
      help: "table, csv or json",
    },
    ...retryFlags,
    ...outputFlags,
  },
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
      help: "the port to serve it on",
    },
    ...retryFlags,
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `matrix`. */
export const matrixCommand = {
  name: "matrix",
  summary: "Prints the jobs that GitHub's matrix runs, from variants.yaml.",
  flags: {
    geography: {
      kind: "text",
      value: "G",
      help: 'only its variants; "-" for those without one',
    },
    company: {
      kind: "text",
      value: "C",
      help: 'only its variants; "-" for those without one',
    },
    changed: {
      kind: "text",
      value: "FILE",
      help: "only variants whose model file is a line of FILE",
      file: read,
    },
    ...outputFlags,
  },
} as const satisfies Command;

/** Flags of `summary`. */
export const summaryCommand = {
  name: "summary",
  summary:
    "Prints the Markdown of a workflow's step summary, from the files that --json wrote.",
  words: {
    name: "FILE…",
    help: "one command's output, or several",
    file: read,
  },
  flags: {},
} as const satisfies Command;

/** Every command that a launcher may start, in the order of a first use. */
export const commands: readonly Command[] = [
  setupCommand,
  logModelCommand,
  promoteCommand,
  predictCommand,
  monitorCommand,
  compareCommand,
  fetchCommand,
  queryCommand,
  databaseCommand,
  matrixCommand,
  summaryCommand,
];
