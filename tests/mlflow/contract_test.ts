/** One contract for every MLflow store: PGlite, Postgres tables of three MLflow releases, and their servers. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { InputError } from "../../lib/base/errors.ts";
import { resolveModel } from "../../lib/mlflow/model-uri.ts";
import type {
  MlflowStore,
  ModelVersion,
  Run,
  VersionKey,
} from "../../lib/mlflow/store.ts";
import { mlflowReleases } from "../support/mlflow.ts";
import {
  openEmbeddedFixture,
  openServerFixture,
  openTablesFixture,
  startPostgresWith,
  type StoreFixture,
} from "../support/mlflow_stores.ts";
import { testWithPython } from "../support/python.ts";

const root = "s3://bucket/root";
const day = "promotion.1970-01-01T";

async function newRun(store: MlflowStore, name: string): Promise<Run> {
  const experiment = await store.findExperiment("contract") ??
    await store.createExperiment("contract", { artifactLocation: root });
  return await store.createRun(experiment.experimentId, {
    name,
    startTimeMs: 1000,
    tags: { "mlflow.user": "ada" },
  });
}

/** Registers a version from a run of its own, as a logged model where there are any. */
async function newVersion(
  store: MlflowStore,
  name: string,
  tags: Record<string, string> = {},
): Promise<ModelVersion> {
  const run = await newRun(store, `run of ${name}`);
  await store.ensureRegisteredModel(name, { tags: {} });
  if (!store.hasLoggedModels) {
    const source = `${run.artifactUri}/churn_model`;
    return await store.createModelVersion(name, {
      source,
      runId: run.runId,
      tags,
    });
  }
  const { modelId } = await store.createLoggedModel(run, { name: "model" });
  await store.finalizeLoggedModel(modelId, "READY");
  return await store.createModelVersion(name, {
    source: `models:/${modelId}`,
    modelId,
    runId: run.runId,
    tags,
  });
}

/** The tags in which a version records its promotions, oldest first. */
function recordedPromotions(version: ModelVersion | undefined) {
  return Object.entries(version?.tags ?? {})
    .filter(([key]) => key.startsWith("promotion."))
    .sort(([a], [b]) => a < b ? -1 : 1)
    .map(([key, value]) => ({ key, ...JSON.parse(value) }));
}

const refused = (message: RegExp) => (error: unknown) => {
  ok(error instanceof InputError, String(error));
  ok(message.test(error.message), error.message);
  return true;
};

