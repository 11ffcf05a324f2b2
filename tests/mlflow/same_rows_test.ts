/** The same calls through our store and through MLflow's own client leave the same rows, and are refused alike. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { openRest } from "../../lib/mlflow/rest.ts";
import type { MlflowStore } from "../../lib/mlflow/store.ts";
import { openTables } from "../../lib/mlflow/tables.ts";
import { mlflowReleases, startMlflowServer } from "../support/mlflow.ts";
import {
  type Call,
  callPython,
  callStore,
  dumpRows,
  type Outcome,
} from "../support/mlflow_calls.ts";
import {
  copyDatabase,
  openDatabase,
  startPostgresWith,
} from "../support/mlflow_stores.ts";
import { type PeerName, testWithPython } from "../support/python.ts";
import { type PostgresServer, tempFolder } from "../support/servers.ts";

const dataset = {
  name: "sample.json",
  digest: "0123456789abcdef",
  sourceType: "s3",
  source: '{"uri": "s3://bucket/sample.json"}',
  schema: '{"mlflow_colspec": []}',
  profile: '{"num_rows": 3}',
  context: "training",
};

/** What a whole `log-model`, `promote` and `predict` ask of MLflow, and more. */
function firstCalls(hasLoggedModels: boolean): Call[] {
  const models: Call[] = hasLoggedModels
    ? [
      {
        do: "createLoggedModel",
        as: "model1",
        run: "run1",
        name: "churn_model",
        params: { depth: "6" },
        tags: { "mlflow.user": "ada" },
      },
      {
        do: "createLoggedModel",
        as: "model2",
        run: "run1",
        name: "churn_model",
      },
      { do: "finalizeLoggedModel", model: "model1", status: "READY" },
      { do: "finalizeLoggedModel", model: "model2", status: "UPLOAD_FAILED" },
      {
        do: "logBatch",
        run: "run1",
        metrics: [
          { key: "auc", value: 0.75, timestampMs: 9, model: "model1" },
          {
            key: "auc",
            value: 0.5,
            timestampMs: 10,
            step: 2,
            model: "model1",
            datasetName: "sample.json",
            datasetDigest: "0123456789abcdef",
          },
          { key: "nan", value: "NaN", timestampMs: 9, model: "model1" },
        ],
      },
      { do: "logInputs", run: "run2", models: ["model1"] },
      {
        do: "register",
        name: "churn",
        run: "run1",
        model: "model1",
        tags: { geography: "US" },
      },
      {
        do: "register",
        name: "other",
        run: "run1",
        model: "model1",
        tags: {},
      },
    ]
    : [{
      do: "register",
      name: "churn",
      run: "run1",
      source: "s3://bucket/a/churn_model",
      tags: { geography: "US" },
    }];
  return [
    {
      do: "createExperiment",
      as: "experiment",
      name: "churn — naïve",
      location: "s3://bucket/a",
      tags: { variant: "us" },
    },
    {
      do: "createExperiment",
      as: "gone",
      name: "gone",
      location: "s3://bucket/gone",
    },
    {
      do: "createRun",
      as: "run1",
      experiment: "experiment",
      name: "Model Logging",
      startTimeMs: 1000,
      tags: { "mlflow.user": "ada", geography: "US" },
    },
    {
      do: "createRun",
      as: "run2",
      experiment: "experiment",
      name: "Scoring",
      startTimeMs: 2000,
      tags: {},
    },
    {
      do: "createRun",
      as: "goneRun",
      experiment: "experiment",
      name: "Gone",
      startTimeMs: 2000,
      tags: {},
    },
    {
      do: "logBatch",
      run: "run1",
      params: { depth: "6", empty: "", long: "p".repeat(6001) },
      metrics: [
        { key: "auc", value: 0.8, timestampMs: 5 },
        { key: "loss", value: 3, timestampMs: 5, step: 1 },
        { key: "loss", value: 2, timestampMs: 6, step: 2 },
        { key: "loss", value: 9, timestampMs: 7, step: 1 },
        { key: "tie", value: 1, timestampMs: 5 },
        { key: "tie", value: 2, timestampMs: 5 },
        { key: "nan", value: "NaN", timestampMs: 5 },
        { key: "max", value: "Infinity", timestampMs: 5 },
        { key: "min", value: "-Infinity", timestampMs: 5 },
        { key: "tiny", value: 5e-324, timestampMs: 5 },
      ],
      tags: { "a.b/c d:e": "1", long: "t".repeat(8001) },
    },
    {
      do: "logBatch",
      run: "run1",
      params: { depth: "6" },
      metrics: [
        { key: "auc", value: 0.8, timestampMs: 5 },
        { key: "auc", value: 0.7, timestampMs: 4 },
        { key: "loss", value: 1, timestampMs: 1, step: 3 },
        { key: "tie", value: 1.5, timestampMs: 5 },
      ],
      tags: { "a.b/c d:e": "2", "mlflow.runName": "Renamed" },
    },
    { do: "logInputs", run: "run1", datasets: [dataset] },
    {
      do: "logInputs",
      run: "run1",
      datasets: [dataset, { ...dataset, digest: "other" }],
    },
    { do: "logInputs", run: "run2", datasets: [dataset] },
    {
      do: "ensureRegisteredModel",
      name: "churn",
      tags: { geography: "US" },
      description: "Who leaves",
    },
    { do: "ensureRegisteredModel", name: "churn", tags: { geography: "EU" } },
    { do: "ensureRegisteredModel", name: "other", tags: {} },
    ...models,
    {
      do: "register",
      name: "churn",
      run: "run1",
      source: "s3://bucket/a/elsewhere",
      tags: {},
      description: "a description",
    },
    {
      do: "register",
      name: "churn",
      run: "run2",
      source: "s3://bucket/a/third",
      tags: { a: "1" },
    },
    {
      do: "setVersionTags",
      name: "churn",
      version: 1,
      tags: { geography: "EU", digest: "d".repeat(5000) },
    },
    { do: "setAlias", name: "churn", alias: "champion", version: 1 },
    { do: "setAlias", name: "churn", alias: "challenger", version: 1 },
    { do: "setAlias", name: "churn", alias: "champion", version: 2 },
    { do: "setAlias", name: "churn", alias: "newest", version: 3 },
    { do: "setStage", name: "churn", version: 1, stage: "Production" },
    { do: "setStage", name: "churn", version: 2, stage: "Staging" },
    { do: "setStage", name: "churn", version: 3, stage: "Production" },
    { do: "finishRun", run: "run1", status: "FINISHED", endTimeMs: 3000 },
    { do: "finishRun", run: "run2", status: "FAILED", endTimeMs: 4000 },
  ];
}

