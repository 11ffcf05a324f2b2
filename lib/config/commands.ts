/** The command line of every command: its name, its flags and their `--help` texts. */
import { type Command, listFlag, switchFlag, textFlag } from "./flags.ts";

const read = { use: "read" } as const;

/** The shells that can be completed. */
export const shells = ["bash", "zsh", "fish"] as const;

/** A shell that can be completed. */
export type Shell = typeof shells[number];

/** The stages of MLflow's registry. */
const stages = ["None", "Staging", "Production", "Archived"] as const;

/** The aliases that shells complete; any other is allowed, too. */
const usualAliases = ["champion", "challenger"] as const;

const variantFlags = {
  geography: textFlag("G", "the variant's geography, such as US", {
    values: "geography",
  }),
  company: textFlag("C", "the variant's company, such as ClientB", {
    values: "company",
  }),
  dimension: listFlag(
    "NAME=VALUE",
    "a dimension in variants.yaml, such as brand=NJ; also as --brand NJ",
  ),
};

/** Flags of every command that can process all variants. */
const anyVariantFlags = {
  ...variantFlags,
  all: switchFlag("process every variant in variants.yaml"),
};

const retryFlags = {
  retries: textFlag(
    "N",
    "attempts after the first one if a service is unavailable",
    { default: "3", watchedDefault: "2" },
  ),
  "retry-delay": textFlag("S", "mean seconds between attempts", {
    default: "60",
    watchedDefault: "3",
  }),
};

const outputFlags = {
  json: switchFlag("print one JSON object as the last line of stdout"),
  quiet: switchFlag("print only warnings, errors and the result"),
  verbose: switchFlag(
    "also print each step, SQL statement and request with its time; no values, no secrets",
  ),
};

/** Flags of every command that opens services. */
const serviceFlags = {
  ...retryFlags,
  "time-limit": textFlag(
    "M",
    "minutes after which the command stops and rolls back; 0 for no limit",
    { default: "120" },
  ),
  ...outputFlags,
};

/** Flags that say what `predict` scores, with which model, and where the scores go. */
const scoringFlags = {
  "model-uri": textFlag(
    "URI",
    "models:/NAME/Production, /3, /latest or models:/NAME@alias",
  ),
  input: listFlag(
    "URI",
    "data to score instead: s3:// or a file, may contain *; several are one batch",
    { file: read },
  ),
  period: textFlag(
    "P",
    "score this period only, or the period of --input: 2026-11-23 or 2026-W48",
  ),
  from: textFlag("P", "score the periods from this one on"),
  to: textFlag("P", "score the periods up to this one"),
  output: textFlag(
    "PLACE",
    "postgres, or a .csv, .jsonl or .parquet file (postgres)",
    { values: ["postgres"], file: { use: "write", except: "postgres" } },
  ),
  "bad-rows": textFlag(
    "FILE",
    "write rows that cannot be used to this JSON Lines file, and score the others",
    { file: { use: "write" } },
  ),
  "max-bad-rows": textFlag(
    "N|P%",
    "with --bad-rows, how many rows of an input may be bad (no limit)",
  ),
  engine: textFlag("E", "auto, trees or onnxruntime", {
    values: ["auto", "trees", "onnxruntime"],
    default: "auto",
  }),
  force: switchFlag(
    "score data again that was already scored: the chosen periods, or the newest",
  ),
  "idempotency-key": textFlag(
    "KEY",
    "with --force: score a batch again once per key, such as a workflow run's id",
  ),
  "fail-on": textFlag(
    "STATES",
    "overdue, incomplete, both with a comma, or never: what sets exit code 3",
    {
      values: ["never", "overdue", "incomplete", "overdue,incomplete"],
      default: "never",
    },
  ),
  "no-fallback": switchFlag(
    "fail if S3 is unavailable, instead of reading the local folder",
  ),
};

/** Flags that say how rows are written. */
const resultFlags = {
  format: textFlag(
    "F",
    "table, csv, json, jsonl or parquet (by --output's name, or table)",
    { values: ["table", "csv", "json", "jsonl", "parquet"] },
  ),
  output: textFlag("FILE", "write to this file instead of standard output", {
    file: { use: "write" },
  }),
  limit: textFlag(
    "N",
    "most rows; 0 for all (1000 for a table in a terminal, otherwise all)",
  ),
};

