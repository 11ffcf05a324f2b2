/** MLflow's Python loads, validates and serves every kind of model that we log, and gives the library's own scores. */
import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { openLocal } from "../../lib/storage/local.ts";
import {
  type Candidate,
  toCandidate,
} from "../../lib/registration/candidate.ts";
import { toFeatures } from "../../lib/rows/features.ts";
import { readModelFolder } from "../../lib/mlflow/model-folder/read.ts";
import { toModelFolder } from "../../lib/registration/model-folder.ts";
import { proveParity } from "../../lib/registration/parity-gate.ts";
import { withRows } from "../../lib/registration/candidate-files.ts";
import { plainRecipe } from "../../lib/rows/recipe.ts";
import { parseJsonLines } from "../../lib/rows/json-lines.ts";
import { openScorer } from "../../lib/scoring/scorer.ts";
import { largestError } from "../parity/compare.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { tempFolder } from "../support/servers.ts";

const peers = fileURLToPath(new URL("../peers/", import.meta.url));

interface Trained {
  readonly name: string;
  /** MLflow's module that must load the model in Python. */
  readonly loader: string;
  /** The library's own scores of the sample. */
  readonly scores: readonly number[];
}

interface Used {
  readonly loader: string;
  /** Scores, or the error. */
  readonly ways: Readonly<Record<string, readonly number[] | string>>;
  /** Of a text that no training row had, and of none; null where the model has no texts. */
  readonly unseen: readonly number[] | string | null;
  readonly missing: readonly number[] | string | null;
}

const idColumn = "player_id";
/** The models are native: nothing is to be said of their outputs. */
const settings = { positiveClass: undefined, modelOutput: undefined };

async function readCandidate(folder: string, name: string): Promise<Candidate> {
  const file = async (path: string) => ({
    uri: path,
    source: "local" as const,
    bytes: await Deno.readFile(`${folder}/${path}`),
  });
  return await toCandidate({
    model: await file(`${name}.model`),
    features: await file(`${name}.features.json`),
    sample: await withRows(await file(`${name}.jsonl`), {
      idColumn,
      temporary: "",
    }),
    evaluation: undefined,
    manifest: undefined,
  }, { ...settings, recipe: plainRecipe, idColumn, label: "churned" });
}

async function writeModel(candidate: Candidate, folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const { files } = toModelFolder(candidate, {
    artifactPath: folder,
    modelId: undefined,
    runId: "1".repeat(32),
    createdMs: Date.UTC(2026, 10, 23),
  });
  for (const [path, bytes] of files) {
    await Deno.writeFile(`${folder}/${path}`, bytes);
  }
}

const noCache = {
  find: () => Promise.resolve(undefined),
  store: async () => {},
};

/** The sample scored as `predict` would, by each engine. */
async function checkOurs(
  { name, scores }: Trained,
  { folder, logged }: { folder: string; logged: string },
): Promise<void> {
  const loaded = await readModelFolder(openLocal(logged), {
    mlmodelSha256: undefined,
    cache: noCache,
  });
  const file = `${folder}/${name}.jsonl`;
  const bytes = await Deno.readFile(file);
  for (const engine of ["trees", "onnxruntime"] as const) {
    await using scorer = await openScorer(loaded, { engine, settings });
    ok(scorer.columns);
    const { matrix, rows } = toFeatures(parseJsonLines(bytes, { file }), {
      columns: scorer.columns,
      recipe: plainRecipe,
      idColumn,
      file,
    });
    strictEqual(rows, scores.length);
    const found = await scorer.predict(matrix, rows);
    const error = largestError(Float64Array.from(scores), found);
    ok(error <= 1e-6, `${name} with ${engine}: largest error ${error}`);
  }
}

testWithPython(
  "mlflow.pyfunc and MLflow's server score every kind of logged model like its library",
  async (t) => {
    await using temp = await tempFolder();
    const folder = temp.path;
    await runPython("mlflow-3.17.2", `${peers}flavor_models.py`, {
      args: [folder],
    });
    const index = JSON.parse(
      await Deno.readTextFile(`${folder}/index.json`),
    ) as Trained[];
    ok(index.length >= 22, `${index.length} models`);
    for (const trained of index) {
      const { name } = trained;
      await t.step(`${name} is checked, logged and scored here`, async () => {
        const candidate = await readCandidate(folder, name);
        const report = await proveParity(candidate);
        strictEqual(report.sampleRows, trained.scores.length);
        ok("onnxruntime on the rows as sent" in report.maxAbsoluteError);
        const logged = `${folder}/models/${name}`;
        await writeModel(candidate, logged);
        await checkOurs(trained, { folder, logged });
      });
    }
    await t.step(
      "the gate rejects wrongly encoded rows",
      async () => {
        const candidate = await readCandidate(folder, "xgboost-texts");
        const { sample } = candidate;
        const column = candidate.columns.findIndex(({ name }) =>
          name === "brand"
        );
        const width = candidate.columns.length;
        const matrix = sample.matrix.map((value, i) =>
          i % width === column ? (value + 1) % 5 : value
        );
        await rejects(
          proveParity({ ...candidate, sample: { ...sample, matrix } }),
          /onnxruntime on the rows as sent returns .*, expected .*, for row \d+ of the sample/,
        );
      },
    );
    const { stdout } = await runPython(
      "mlflow-3.17.2",
      `${peers}use_flavors.py`,
      {
        args: [`${folder}/models`, folder],
        env: { MLFLOW_TRACKING_URI: `sqlite:///${folder}/mlflow.db` },
      },
    );
    const used = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Record<
      string,
      Used
    >;
    for (const { name, loader, scores } of index) {
      await t.step(`${name} in Python`, () => {
        ok(used[name]);
        const { loader: found, ways, unseen, missing } = used[name];
        strictEqual(found, loader);
        strictEqual(Object.keys(ways).length, 5);
        for (const [way, result] of Object.entries(ways)) {
          ok(typeof result !== "string", `${name} by ${way}: ${result}`);
          strictEqual(result.length, way.startsWith("frame") ? 400 : 20);
          const expected = Float64Array.from(scores.slice(0, result.length));
          const error = largestError(expected, Float64Array.from(result));
          ok(error <= 1e-6, `${name} by ${way}: largest error ${error}`);
        }
        ok(missing === null || typeof missing !== "string", `${missing}`);
        if (name.startsWith("lightgbm")) deepStrictEqual(unseen, missing);
        else if (missing !== null) match(`${unseen}`, /out of data bounds/);
      });
    }
  },
);