/** What somebody deletes with MLflow's client, in both databases. */
const deletions: Call[] = [
  { do: "deleteVersion", name: "churn", version: 3 },
  { do: "deleteExperiment", experiment: "gone" },
  { do: "deleteRun", run: "goneRun" },
];

/** Calls that MLflow refuses, and what still works after the deletions. */
const lastCalls: Call[] = [
  { do: "createExperiment", name: "gone", location: "s3://bucket/b" },
  { do: "createExperiment", name: "churn — naïve", location: "s3://b" },
  { do: "createExperiment", name: "", location: "s3://bucket/b" },
  {
    do: "createExperiment",
    name: "n".repeat(501),
    location: "s3://bucket/b",
  },
  { do: "createExperiment", name: "runs", location: "runs:/a/b" },
  {
    do: "createRun",
    experiment: "gone",
    name: "x",
    startTimeMs: 1,
    tags: {},
  },
  { do: "logBatch", run: "goneRun", params: { a: "1" } },
  { do: "finishRun", run: "goneRun", status: "FINISHED", endTimeMs: 1 },
  { do: "logInputs", run: "goneRun", datasets: [dataset] },
  { do: "logBatch", run: "run1", params: { depth: "7" } },
  { do: "logBatch", run: "run1", params: { "a%b": "1" } },
  { do: "logBatch", run: "run1", params: { "a//b": "1" } },
  { do: "logBatch", run: "run1", params: { ["k".repeat(251)]: "1" } },
  { do: "logBatch", run: "run1", tags: { "../a": "1" } },
  { do: "logBatch", run: "run1", tags: { "a\tb": "1" } },
  {
    do: "logBatch",
    run: "run1",
    metrics: [{ key: "a*b", value: 1, timestampMs: 1 }],
  },
  {
    do: "logBatch",
    run: "run1",
    metrics: [{ key: "a", value: 1, timestampMs: -1 }],
  },
  {
    do: "logInputs",
    run: "run1",
    datasets: [{ ...dataset, digest: "d".repeat(37) }],
  },
  {
    do: "logInputs",
    run: "run1",
    datasets: [{ ...dataset, name: "n".repeat(501) }],
  },
  { do: "ensureRegisteredModel", name: "ok", tags: { "a%": "1" } },
  {
    do: "register",
    name: "nobody",
    run: "run1",
    source: "s3://bucket/x",
    tags: {},
  },
  { do: "setVersionTags", name: "churn", version: 3, tags: { a: "1" } },
  { do: "setVersionTags", name: "churn", version: 1, tags: { "a%": "1" } },
  { do: "setAlias", name: "churn", alias: "newest", version: 3 },
  { do: "setAlias", name: "churn", alias: "a b", version: 1 },
  { do: "setAlias", name: "churn", alias: "a".repeat(256), version: 1 },
  { do: "setStage", name: "churn", version: 3, stage: "Archived" },
  { do: "setStage", name: "nobody", version: 1, stage: "Archived" },
  {
    do: "register",
    name: "churn",
    run: "run1",
    source: "s3://bucket/a/fourth",
    tags: {},
  },
  { do: "setStage", name: "churn", version: 4, stage: "Production" },
  { do: "setAlias", name: "churn", alias: "newest", version: 4 },
];

