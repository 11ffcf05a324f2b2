/** Tasks for developers of this project: checks, tests, benchmarks and generated files. */
import {
  type Command,
  listFlag,
  switchFlag,
  textFlag,
} from "../config/flags.ts";

/** A task that runs Deno one or more times; the user's arguments are passed to the last step. */
export interface DevelopmentTask extends Command {
  /** The command line of Deno per step, without quotes. */
  readonly steps: readonly string[];
  /** Environment variables for the steps. */
  readonly environment?: Readonly<Record<string, string>>;
  /** True if all arguments are the last step's own, as the flags of `deno test` are; otherwise they are checked first. */
  readonly passesFlags?: boolean;
}

/** The lock file for packages that only tests and maintenance need; the production lock file does not contain them. */
const lock = "--lock=tests/deno.lock";

/** All tasks that the launcher may start, except the commands. */
export const developmentTasks: readonly DevelopmentTask[] = [
  {
    name: "check",
    summary:
      "Checks formatting, lint rules and types; run it before every commit.",
    flags: {},
    steps: [
      "fmt --check --quiet",
      "lint --quiet",
      `check --doc --quiet ${lock}`,
    ],
  },
  {
    name: "test",
    summary:
      "Installs what the tests need, then runs them and the examples in the docs.",
    flags: {},
    words: {
      name: "FILE…",
      help: "test files or folders to run, or other arguments for deno test",
    },
    passesFlags: true,
    steps: [
      "run --quiet --allow-read --allow-env --allow-run --allow-sys=uid tests/install.ts",
      `test --doc ${lock} --no-prompt --quiet --allow-read --allow-write --allow-net --allow-env --allow-run --allow-sys`,
    ],
  },
  {
    name: "fuzz",
    summary:
      "Reads corrupted model files; FUZZ_FILES sets how many, FUZZ_SEED which.",
    flags: {},
    steps: [`test ${lock} --allow-all tests/model/fuzz_test.ts`],
  },
  {
    name: "test:faults",
    summary:
      "Kills, cuts, stalls and fills what predict depends on; counts lost and doubled rows.",
    flags: {
      only: listFlag("NAME", "the families of faults to try, by default all"),
      scale: textFlag("small|full", "number of tries per family", {
        values: ["small", "full"],
        default: "small",
      }),
      tries: textFlag("N", "the same number of tries for each family"),
      seed: textFlag(
        "N",
        "determines the first try; the next one has the next seed",
        { default: "1" },
      ),
      write: switchFlag("write the table in docs/reliability.md"),
    },
    steps: [`run --quiet ${lock} --allow-all tests/faults/run.ts`],
  },
  {
    name: "parity-table",
    summary: "Writes docs/parity.md from a run of the parity suite (needs uv).",
    flags: {},
    steps: [
      `test ${lock} --allow-all tests/model/parity_test.ts`,
      "fmt --quiet docs/parity.md",
    ],
    environment: { PARITY_TABLE: "docs/parity.md" },
  },
  {
    name: "schema",
    summary:
      "Writes sql/mlflow.sql from the pinned MLflow (needs Postgres and uv).",
    flags: {},
    steps: [
      "run --allow-read --allow-write --allow-run --allow-env --allow-net=127.0.0.1 --allow-sys=uid sql/regenerate.ts",
    ],
  },
  {
    name: "variants-schema",
    summary:
      "Writes variants.schema.json, with which editors check variants.yaml.",
    flags: {},
    steps: [
      `run ${lock} --allow-read=. --allow-env --allow-write=variants.schema.json lib/config/variants-schema.ts`,
    ],
  },
  {
    name: "reference",
    summary: "Writes the flags of all commands into docs/reference.md.",
    flags: {},
    steps: [
      "run --allow-read=. --allow-write=docs/reference.md lib/cli/reference.ts",
      "fmt --quiet docs/reference.md",
    ],
  },
  {
    name: "audit",
    summary:
      "Lists advisories, age, people and deprecations of every locked package; exit code 75 if the registry is away.",
    flags: {},
    steps: [
      "run --quiet --no-prompt --allow-read --allow-env --allow-run=deno tests/packages/audit.ts",
    ],
  },
  {
    name: "sbom",
    summary:
      "Prints the bill of materials of the production packages, CycloneDX 1.6 in JSON.",
    flags: {},
    steps: ["run --quiet --no-prompt --allow-read=. tests/packages/sbom.ts"],
  },
  {
    name: "wasm",
    summary: "Compiles the scoring kernel to WebAssembly.",
    flags: {},
    steps: [
      `run ${lock} --allow-read=. --allow-env --allow-write=lib/model/kernel/bytes.ts lib/model/kernel/build.ts`,
    ],
  },
  {
    name: "bench-rows",
    summary:
      "Measures predict beside Python, DuckDB, polars and pyarrow, from file to Postgres (needs uv).",
    flags: {
      cases: textFlag(
        "N[.FORMAT],…",
        "files to score; above 1M by predict alone",
        { default: "10,100k,1M,1M.csv,1M.parquet,10M" },
      ),
      peers: textFlag("NAME,…", "what to compare with", {
        default: "duckdb,polars,pyarrow,plain",
      }),
      rounds: textFlag("N", "how often each is measured", { default: "5" }),
      json: switchFlag(
        "print all measurements as one JSON object, not as tables",
      ),
      write: switchFlag("write docs/benchmarks.md and docs/images/rows.svg"),
    },
    steps: [
      "run --no-prompt --quiet --allow-read --allow-write --allow-run --allow-env --allow-net=127.0.0.1 --allow-sys=uid,cpus,loadavg bench/rows.ts",
    ],
  },
  {
    name: "bench-score",
    summary:
      "Benchmarks the kernel against XGBoost, tl2cgen, treelite and onnxruntime (needs uv and gcc).",
    flags: {
      shape: listFlag("NAME", "models to score, such as 150x6; by default all"),
      rounds: textFlag("N", "how often each is measured", { default: "7" }),
      seconds: textFlag("S", "length of one measurement", { default: "0.4" }),
      write: switchFlag("write the section in docs/benchmarks.md"),
    },
    steps: [
      "run --allow-read --allow-write=.cache,docs/benchmarks.md --allow-run --allow-env --allow-sys=loadavg bench/score.ts",
    ],
  },
  {
    name: "bench-profile",
    summary: "Measures what the profile for monitor costs predict.",
    flags: {},
    steps: ["run --allow-read --allow-sys=loadavg bench/profile.ts"],
  },
  {
    name: "bench-monitoring",
    summary:
      "Measures which faults and false alarms monitoring finds, beside Evidently and NannyML (needs uv).",
    flags: {
      only: textFlag("TEXT", "faults whose name has it"),
      seeds: textFlag("N", "histories per fault", { default: "24" }),
      weeks: textFlag("N", "quiet weeks per kind and size; 0 for none", {
        default: "260",
      }),
      rows: textFlag("N,…", "sizes of a quiet week", {
        default: "300,1000,10000",
      }),
      peers: textFlag("NAME,…", "what to compare with", {
        default: "evidently,nannyml",
      }),
      write: switchFlag("write the tables in docs/monitoring.md"),
    },
    steps: [
      `run --no-prompt --quiet ${lock} --allow-read --allow-write --allow-run --allow-env bench/monitoring.ts`,
    ],
  },
  {
    name: "demo-history",
    summary:
      "Makes 26 weeks of scores and monitoring in a folder of their own (needs uv).",
    flags: {
      folder: textFlag(
        "DIR",
        "an empty folder; the default one is made again",
        { default: ".cache/demo-history" },
      ),
      seed: textFlag("N", "draws other players", { default: "1" }),
    },
    steps: [
      `run --no-prompt --quiet ${lock} --allow-read --allow-write --allow-run=uv --allow-env bench/demo_history.ts`,
    ],
  },
];

/** One run of Deno. */
export interface Step {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Returns the steps of a task, in order; the user's arguments are appended to those of the last step. */
export function toSteps(
  { steps, environment = {} }: DevelopmentTask,
  args: readonly string[],
): Step[] {
  return steps.map((step, index) => ({
    args: [...step.split(" "), ...index === steps.length - 1 ? args : []],
    environment,
  }));
}
