/** One list of calls, done by our store or by MLflow's own client, and the rows that they leave behind. */
import { fileURLToPath } from "node:url";
import type { Queryable } from "../../lib/database/database.ts";
import { InputError } from "../../lib/base/errors.ts";
import type {
  DatasetInput,
  MlflowStore,
  Run,
  Stage,
} from "../../lib/mlflow/store.ts";
import { type PeerName, runPython } from "./python.ts";

/** A metric whose value may be `NaN`, `Infinity` or `-Infinity`, spelled out. */
interface CalledMetric {
  readonly key: string;
  readonly value: number | string;
  readonly timestampMs: number;
  readonly step?: number;
  /** Name of a logged model. */
  readonly model?: string;
  readonly datasetName?: string;
  readonly datasetDigest?: string;
}

type Pairs = Record<string, string>;

/** One call; `as` gives a name to the id that it gives back, other words name such ids. */
export type Call =
  & { readonly as?: string }
  & (
    | { do: "createExperiment"; name: string; location: string; tags?: Pairs }
    | {
      do: "createRun";
      experiment: string;
      name: string;
      startTimeMs: number;
      tags: Pairs;
    }
    | {
      do: "logBatch";
      run: string;
      params?: Pairs;
      metrics?: CalledMetric[];
      tags?: Pairs;
    }
    | {
      do: "logInputs";
      run: string;
      datasets?: DatasetInput[];
      models?: string[];
    }
    | {
      do: "finishRun";
      run: string;
      status: "FINISHED" | "FAILED" | "KILLED";
      endTimeMs: number;
    }
    | {
      do: "createLoggedModel";
      run: string;
      name: string;
      params?: Pairs;
      tags?: Pairs;
    }
    | {
      do: "finalizeLoggedModel";
      model: string;
      status: "READY" | "UPLOAD_FAILED";
    }
    | {
      do: "ensureRegisteredModel";
      name: string;
      tags: Pairs;
      description?: string;
    }
    | {
      do: "register";
      name: string;
      run: string;
      tags: Pairs;
      model?: string;
      source?: string;
      description?: string;
    }
    | { do: "setVersionTags"; name: string; version: number; tags: Pairs }
    | { do: "setAlias"; name: string; alias: string; version: number }
    | { do: "setStage"; name: string; stage: Stage; version: number }
    | { do: "deleteVersion"; name: string; version: number }
    | { do: "deleteExperiment"; experiment: string }
    | { do: "deleteRun"; run: string }
  );

/** How each call ended, and the ids by the names they were given. */
export interface Outcome {
  readonly outcomes: readonly ("done" | "refused")[];
  readonly names: Readonly<Record<string, string>>;
}

/** Does the calls with an MLflow release's own client. */
export async function callPython(
  release: PeerName,
  uri: string,
  work: { calls: readonly Call[]; names?: Readonly<Record<string, string>> },
): Promise<Outcome> {
  const script = fileURLToPath(new URL("./mlflow_calls.py", import.meta.url));
  const { stdout } = await runPython(release, script, {
    args: [uri, JSON.stringify({ names: {}, ...work })],
  });
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

/** Does the calls with our store. */
export async function callStore(
  store: MlflowStore,
  work: { calls: readonly Call[]; names?: Readonly<Record<string, string>> },
): Promise<Outcome> {
  const names: Record<string, string> = { ...work.names };
  const runs = new Map<string, Run>();
  const outcomes: ("done" | "refused")[] = [];
  for (const call of work.calls) {
    try {
      const id = await callOnce(store, call, { names, runs });
      if (call.as !== undefined && id !== undefined) names[call.as] = id;
      outcomes.push("done");
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      outcomes.push("refused");
    }
  }
  return { outcomes, names };
}

async function callOnce(
  store: MlflowStore,
  call: Call,
  known: { names: Record<string, string>; runs: Map<string, Run> },
): Promise<string | undefined> {
  const id = (name: string) => known.names[name] ?? name;
  switch (call.do) {
    case "createExperiment": {
      const { name, location, tags = {} } = call;
      const options = { artifactLocation: location, tags };
      return (await store.createExperiment(name, options)).experimentId;
    }
    case "createRun": {
      const run = await store.createRun(id(call.experiment), call);
      known.runs.set(call.as ?? "", run);
      return run.runId;
    }
    case "logBatch": {
      const { params = {}, metrics = [], tags = {} } = call;
      const measured = metrics.map(({ model, value, ...metric }) => ({
        ...metric,
        value: Number(value),
        ...model === undefined ? {} : { modelId: id(model) },
      }));
      await store.logBatch(id(call.run), { params, metrics: measured, tags });
      return;
    }
    case "logInputs": {
      const { datasets = [], models = [] } = call;
      await store.logInputs(id(call.run), {
        datasets,
        modelIds: models.map(id),
      });
      return;
    }
    case "finishRun":
      return void await store.finishRun(id(call.run), call);
    case "createLoggedModel": {
      const run = known.runs.get(call.run);
      if (!run) throw new Error(`no run "${call.run}"`);
      return (await store.createLoggedModel(run, call)).modelId;
    }
    case "finalizeLoggedModel":
      return void await store.finalizeLoggedModel(id(call.model), call.status);
    case "ensureRegisteredModel":
      return void await store.ensureRegisteredModel(call.name, call);
    case "register": {
      const { name, run, tags, model, source = "", description } = call;
      await store.createModelVersion(name, {
        source: model === undefined ? source : `models:/${id(model)}`,
        runId: id(run),
        tags,
        ...model === undefined ? {} : { modelId: id(model) },
        ...description === undefined ? {} : { description },
      });
      return;
    }
    case "setVersionTags":
      return void await store.setModelVersionTags(call.name, call);
    case "setAlias":
      return void await store.setAlias(call.name, call);
    case "setStage":
      return void await store.setStage(call.name, call);
    default:
      throw new Error(`our store has no call "${call.do}"`);
  }
}

const tables = [
  "experiments",
  "experiment_tags",
  "runs",
  "tags",
  "params",
  "metrics",
  "latest_metrics",
  "datasets",
  "inputs",
  "input_tags",
  "logged_models",
  "logged_model_params",
  "logged_model_tags",
  "logged_model_metrics",
  "registered_models",
  "registered_model_tags",
  "registered_model_aliases",
  "model_versions",
  "model_version_tags",
];

/**
 * All rows of the tables that MLflow's tracking and registry use, as sorted
 * lines of text. Ids that stand for the same thing read the same: those in
 * `names` by their name, others as `ID`; clock times read `TIME`.
 */
export async function dumpRows(
  db: Queryable,
  names: Readonly<Record<string, string>>,
): Promise<Record<string, string[]>> {
  const dump: Record<string, string[]> = {};
  for (const table of tables) {
    const [found] = await db.query<{ name: string | null }>(
      `select to_regclass($1)::text as name`,
      [table],
    );
    if (!found?.name) continue;
    const rows = await db.query<{ line: string }>(
      `select to_jsonb(t)::text as line from "${table}" t`,
    );
    dump[table] = rows.map(({ line }) => anonymise(line, names)).sort();
  }
  return dump;
}

function anonymise(
  line: string,
  names: Readonly<Record<string, string>>,
): string {
  let text = line;
  for (const [name, id] of Object.entries(names)) {
    if (id.length >= 32) text = text.replaceAll(id, `<${name}>`);
  }
  return text
    .replace(/\b[0-9a-f]{32}\b/g, "ID")
    .replace(/: 1[789]\d{11}\b/g, ": TIME");
}