/** Calls that 2.22.5 takes and 3.17.2 refuses, as we do everywhere. */
const stricterCalls: Call[] = [
  {
    do: "createExperiment",
    name: "tagged badly",
    location: "s3://bucket/b",
    tags: { "a%": "1" },
  },
  { do: "ensureRegisteredModel", name: "a/b", tags: {} },
  { do: "ensureRegisteredModel", name: "a:b", tags: {} },
  { do: "ensureRegisteredModel", name: " ", tags: {} },
  { do: "ensureRegisteredModel", name: "..", tags: {} },
  { do: "setAlias", name: "churn", alias: "v2", version: 1 },
  { do: "setAlias", name: "churn", alias: "Latest", version: 1 },
];

function checkOutcomes(
  calls: readonly Call[],
  options: { ours: Outcome; theirs: Outcome },
): void {
  const words = ({ outcomes }: Outcome) =>
    calls.map((call, index) =>
      `${outcomes[index]} ${JSON.stringify(call).slice(0, 200)}`
    );
  deepStrictEqual(words(options.ours), words(options.theirs));
}

/**
 * MLflow 3.4.0's own client files a logged model's metrics under experiment 0
 * when no experiment is active; later releases file them, as we do, under the
 * experiment of the run, which is 1 here.
 */
function asRunSays(release: PeerName, rows: Record<string, string[]>) {
  if (release !== "mlflow-3.4.0") return rows;
  const metrics = rows["logged_model_metrics"] ?? [];
  return {
    ...rows,
    logged_model_metrics: metrics.map((line) =>
      line.replace('"experiment_id": 0', '"experiment_id": 1')
    ),
  };
}

interface Side {
  /** Database that the calls end in. */
  readonly database: string;
  /** URI for Python's client. */
  readonly uri: string;
}

async function compare(
  server: PostgresServer,
  options: {
    release: PeerName;
    store: MlflowStore;
    ours: Side;
    theirs: Side;
  },
): Promise<void> {
  const { release, store, ours, theirs } = options;
  const first = firstCalls(store.hasLoggedModels);
  const last = release === "mlflow-3.17.2"
    ? [...lastCalls, ...stricterCalls]
    : lastCalls;
  const calls = [...first, ...deletions, ...last];
  const [theirOutcome, ourOutcome] = await Promise.all([
    callPython(release, theirs.uri, { calls }),
    (async () => {
      const before = await callStore(store, { calls: first });
      const { names } = before;
      const deleted = await callPython(release, ours.uri, {
        calls: deletions,
        names,
      });
      const after = await callStore(store, { calls: last, names });
      const outcomes = [before, deleted, after].flatMap(({ outcomes }) =>
        outcomes
      );
      return { outcomes, names: after.names };
    })(),
  ]);
  checkOutcomes(calls, { ours: ourOutcome, theirs: theirOutcome });
  await using ourDatabase = await openDatabase(server, ours.database);
  await using theirDatabase = await openDatabase(server, theirs.database);
  const ourRows = await dumpRows(ourDatabase, ourOutcome.names);
  const theirRows = await dumpRows(theirDatabase, theirOutcome.names);
  deepStrictEqual(ourRows, asRunSays(release, theirRows));
  ok((ourRows["model_versions"] ?? []).length >= 4);
}

testWithPython(
  "openTables() leaves the rows that MLflow's own client leaves, for three releases",
  async (t) => {
    await using server = await startPostgresWith(mlflowReleases);
    for (const release of mlflowReleases) {
      await t.step(release, async () => {
        await copyDatabase(server, release, `ours-${release}`);
        await copyDatabase(server, release, `theirs-${release}`);
        const side = (name: string): Side => ({
          database: `${name}-${release}`,
          uri: server.url(`${name}-${release}`),
        });
        await using database = await openDatabase(server, `ours-${release}`);
        const store = await openTables(database);
        await compare(server, {
          release,
          store,
          ours: side("ours"),
          theirs: side("theirs"),
        });
      });
    }
  },
);

testWithPython(
  "openRest() leaves the rows that MLflow's own client leaves through a server",
  async () => {
    const release = "mlflow-3.17.2";
    await using server = await startPostgresWith([release]);
    await using folder = await tempFolder();
    await copyDatabase(server, release, "ours");
    await copyDatabase(server, release, "theirs");
    const start = (database: string) =>
      startMlflowServer(release, server.url(database), {
        artifacts: folder.path,
      });
    await using ours = await start("ours");
    await using theirs = await start("theirs");
    const store = await openRest({ uri: ours.url });
    await compare(server, {
      release,
      store,
      ours: { database: "ours", uri: ours.url },
      theirs: { database: "theirs", uri: theirs.url },
    });
  },
);
