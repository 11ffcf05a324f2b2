/** Says what `move` did, and what may be deleted afterwards. */
import type { Outcome } from "../base/outcome.ts";
import { countOf } from "../base/phrases.ts";
import { shellWord } from "../config/variant.ts";
import type { Moved } from "./move.ts";
import type { MovedRows } from "./move-tables.ts";

/** Returns the outcome of `move`; `moved` is undefined if everything was moved before. */
export function describeMove(
  moved: Moved | undefined,
  { home, mlflow, predictions, root, keepsFolder }: {
    /** `CHURN_HOME`. */
    readonly home: string;
    readonly mlflow: string;
    readonly predictions: string;
    /** The artifact root. */
    readonly root: string;
    /** True if the artifact root is the store's own folder. */
    readonly keepsFolder: boolean;
  },
): Outcome {
  const lines = moved === undefined
    ? [
      `The embedded store in ${home} was already moved to ${mlflow}, ${predictions} and ${root}; nothing was changed`,
    ]
    : [
      `Moved the embedded store in ${home}`,
      `  artifacts to ${root}: ${
        keepsFolder ? "they stay there" : describeArtifacts(moved)
      }`,
      `  MLflow's runs and registry to ${mlflow}: ${
        describeRows(moved.mlflow)
      }`,
      `  scores and monitoring to ${predictions}: ${
        describeRows(moved.predictions)
      }`,
    ];
  const folders = [
    `${home}/database`,
    `${home}/database.lock`,
    ...keepsFolder ? [] : [`${home}/artifacts`],
  ];
  return {
    report: {
      status: moved === undefined ? "unchanged" : "moved",
      home,
      mlflow_database: mlflow,
      predictions_database: predictions,
      artifact_root: root,
      files: moved?.artifacts?.written ?? 0,
      rows: sum(moved?.mlflow) + sum(moved?.predictions),
      tables: { ...moved?.mlflow, ...moved?.predictions },
    },
    text: [
      ...lines,
      "The embedded store was only read and is unchanged. When you are satisfied with the new place, delete it:",
      `  rm -r ${folders.map(shellWord).join(" ")}`,
    ].join("\n"),
  };
}

function describeArtifacts({ artifacts }: Moved): string {
  if (!artifacts) return "already moved";
  const { written, unchanged, bytes } = artifacts;
  const size = `${written + unchanged} files, ${(bytes / 1e6).toFixed(1)} MB`;
  return unchanged > 0
    ? `${size}, of which ${unchanged} were already there`
    : size;
}

function describeRows(rows: MovedRows | undefined): string {
  if (rows === undefined) return "already moved";
  return `${countOf(sum(rows), "row")} in ${
    countOf(Object.keys(rows).length, "table")
  }`;
}

function sum(rows: MovedRows | undefined): number {
  return Object.values(rows ?? {}).reduce((total, count) => total + count, 0);
}