/** What every store must do; each test uses its own names. */
const contract: Record<string, (fixture: StoreFixture) => Promise<void>> = {
  "findUnfinishedRuns() finds open and failed runs with the tag": async (
    { store },
  ) => {
    const { experimentId } = await store.createExperiment("unfinished", {
      artifactLocation: root,
    });
    const leave = async (
      name: string,
      status: "RUNNING" | "FAILED" | "KILLED" | "FINISHED",
      tags: Record<string, string>,
    ) => {
      const { runId } = await store.createRun(experimentId, {
        name,
        startTimeMs: 1000,
        tags: { "mlflow.user": "ada", ...tags },
      });
      if (status === "RUNNING") return runId;
      await store.finishRun(runId, { status, endTimeMs: 2000 });
      return runId;
    };
    const tag = "churn.scoring_run_id";
    const open = await leave("open", "RUNNING", { [tag]: "1" });
    const failed = await leave("failed", "FAILED", { [tag]: "2" });
    await leave("killed", "KILLED", { [tag]: "3" });
    await leave("finished", "FINISHED", { [tag]: "4" });
    await leave("untagged", "RUNNING", {});
    const found = await store.findUnfinishedRuns(experimentId, { tag });
    deepStrictEqual(
      found.toSorted((a, b) => a.value < b.value ? -1 : 1),
      [
        { runId: open, status: "RUNNING", value: "1" },
        { runId: failed, status: "FAILED", value: "2" },
      ],
    );
  },

  "findExperiment() knows what createExperiment() made, and only that": async (
    { store },
  ) => {
    strictEqual(await store.findExperiment("found"), undefined);
    const made = await store.createExperiment("found", {
      artifactLocation: `${root}/found`,
      tags: { variant: "us" },
    });
    deepStrictEqual(await store.findExperiment("found"), made);
    deepStrictEqual({ ...made, experimentId: "" }, {
      experimentId: "",
      name: "found",
      artifactLocation: `${root}/found`,
      lifecycleStage: "active",
    });
  },

  "createExperiment() refuses a name that is taken": async ({ store }) => {
    await store.createExperiment("taken", { artifactLocation: root });
    await rejects(
      () => store.createExperiment("taken", { artifactLocation: root }),
      refused(/"taken": the name is taken/),
    );
  },

  "createRun() puts the run's files below the experiment's": async (
    { store, database },
  ) => {
    const run = await newRun(store, "placed");
    ok(/^[0-9a-f]{32}$/.test(run.runId), run.runId);
    strictEqual(run.artifactUri, `${root}/${run.runId}/artifacts`);
    const rows = await database.query(
      `select name, status, user_id as "user", start_time as "start", artifact_uri as "uri"
       from runs where run_uuid = $1`,
      [run.runId],
    );
    deepStrictEqual(rows, [{
      name: "placed",
      status: "RUNNING",
      user: "ada",
      start: 1000,
      uri: run.artifactUri,
    }]);
  },

  "createRun() refuses an experiment that is not there": async ({ store }) => {
    const options = { name: "x", startTimeMs: 1, tags: {} };
    await rejects(() => store.createRun("424242", options), InputError);
  },

  "logBatch() stores NaN and the infinities as MLflow stores them": async (
    { store, database },
  ) => {
    const { runId } = await newRun(store, "metrics");
    const metric = (key: string, value: number, step: number) => ({
      key,
      value,
      step,
      timestampMs: 5,
    });
    await store.logBatch(runId, {
      metrics: [
        metric("nan", NaN, 0),
        metric("max", Infinity, 0),
        metric("min", -Infinity, 0),
        metric("later", 3, 2),
        metric("later", 9, 1),
      ],
    });
    const latest = await database.query(
      `select key, value, is_nan as "isNan", step from latest_metrics
       where run_uuid = $1 order by key collate "C"`,
      [runId],
    );
    deepStrictEqual(latest, [
      { key: "later", value: 3, isNan: false, step: 2 },
      { key: "max", value: Number.MAX_VALUE, isNan: false, step: 0 },
      { key: "min", value: -Number.MAX_VALUE, isNan: false, step: 0 },
      { key: "nan", value: 0, isNan: true, step: 0 },
    ]);
  },

  "logBatch() takes the same param twice, and no other value for it": async (
    { store },
  ) => {
    const { runId } = await newRun(store, "params");
    await store.logBatch(runId, { params: { depth: "6" } });
    await store.logBatch(runId, { params: { depth: "6" } });
    await rejects(
      () => store.logBatch(runId, { params: { depth: "7" } }),
      InputError,
    );
  },

  "logBatch() cuts long values and says so": async (
    { store, database, warnings },
  ) => {
    const { runId } = await newRun(store, "long");
    await store.logBatch(runId, {
      params: { long: "é".repeat(6001) },
      tags: { long: "x".repeat(8001) },
    });
    const lengths = await database.query(
      `select (select length(value) from params where run_uuid = $1) as param,
              (select length(value) from tags where run_uuid = $1 and key = 'long') as tag`,
      [runId],
    );
    deepStrictEqual(lengths, [{ param: 6000, tag: 8000 }]);
    strictEqual(
      warnings.filter((text) => text.includes('"long" has')).length,
      2,
    );
  },

  "logBatch() logs more than one batch of MLflow's holds": async (
    { store, database },
  ) => {
    const { runId } = await newRun(store, "many");
    await store.logBatch(runId, {
      params: Object.fromEntries(
        Array.from({ length: 250 }, (_, i) => [`p${i}`, "1"]),
      ),
      metrics: Array.from(
        { length: 2500 },
        (_, i) => ({ key: `m${i}`, value: i, timestampMs: 1 }),
      ),
    });
    const counts = await database.query(
      `select (select count(*) from params where run_uuid = $1) as params,
              (select count(*) from metrics where run_uuid = $1) as metrics`,
      [runId],
    );
    deepStrictEqual(counts, [{ params: 250, metrics: 2500 }]);
  },

  "logBatch() refuses keys that MLflow refuses": async ({ store }) => {
    const { runId } = await newRun(store, "keys");
    for (const key of ["a%b", "a/../b", "/a", "", "x".repeat(251)]) {
      await rejects(
        () => store.logBatch(runId, { params: { [key]: "1" } }),
        InputError,
        key,
      );
    }
  },

  "logInputs() files a dataset once, with its context": async (
    { store, database },
  ) => {
    const { runId } = await newRun(store, "inputs");
    const dataset = {
      name: "sample",
      digest: "abc",
      sourceType: "s3",
      source: '{"uri": "s3://bucket/sample"}',
      profile: '{"num_rows": 3}',
      context: "scoring",
    };
    await store.logInputs(runId, { datasets: [dataset] });
    await store.logInputs(runId, { datasets: [dataset] });
    const rows = await database.query(
      `select d.name, d.digest, d.dataset_schema as schema, t.name as tag, t.value
       from inputs i join datasets d on d.dataset_uuid = i.source_id
       join input_tags t on t.input_uuid = i.input_uuid
       where i.destination_type = 'RUN' and i.destination_id = $1`,
      [runId],
    );
    strictEqual(rows.length, 1);
    const [row] = rows;
    // A server without the field stores "" where a direct client stores null.
    deepStrictEqual({ ...row, schema: row?.["schema"] || null }, {
      name: "sample",
      digest: "abc",
      schema: null,
      tag: "mlflow.data.context",
      value: "scoring",
    });
  },

  "finishRun() ends the run": async ({ store, database }) => {
    const { runId } = await newRun(store, "finished");
    await store.finishRun(runId, { status: "FAILED", endTimeMs: 2000 });
    const rows = await database.query(
      `select status, end_time as "end" from runs where run_uuid = $1`,
      [runId],
    );
    deepStrictEqual(rows, [{ status: "FAILED", end: 2000 }]);
  },

  "createLoggedModel() links a model to its run, where MLflow has logged models":
    async ({ store, database }) => {
      const run = await newRun(store, "with model");
      const options = { name: "churn_model", params: { depth: "6" } };
      if (!store.hasLoggedModels) {
        await rejects(
          () => store.createLoggedModel(run, options),
          refused(/logged models/),
        );
        strictEqual(await store.findLoggedModel("m-1"), undefined);
        return;
      }
      const model = await store.createLoggedModel(run, options);
      strictEqual(
        model.artifactLocation,
        `${root}/models/${model.modelId}/artifacts`,
      );
      strictEqual(
        (await store.findLoggedModel(model.modelId))?.status,
        "PENDING",
      );
      await store.finalizeLoggedModel(model.modelId, "READY");
      await store.logInputs(run.runId, { modelIds: [model.modelId] });
      const found = await store.findLoggedModel(model.modelId);
      deepStrictEqual({ ...found, tags: {} }, {
        ...model,
        name: "churn_model",
        runId: run.runId,
        status: "READY",
        tags: {},
      });
      const links = await database.query(
        `select source_type as source, destination_type as destination from inputs
         where source_id = $1 and destination_id = $2 order by 1`,
        [run.runId, model.modelId],
      );
      deepStrictEqual(links, [
        { source: "RUN_INPUT", destination: "MODEL_INPUT" },
        { source: "RUN_OUTPUT", destination: "MODEL_OUTPUT" },
      ]);
      strictEqual(await store.findLoggedModel("m-none"), undefined);
    },

  "ensureRegisteredModel() makes a model once, and keeps its first tags":
    async ({ store }) => {
      strictEqual(await store.findRegisteredModel("ensured"), undefined);
      const made = await store.ensureRegisteredModel("ensured", {
        tags: { geography: "US" },
        description: "first",
      });
      deepStrictEqual(made, {
        name: "ensured",
        tags: { geography: "US" },
        aliases: {},
      });
      const again = await store.ensureRegisteredModel("ensured", {
        tags: { geography: "EU" },
      });
      deepStrictEqual(again, made);
    },

  "createModelVersion() counts from 1 and gives back what it stored": async (
    { store },
  ) => {
    const first = await newVersion(store, "counted", { a: "1" });
    const second = await newVersion(store, "counted");
    deepStrictEqual([first.version, second.version], [1, 2]);
    deepStrictEqual(
      { ...first, createdMs: 0, runId: "", modelId: "", source: "" },
      {
        name: "counted",
        version: 1,
        stage: "None",
        aliases: [],
        status: "READY",
        source: "",
        artifactUri: store.hasLoggedModels
          ? `${root}/models/${first.modelId}/artifacts`
          : `${root}/${first.runId}/artifacts/churn_model`,
        runId: "",
        modelId: "",
        description: undefined,
        tags: { a: "1" },
        createdMs: 0,
      },
    );
    deepStrictEqual(
      await store.findModelVersion("counted", { kind: "version", version: 1 }),
      first,
    );
    deepStrictEqual(await store.listModelVersions("counted"), [second, first]);
    strictEqual(
      await store.findModelVersion("counted", { kind: "version", version: 3 }),
      undefined,
    );
    deepStrictEqual(await store.listModelVersions("no such model"), []);
    strictEqual(
      await store.findModelVersion("no such model", { kind: "latest" }),
      undefined,
    );
  },

  "createModelVersion() tags the logged model with its version": async (
    { store },
  ) => {
    if (!store.hasLoggedModels) return;
    const { modelId = "" } = await newVersion(store, "tagged");
    const model = await store.findLoggedModel(modelId);
    const tag = model?.tags["mlflow.modelVersions"] ?? "[]";
    const [entry] = JSON.parse(tag);
    strictEqual(entry.name, "tagged");
    strictEqual(Number(entry.version), 1);
  },

  "createModelVersion() refuses a model that is not registered": async (
    { store },
  ) => {
    const { runId, artifactUri } = await newRun(store, "unregistered");
    const options = { source: `${artifactUri}/m`, runId, tags: {} };
    await rejects(
      () => store.createModelVersion("not registered", options),
      InputError,
    );
  },

  "setModelVersionTags() writes over tags of the same key": async (
    { store },
  ) => {
    await newVersion(store, "retagged", { a: "1", b: "1" });
    const tags = { a: "2", "digest": "x".repeat(4000) };
    await store.setModelVersionTags("retagged", { version: 1, tags });
    const version = await store.findModelVersion("retagged", {
      kind: "version",
      version: 1,
    });
    deepStrictEqual(version?.tags, { ...tags, b: "1" });
    await rejects(
      () => store.setModelVersionTags("retagged", { version: 9, tags }),
      InputError,
    );
  },

  "setAlias() lets one version have an alias": async ({ store }) => {
    await newVersion(store, "aliased");
    await newVersion(store, "aliased");
    await store.setAlias("aliased", { alias: "champion", version: 1 });
    await store.setAlias("aliased", { alias: "challenger", version: 1 });
    await store.setAlias("aliased", { alias: "champion", version: 2 });
    const versions = await store.listModelVersions("aliased");
    deepStrictEqual(versions.map(({ aliases }) => aliases), [
      ["champion"],
      ["challenger"],
    ]);
    for (const alias of ["v1", "latest", "a b", ""]) {
      await rejects(
        () => store.setAlias("aliased", { alias, version: 1 }),
        InputError,
        alias,
      );
    }
    await rejects(
      () => store.setAlias("aliased", { alias: "champion", version: 3 }),
      InputError,
    );
  },

  "findModelVersion() selects by number, alias, stage or latest, as listed":
    async ({ store }) => {
      const name = "selected";
      for (let i = 0; i < 4; i++) await newVersion(store, name, { a: `${i}` });
      await store.setStage(name, { stage: "Archived", version: 1 });
      await store.setStage(name, { stage: "Archived", version: 3 });
      await store.setAlias(name, { alias: "champion", version: 2 });
      await store.setAlias(name, { alias: "b", version: 2 });
      await store.setAlias(name, { alias: "a", version: 4 });
      const [fourth, third, second] = await store.listModelVersions(name);
      const keys: [VersionKey, ModelVersion | undefined][] = [
        [{ kind: "version", version: 2 }, second],
        [{ kind: "alias", alias: "champion" }, second],
        [{ kind: "alias", alias: "Champion" }, undefined],
        [{ kind: "stage", stage: "Archived" }, third],
        [{ kind: "stage", stage: "None" }, fourth],
        [{ kind: "stage", stage: "Production" }, undefined],
        [{ kind: "latest" }, fourth],
      ];
      for (const [key, expected] of keys) {
        const found = await store.findModelVersion(name, key);
        deepStrictEqual(found, expected, JSON.stringify(key));
      }
    },

  "setStage() archives who was in Production before": async ({ store }) => {
    for (let i = 0; i < 3; i++) await newVersion(store, "staged");
    await store.setStage("staged", { stage: "Production", version: 1 });
    await store.setStage("staged", { stage: "Staging", version: 2 });
    await store.setStage("staged", { stage: "Production", version: 3 });
    const versions = await store.listModelVersions("staged");
    deepStrictEqual(versions.map(({ stage }) => stage), [
      "Production",
      "Staging",
      "Archived",
    ]);
  },

  "promote() moves alias and stage, and the version remembers every move":
    async ({ store }) => {
      const name = "promoted";
      for (let i = 0; i < 2; i++) await newVersion(store, name);
      const move = (version: number, timeMs: number) =>
        store.promote(name, {
          version,
          alias: "champion",
          stage: "Production",
          by: "ada@example.com",
          timeMs,
        });
      deepStrictEqual(await move(1, 1000), {
        from: undefined,
        archived: [],
        changed: true,
      });
      const toSecond = { from: 1, archived: [1], changed: true };
      deepStrictEqual(await move(2, 2000), toSecond);
      deepStrictEqual(await move(2, 3000), {
        from: 2,
        archived: [],
        changed: false,
      });
      deepStrictEqual(await move(1, 4000), {
        from: 2,
        archived: [2],
        changed: true,
      });
      deepStrictEqual(await move(2, 4000), toSecond);
      const [second, first] = await store.listModelVersions(name);
      deepStrictEqual([second?.stage, first?.stage], [
        "Production",
        "Archived",
      ]);
      deepStrictEqual(second?.aliases, ["champion"]);
      const moves = [first, second].flatMap((version) =>
        recordedPromotions(version)
      );
      deepStrictEqual(
        moves.map(({ key, from, to, by }) => ({ key, from, to, by })),
        [
          {
            key: `${day}00-00-01.000Z`,
            from: null,
            to: 1,
            by: "ada@example.com",
          },
          { key: `${day}00-00-04.000Z`, from: 2, to: 1, by: "ada@example.com" },
          { key: `${day}00-00-02.000Z`, from: 1, to: 2, by: "ada@example.com" },
          { key: `${day}00-00-04.000Z`, from: 1, to: 2, by: "ada@example.com" },
        ],
      );
      await rejects(() => move(7, 5000), refused(/versions 1, 2/));
    },

  "promote() moves an alias alone, or a stage alone, and records it": async (
    { store },
  ) => {
    const name = "alone";
    for (let i = 0; i < 2; i++) await newVersion(store, name);
    const move = (
      version: number,
      marks: { alias?: string; stage?: "Production" | "Staging" },
      timeMs: number,
    ) =>
      store.promote(name, {
        version,
        alias: marks.alias,
        stage: marks.stage,
        by: "ada",
        timeMs,
      });
    await move(1, { alias: "champion", stage: "Production" }, 1000);
    const challenger = { alias: "challenger" };
    deepStrictEqual(await move(2, challenger, 2000), {
      from: undefined,
      archived: [],
      changed: true,
    });
    strictEqual((await move(2, challenger, 3000)).changed, false);
    const marks = async () =>
      (await store.listModelVersions(name)).map(({ stage, aliases }) => [
        stage,
        ...aliases,
      ]);
    deepStrictEqual(await marks(), [
      ["None", "challenger"],
      ["Production", "champion"],
    ]);
    deepStrictEqual(await move(2, { stage: "Production" }, 4000), {
      from: undefined,
      archived: [1],
      changed: true,
    });
    deepStrictEqual(await marks(), [
      ["Production", "challenger"],
      ["Archived", "champion"],
    ]);
    const [second] = await store.listModelVersions(name);
    deepStrictEqual(
      recordedPromotions(second).map(({ alias, stage }) => [alias, stage]),
      [["challenger", null], [null, "Production"]],
    );
  },

  "promote() finishes what was half done": async ({ store }) => {
    for (let i = 0; i < 2; i++) await newVersion(store, "halfway");
    const promotion = {
      version: 2,
      alias: "champion",
      stage: "Production",
      by: "ada",
      timeMs: 1000,
    } as const;
    await store.setStage("halfway", { stage: "Production", version: 1 });
    await store.setAlias("halfway", { alias: "champion", version: 2 });
    deepStrictEqual(await store.promote("halfway", promotion), {
      from: 2,
      archived: [1],
      changed: true,
    });
    const [second, first] = await store.listModelVersions("halfway");
    deepStrictEqual([second?.stage, first?.stage], ["Production", "Archived"]);
  },

  "resolveModel() finds versions by number, stage, alias, latest and model id":
    async ({ store }) => {
      const name = "resolved";
      const made = [];
      for (let i = 0; i < 3; i++) made.push(await newVersion(store, name));
      await store.setStage(name, { stage: "Production", version: 2 });
      await store.setAlias(name, { alias: "champion", version: 1 });
      const version = async (uri: string) =>
        (await resolveModel(store, uri)).version;
      strictEqual(await version(`models:/${name}/1`), 1);
      strictEqual(await version(`models:/${name}/production`), 2);
      strictEqual(await version(`models:/${name}/Latest`), 3);
      strictEqual(await version(`models:/${name}@champion`), 1);
      const modelId = made[1]?.modelId;
      if (modelId !== undefined) {
        strictEqual(await version(`models:/${modelId}`), 2);
      }
      await rejects(
        () => version(`models:/${name}/Staging`),
        refused(/in the stage Staging: only other versions exist \(1, 2, 3\)/),
      );
      await rejects(
        () => version(`models:/${name}@other`),
        refused(/alias "other"/),
      );
      await rejects(
        () => version("models:/absent/Production"),
        refused(/registered model "absent".*log-model/),
      );
      await rejects(() => version(`models:/m-${"0".repeat(32)}`), InputError);
    },

  "names with quotes, spaces and other letters work": async ({ store }) => {
    for (const name of ["it's churn", "modèle déjà", 'a "b" c']) {
      strictEqual((await newVersion(store, name)).version, 1);
      strictEqual((await store.listModelVersions(name)).length, 1);
    }
    for (const name of ["a/b", "a:b", " ", "..", "./a"]) {
      await rejects(
        () => store.ensureRegisteredModel(name, { tags: {} }),
        InputError,
        name,
      );
    }
  },
};

