/** The command line of every script: its name, its flags, and what `--help` says of them. */
import {
  commonOptions,
  commonUsage,
  retryOptions,
  variantOptions,
  variantUsage,
} from "./script.ts";

/** Flags of `setup`. */
export const setupCommand = {
  name: "setup",
  summary:
    "Makes MLflow's database, the predictions' tables, and a variant's experiment. A second run changes nothing.",
  usage: `${variantUsage}
  --all                   every variant of variants.yaml
${commonUsage}`,
  options: {
    ...variantOptions,
    ...retryOptions,
    ...commonOptions,
    all: { type: "boolean" },
  },
} as const;

/** Flags of `log-model`. */
export const logModelCommand = {
  name: "log-model",
  summary:
    "Logs a variant's model with true parameters, real metrics and a signature, and registers the next version.",
  usage: `${variantUsage}
  --all                   every variant of variants.yaml
  --model URI             the model file, in place of the variant's own
  --features URI          the feature names, likewise
  --sample URI            a sample of rows, likewise
  --evaluation URI        a labelled set, likewise
  --label COLUMN          the outcome's column in the labelled set
  --training-date DAY     when the model was trained, such as 2026-11-16
  --alias NAME            give the new version this alias
  --stage NAME            give the new version this stage
  --force                 log even what the newest version already is
${commonUsage}`,
  options: {
    ...variantOptions,
    ...retryOptions,
    ...commonOptions,
    all: { type: "boolean" },
    model: { type: "string" },
    features: { type: "string" },
    sample: { type: "string" },
    evaluation: { type: "string" },
    label: { type: "string" },
    "training-date": { type: "string" },
    alias: { type: "string" },
    stage: { type: "string" },
    force: { type: "boolean" },
  },
} as const;

/** Flags of `promote`. */
export const promoteCommand = {
  name: "promote",
  summary:
    "Moves an alias and a stage to a version, archives the stage's other versions, and records the move.",
  usage: `${variantUsage}
  --version N             the version to promote
  --alias NAME            the alias that moves (champion; with --stage alone, none)
  --stage NAME            the stage that moves (Production; with another alias alone, none)
${commonUsage}`,
  options: {
    ...variantOptions,
    ...retryOptions,
    ...commonOptions,
    version: { type: "string" },
    alias: { type: "string" },
    stage: { type: "string" },
  },
} as const;

/** Flags of `predict`. */
export const predictCommand = {
  name: "predict",
  summary:
    "Scores a variant's new data with its production model and stores each row once.",
  usage: `${variantUsage}
  --all                   every variant of variants.yaml
  --model-uri URI         models:/NAME/Production, /3, /latest or models:/NAME@alias
  --input URI             data to score, s3:// or a file, * allowed; may be repeated
  --output PLACE          postgres, or a file .csv, .jsonl or .parquet (postgres)
  --engine E              auto, trees or onnxruntime (auto)
  --force                 score data again that was scored before
  --no-fallback           fail when S3 is away, in place of the local folder
  --dry-run               score, but store and log nothing
${commonUsage}`,
  options: {
    ...variantOptions,
    ...retryOptions,
    ...commonOptions,
    all: { type: "boolean" },
    "model-uri": { type: "string" },
    input: { type: "string", multiple: true },
    output: { type: "string" },
    engine: { type: "string", default: "auto" },
    force: { type: "boolean" },
    "no-fallback": { type: "boolean" },
    "dry-run": { type: "boolean" },
  },
} as const;

/** Flags of `monitor`. */
export const monitorCommand = {
  name: "monitor",
  summary:
    "Compares a variant's scores with what its model was logged with, with the run before, and with matured outcomes.",
  usage: `${variantUsage}
  --all                   every variant of variants.yaml
  --outcomes URI          what became of players, JSON Lines with player and label, s3:// or a file
  --run N                 the scoring run to look at, and the one that the outcomes belong to (the newest)
  --period DAY            the run scored on this day (UTC), such as 2026-11-16
  --as-of DAY             the newest run scored on or before this day: the day that the outcomes count from
  --report DIR            where the page and the JSON go (CHURN_HOME/reports/VARIANT)
  --fail-on WHAT          drift, performance or never: which failure ends with exit code 3 (never)
${commonUsage}`,
  options: {
    ...variantOptions,
    ...retryOptions,
    ...commonOptions,
    all: { type: "boolean" },
    outcomes: { type: "string" },
    run: { type: "string" },
    period: { type: "string" },
    "as-of": { type: "string" },
    report: { type: "string" },
    "fail-on": { type: "string", default: "never" },
  },
} as const;

/** Flags of `compare`. */
export const compareCommand = {
  name: "compare",
  summary:
    "Measures a candidate and the champion on the labelled set, by the thresholds of variants.yaml.",
  usage: `${variantUsage}
  --candidate URI         the candidate (models:/NAME@challenger)
${commonUsage}`,
  options: {
    ...variantOptions,
    ...retryOptions,
    ...commonOptions,
    candidate: { type: "string" },
  },
} as const;

/** Flags of `query`. */
export const queryCommand = {
  name: "query",
  summary:
    "Answers one SQL question about the predictions' database, read-only.",
  usage:
    `  SQL                such as "select count(*) from churn_predictions_current"
  --format F              table, csv or json (table)
${commonUsage}`,
  options: {
    ...retryOptions,
    ...commonOptions,
    format: { type: "string", default: "table" },
  },
  allowPositionals: true,
} as const;

/** Flags of `database`. */
export const databaseCommand = {
  name: "database",
  summary:
    "Serves the embedded database on 127.0.0.1, one client at a time, until Ctrl-C.",
  usage: `  --port N                the port to serve it on (5433)
${commonUsage}`,
  options: {
    ...retryOptions,
    ...commonOptions,
    port: { type: "string", default: "5433" },
  },
} as const;
