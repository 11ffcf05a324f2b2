/** Tasks for developers of this project: checks, tests, benchmarks and generated files. */
import type { Command } from "./flags.ts";

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
      only: {
        kind: "list",
        value: "NAME",
        help: "the families of faults to try, by default all",
      },
      scale: {
        kind: "text",
        value: "small|full",
        values: ["small", "full"],
        default: "small",
        help: "number of tries per family",
      },
      tries: {
        kind: "text",
        value: "N",
        help: "the same number of tries for each family",
      },
      seed: {
        kind: "text",
        value: "N",
        default: "1",
        help: "determines the first try; the next one has the next seed",
      },
      write: {
        kind: "switch",
        help: "write the table in docs/reliability.md",
      },
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
      cases: {
        kind: "text",
        value: "N[.FORMAT],…",
        default: "10,100k,1M,1M.csv,1M.parquet,10M",
        help: "files to score; above 1M by predict alone",
      },
      peers: {
        kind: "text",
        value: "NAME,…",
        default: "duckdb,polars,pyarrow,plain",
        help: "what to compare with",
      },
      rounds: {
        kind: "text",
        value: "N",
        default: "5",
        help: "how often each is measured",
      },
      json: {
        kind: "switch",
        help: "print all measurements as one JSON object, not as tables",
      },
      write: {
        kind: "switch",
        help: "write docs/benchmarks.md and docs/images/rows.svg",
      },
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
      shape: {
        kind: "list",
        value: "NAME",
        help: "models to score, such as 150x6; by default all",
      },
      rounds: {
        kind: "text",
        value: "N",
        default: "7",
        help: "how often each is measured",
      },
      seconds: {
        kind: "text",
        value: "S",
        default: "0.4",
        help: "length of one measurement",
      },
      write: {
        kind: "switch",
        help: "write the section in docs/benchmarks.md",
      },
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
      only: { kind: "text", value: "TEXT", help: "faults whose name has it" },
      seeds: {
        kind: "text",
        value: "N",
        default: "24",
        help: "histories per fault",
      },
      weeks: {
        kind: "text",
        value: "N",
        default: "260",
        help: "quiet weeks per kind and size; 0 for none",
      },
      rows: {
        kind: "text",
        value: "N,…",
        default: "300,1000,10000",
        help: "sizes of a quiet week",
      },
      peers: {
        kind: "text",
        value: "NAME,…",
        default: "evidently,nannyml",
        help: "what to compare with",
      },
      write: {
        kind: "switch",
        help: "write the tables in docs/monitoring.md",
      },
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
      folder: {
        kind: "text",
        value: "DIR",
        default: ".cache/demo-history",
        help: "an empty folder; the default one is made again",
      },
      seed: {
        kind: "text",
        value: "N",
        default: "1",
        help: "draws other players",
      },
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