async function checkContract(
  t: Deno.TestContext,
  label: string,
  options: { version: string; open: () => Promise<StoreFixture> },
): Promise<void> {
  const { version, open } = options;
  await t.step(label, async (t) => {
    await using fixture = await open();
    await t.step(
      "detects the MLflow release that created the database",
      () => {
        const { mlflowVersion, hasLoggedModels } = fixture.store;
        strictEqual(mlflowVersion, version);
        strictEqual(hasLoggedModels, !version.startsWith("2."));
        deepStrictEqual(fixture.warnings, []);
      },
    );
    for (const [name, check] of Object.entries(contract)) {
      await t.step(name, () => check(fixture));
    }
  });
}

Deno.test("MlflowStore on PGlite fulfils the contract", async (t) => {
  await checkContract(t, "PGlite", {
    version: "3.17.2",
    open: openEmbeddedFixture,
  });
});

testWithPython(
  "MlflowStore fulfils the contract on tables and servers of three MLflow releases",
  async (t) => {
    await using server = await startPostgresWith(mlflowReleases);
    for (const release of mlflowReleases) {
      const version = release.replace("mlflow-", "");
      await checkContract(t, `Postgres tables of ${release}`, {
        version,
        open: () => openTablesFixture(server, release),
      });
      await checkContract(t, `server of ${release}`, {
        version,
        open: () => openServerFixture(server, release),
      });
    }
  },
);