/** Every command that a launcher may start, by name, in the order of a first use. */
export const commandTable = {
  init: {
    name: "init",
    summary:
      "Adds a variant for your own model and data to variants.yaml: proposes features, id and label, checks them, and copies the files.",
    changes: ["variants.yaml", "data"],
    flags: {
      ...variantFlags,
      model: textFlag("FILE", "your model: XGBoost, LightGBM or ONNX", {
        file: { use: "read", beside: ["manifest.json"] },
        ask: "Model file (XGBoost, LightGBM or ONNX):",
      }),
      sample: textFlag(
        "FILE",
        "rows like those to score, in any format: CSV, Parquet, JSON Lines, …",
        {
          file: read,
          ask:
            "File with rows like those to score (CSV, Parquet, JSON Lines, …):",
        },
      ),
      evaluation: textFlag(
        "FILE",
        "labelled rows for metrics (the sample, if it has the label)",
        { file: read },
      ),
      features: textFlag(
        "FILE",
        "feature names, a JSON array, for a model without names",
        { file: read },
      ),
      "id-column": textFlag("COLUMN", "column that identifies a row, or none"),
      label: textFlag("COLUMN", "column with the outcome, 1 or 0, or none"),
      inputs: textFlag(
        "PATTERN",
        "files to score, below the variant's prefix, usually with {period}",
      ),
      entity: textFlag(
        "NOUN",
        "what a row is about, such as machine (from the id column)",
      ),
      outcome: textFlag(
        "NOUN",
        "what the label 1 means, such as failure (from the label)",
      ),
      "positive-class": textFlag(
        "CLASS",
        "for ONNX: the class whose probability is the score",
      ),
      replace: switchFlag(
        "replace the variant's entry and files if they exist",
      ),
      yes: switchFlag("ask nothing and take the proposals"),
      ...outputFlags,
    },
  },
  doctor: {
    name: "doctor",
    summary:
      "Checks settings, secrets, bucket, databases, registry and data, and says how to correct what is wrong. Changes nothing.",
    flags: { ...variantFlags, ...outputFlags },
    sys: ["statfs"],
  },
  setup: {
    name: "setup",
    summary:
      "Creates MLflow's database, the prediction tables, and a variant's experiment. A second run changes nothing.",
    flags: { ...anyVariantFlags, ...serviceFlags },
  },
  move: {
    name: "move",
    summary:
      "Copies the embedded store to the configured services: runs, registry, scores and artifacts. The embedded store stays as it is.",
    flags: { ...serviceFlags },
  },
  "log-model": {
    name: "log-model",
    summary:
      "Logs a variant's model with its parameters, metrics and signature, and registers the next version.",
    flags: {
      ...anyVariantFlags,
      model: textFlag("URI", "model file to use instead of the variant's own", {
        file: { use: "read", beside: ["manifest.json"] },
      }),
      features: textFlag(
        "URI",
        "feature names file to use instead of the variant's own",
        { file: read },
      ),
      sample: textFlag(
        "URI",
        "sample of rows to use instead of the variant's own",
        { file: read },
      ),
      evaluation: textFlag(
        "URI",
        "labelled set to use instead of the variant's own",
        { file: read },
      ),
      encoded: textFlag(
        "URI",
        "sample as pandas encoded it for training, which must be equal to ours",
        { file: read },
      ),
      label: textFlag("COLUMN", "outcome column in the labelled set"),
      scores: textFlag(
        "COLUMN",
        "column of the sample with the library's scores, which must be ours",
      ),
      "training-date": textFlag(
        "DAY",
        "training date of the model, such as 2026-11-16",
      ),
      alias: textFlag("NAME", "alias to assign to the version", {
        values: usualAliases,
      }),
      stage: textFlag("NAME", "stage to assign to the version", {
        values: stages,
      }),
      force: switchFlag(
        "log the model even if it is identical to the newest version",
      ),
      ...serviceFlags,
    },
  },
  promote: {
    name: "promote",
    summary:
      "Moves an alias and a stage to a version, archives other versions in the stage, and records the promotion.",
    flags: {
      ...variantFlags,
      version: textFlag("N", "version to promote"),
      alias: textFlag(
        "NAME",
        "alias to move (champion; none if only --stage is given)",
        { values: usualAliases },
      ),
      stage: textFlag(
        "NAME",
        "stage to move (Production; none if only another alias is given)",
        { values: stages },
      ),
      ...serviceFlags,
    },
  },
  // The flags of `predict`. A person waits for it, so that it is not tried again by default.
  plan: {
    name: "plan",
    summary:
      "Shows what predict would do: periods, files, rows, model and destination. Changes nothing and scores nothing.",
    flags: {
      ...anyVariantFlags,
      ...scoringFlags,
      ...serviceFlags,
      retries: { ...retryFlags.retries, default: "0", watchedDefault: "0" },
    },
  },
  predict: {
    name: "predict",
    summary:
      "Scores a variant's new data with its production model and stores each row once.",
    flags: {
      ...anyVariantFlags,
      ...scoringFlags,
      "dry-run": switchFlag(
        "print the plan and try it: score without storing or logging",
      ),
      ...serviceFlags,
    },
  },
  monitor: {
    name: "monitor",
    summary:
      "Compares a variant's scores with the model's reference, the previous run, and matured outcomes; alerts when a verdict changes.",
    alerts: true,
    flags: {
      ...anyVariantFlags,
      outcomes: textFlag(
        "URI",
        "rows with id and label: s3:// or a file (outcomes in variants.yaml)",
        { file: read },
      ),
      challenger: textFlag(
        "V",
        "alias or version to measure on the same outcomes (challenger in variants.yaml)",
      ),
      run: textFlag(
        "N",
        "scoring run to monitor, to which the outcomes belong (the newest)",
      ),
      period: textFlag(
        "P",
        "monitor the run of this period, such as 2026-11-16 or 2026-W47",
      ),
      "as-of": textFlag(
        "P",
        "monitor the run of the newest period up to this one",
      ),
      report: textFlag(
        "DIR",
        "folder for the HTML and JSON report (CHURN_HOME/reports/VARIANT)",
        { file: { use: "write" } },
      ),
      "fail-on": textFlag(
        "VERDICTS",
        "data, drift, performance, several with commas, or never: sets exit code 3",
        { values: ["never", "data", "drift", "performance"], default: "never" },
      ),
      ...serviceFlags,
    },
  },
  report: {
    name: "report",
    summary:
      "Writes one page with the state of every variant, from the stored monitoring results.",
    flags: {
      output: textFlag(
        "FILE",
        "HTML file to write (CHURN_HOME/reports/index.html)",
        { file: { use: "write" } },
      ),
      ...serviceFlags,
    },
  },
  compare: {
    name: "compare",
    summary:
      "Compares a candidate with the champion on the labelled set, by the thresholds in variants.yaml; promotes nothing.",
    flags: {
      ...variantFlags,
      candidate: textFlag("URI", "candidate version (models:/NAME@challenger)"),
      ...serviceFlags,
    },
  },
  fetch: {
    name: "fetch",
    summary: "Downloads a file from the variant's folder in the bucket.",
    flags: {
      ...variantFlags,
      file: textFlag("PATH", "path of the file below the variant's prefix"),
      output: textFlag("FILE", "local file to write", {
        file: { use: "write" },
      }),
      ...serviceFlags,
    },
  },
  history: {
    name: "history",
    summary:
      "Shows all scores of one id, such as one player, over periods and variants, with model version and change.",
    words: {
      name: "ID",
      help: "the id as the scored data has it, such as P-ALL-012501",
    },
    flags: { ...variantFlags, ...serviceFlags },
  },
  query: {
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
    },
  },
  database: {
    name: "database",
    summary:
      "Serves the embedded database on 127.0.0.1, one client at a time, until Ctrl-C.",
    flags: {
      port: textFlag("N", "port to listen on", {
        default: "5433",
        listens: true,
      }),
      ...retryFlags,
      ...outputFlags,
    },
  },
  mlflow: {
    name: "mlflow",
    summary:
      "Shows MLflow's UI on the configured database, or on a copy of the embedded one, until Ctrl-C.",
    socket: "tmp/mlflow/.s.PGSQL.{port}",
    flags: {
      port: textFlag("N", "port of the UI on 127.0.0.1", {
        default: "5000",
        listens: true,
      }),
      ...retryFlags,
      ...outputFlags,
    },
  },
  completion: {
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
  },
  matrix: {
    name: "matrix",
    summary:
      "Prints the GitHub Actions job matrix for the variants in variants.yaml.",
    offline: true,
    flags: {
      geography: textFlag(
        "G",
        'only variants with this value; "-" for variants without one',
      ),
      company: textFlag(
        "C",
        'only variants with this value; "-" for variants without one',
      ),
      dimension: listFlag(
        "NAME=VALUE",
        'only variants with this value of a dimension; "-" for those without',
      ),
      changed: textFlag(
        "FILE",
        "only variants whose model file is listed in FILE, one per line",
        { file: read },
      ),
      ...outputFlags,
    },
  },
  summary: {
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
  },
} satisfies Readonly<Record<string, Command>>;

/** The commands of {@linkcode commandTable}. */
export const commands: readonly Command[] = Object.values(commandTable);
