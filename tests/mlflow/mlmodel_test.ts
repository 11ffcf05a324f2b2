/** MLmodel files: ours load in Python, Python's are read here, and what cannot be scored is refused by name. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { InputError } from "../../lib/base/errors.ts";
import {
  type ModelDescription,
  toEnvironment,
  toInputExample,
  toMLmodel,
  toModelHistory,
} from "../../lib/mlflow/model-folder/mlmodel-write.ts";
import { parseMLmodel } from "../../lib/mlflow/model-folder/mlmodel-read.ts";
import { scoreOutput } from "../../lib/mlflow/model-folder/signature.ts";
import { parseYaml } from "../../lib/base/yaml.ts";
import { type PeerName, runPython, testWithPython } from "../support/python.ts";
import { tempFolder } from "../support/servers.ts";

const columns = [
  { kind: "column", name: "months", type: "long", required: true },
  { kind: "column", name: "spend", type: "double", required: false },
  { kind: "column", name: "vip", type: "boolean", required: true },
] as const;

function describe(artifactPath: string): ModelDescription {
  return {
    artifactPath,
    modelId: "m-0123456789abcdef0123456789abcdef",
    runId: "1".repeat(32),
    createdMs: Date.UTC(2026, 10, 23, 12, 2, 2, 368),
    native: { flavor: "xgboost", file: "model.ubj", version: "3.2.0" },
    onnxVersion: "1.23.2",
    hasColumnGraph: false,
    signature: { inputs: columns, outputs: scoreOutput },
    hasInputExample: true,
    sizeBytes: 123,
    // Texts that YAML 1.1 would take for a boolean, a float and a time.
    metadata: { answer: "yes", digest: "1e5", time: "2026-11-23 12:00:00" },
    mlflowVersion: "3.17.2",
  };
}

/** Trains a Booster and an XGBClassifier, and saves them with every flavor and form that MLflow offers. */
const saving = `
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow, numpy as np, pandas as pd, xgboost as xgb
from mlflow.models import infer_signature
folder = sys.argv[1]
# Named, or MLflow loads each model in a process of its own to find out.
named = {"pip_requirements": ["mlflow"]}
rng = np.random.default_rng(7)
X = pd.DataFrame({"months": rng.integers(1, 60, 200), "spend": rng.normal(size=200), "vip": rng.random(200) > 0.5})
y = (X["spend"] + X["vip"] > 0.5).astype(int)
booster = xgb.train({"objective": "binary:logistic", "max_depth": 3}, xgb.DMatrix(X, y), 5)
classifier = xgb.XGBClassifier(n_estimators=3).fit(X, y)
signature = infer_signature(X, booster.predict(xgb.DMatrix(X)))
for form in ["ubj", "json", "xgb"]:
    mlflow.xgboost.save_model(booster, f"{folder}/booster-{form}", model_format=form, signature=signature, **named)
mlflow.xgboost.save_model(classifier, f"{folder}/classifier", input_example=X.head(2), **named)
import onnx
from onnx import TensorProto, helper
graph = helper.make_graph(
    [helper.make_node("ReduceSum", ["X"], ["Y"], keepdims=1)], "g",
    [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 3])],
    [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [1, 1])])
mlflow.onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), f"{folder}/onnx", **named)
from sklearn.linear_model import LogisticRegression
mlflow.sklearn.save_model(LogisticRegression().fit(X, y), f"{folder}/sklearn", **named,
    **({"serialization_format": "cloudpickle"} if mlflow.__version__[0] == "3" else {}))
class Custom(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input
mlflow.pyfunc.save_model(f"{folder}/custom", python_model=Custom(), **named)
`;

async function readModel(folder: string, name: string) {
  const file = `${folder}/${name}/MLmodel`;
  return parseMLmodel(await Deno.readTextFile(file), { file: name });
}

async function checkSaved(
  t: Deno.TestContext,
  folder: string,
): Promise<void> {
  for (const form of ["ubj", "json", "xgb"]) {
    await t.step(`a Booster saved as ${form}`, async () => {
      const model = await readModel(folder, `booster-${form}`);
      strictEqual(model.nativeFile, `model.${form}`);
      strictEqual(model.onnxFile, undefined);
      deepStrictEqual(
        model.signature.inputs,
        columns.map((column) => ({ ...column, required: true })),
      );
      deepStrictEqual(model.signature.outputs, [
        { kind: "tensor", name: undefined, dtype: "float32", shape: [-1] },
      ]);
    });
  }
  await t.step("an XGBClassifier", async () => {
    const { nativeFile } = await readModel(folder, "classifier");
    await Deno.stat(`${folder}/classifier/${nativeFile}`);
  });
  await t.step("an ONNX model", async () => {
    const { nativeFile, onnxFile } = await readModel(folder, "onnx");
    strictEqual(nativeFile, undefined);
    strictEqual(onnxFile, "model.onnx");
  });
  for (
    const [name, words] of [
      [
        "sklearn",
        /flavors are python_function \(loaded by mlflow\.sklearn\), sklearn/,
      ],
      ["custom", /python_function \(loaded by mlflow\.pyfunc\.model\)/],
    ] as const
  ) {
    await t.step(`${name} is rejected by name`, async () => {
      const text = await Deno.readTextFile(`${folder}/${name}/MLmodel`);
      throws(() => parseMLmodel(text, { file: name }), (error: unknown) => {
        ok(error instanceof InputError);
        ok(words.test(error.message), error.message);
        return true;
      });
    });
  }
}

/** Loads our folder in every way, and says what came of it. */
const loading = `
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow, numpy as np, pandas as pd, xgboost as xgb, yaml
from mlflow.exceptions import MlflowException
folder, other = sys.argv[1:]
X = pd.DataFrame({"months": [3, 40], "spend": [0.9, -1.5], "vip": [True, False]})
model = mlflow.pyfunc.load_model(folder)
booster = xgb.Booster(model_file=f"{other}/model.ubj")
expected = booster.predict(xgb.DMatrix(X))
def refusal(frame):
    try:
        model.predict(frame)
        return None
    except MlflowException as error:
        return str(error)
meta = model.metadata
with open(f"{folder}/MLmodel") as file:
    ours = yaml.safe_load(file)
with open(f"{other}/MLmodel") as file:
    theirs = yaml.safe_load(file)
print(json.dumps({
    "difference": float(np.abs(model.predict(X) - expected).max()),
    "native": float(np.abs(mlflow.xgboost.load_model(folder).predict(xgb.DMatrix(X)) - expected).max()),
    "example": json.loads(mlflow.models.Model.load(folder).load_input_example(folder).to_json(orient="records")),
    "signature": meta.signature.to_dict(),
    "metadata": meta.metadata,
    "created": str(meta.utc_time_created),
    "runId": meta.run_id,
    "missing": refusal(X.drop(columns="months")),
    "wrongType": refusal(X.assign(months=["a", "b"])),
    "flavor": {key: value for key, value in ours["flavors"]["xgboost"].items()},
    "theirFlavor": {key: value for key, value in theirs["flavors"]["xgboost"].items()},
    "pyfunc": {key: value for key, value in ours["flavors"]["python_function"].items()},
    "theirPyfunc": {key: value for key, value in theirs["flavors"]["python_function"].items()},
    "missingKeys": sorted(set(theirs) - set(ours)),
}))
`;

for (const release of ["mlflow-3.17.2", "mlflow-2.22.5"] as PeerName[]) {
  const version = release.replace("mlflow-", "");
  testWithPython(
    `parseMLmodel() reads what ${release} saves, and ${release} loads what toMLmodel() writes`,
    async (t) => {
      await using temporary = await tempFolder();
      const folder = temporary.path;
      // Without it, MLflow makes ./mlruns.
      const env = { MLFLOW_TRACKING_URI: `file://${folder}/mlruns` };
      await runPython(release, saving, { args: [folder], env });
      await checkSaved(t, folder);
      await t.step(
        "a model folder written here loads and scores the same",
        async () => {
          const ours = `${folder}/ours`;
          await Deno.mkdir(ours);
          await Deno.copyFile(
            `${folder}/booster-ubj/model.ubj`,
            `${ours}/model.ubj`,
          );
          const model = { ...describe(ours), mlflowVersion: version };
          const names = columns.map(({ name }) => name);
          const rows = [[3, 0.9, true], [40, null, false]];
          const files = {
            MLmodel: toMLmodel(model),
            ...toEnvironment(model),
            ...toInputExample(names, { rows }),
          };
          for (const [name, text] of Object.entries(files)) {
            await Deno.writeTextFile(`${ours}/${name}`, text);
          }
          const { stdout } = await runPython(release, loading, {
            args: [ours, `${folder}/booster-ubj`],
            env,
          });
          const seen = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
          strictEqual(seen.difference, 0);
          strictEqual(seen.native, 0);
          strictEqual(seen.example[0].spend, 0.9);
          strictEqual(seen.example[1].months, 40);
          deepStrictEqual(
            JSON.parse(seen.signature.inputs),
            columns.map(({ name, type, required }) => ({
              name,
              type,
              required,
            })),
          );
          deepStrictEqual(seen.metadata, model.metadata);
          strictEqual(seen.created, "2026-11-23 12:02:02.368000");
          strictEqual(seen.runId, model.runId);
          ok(seen.missing.includes("Model is missing inputs ['months']"));
          ok(
            seen.wrongType.includes("Incompatible input types"),
            seen.wrongType,
          );
          deepStrictEqual(seen.flavor, seen.theirFlavor);
          deepStrictEqual(seen.pyfunc, seen.theirPyfunc);
          deepStrictEqual(seen.missingKeys, []);
        },
      );
    },
  );
}

Deno.test("toMLmodel() and parseMLmodel() agree", () => {
  const model = describe("s3://bucket/1/models/m/artifacts");
  deepStrictEqual(parseMLmodel(toMLmodel(model), { file: "MLmodel" }), {
    nativeFile: "model.ubj",
    onnxFile: "model.onnx",
    signature: model.signature,
    metadata: model.metadata,
  });
});

Deno.test("toMLmodel() declares ONNX for loading if there is no native file", () => {
  const text = toMLmodel({ ...describe("a"), native: undefined });
  const parsed = parseYaml(text, { file: "MLmodel" }) as {
    flavors: Record<string, Record<string, unknown>>;
  };
  const { flavors } = parsed;
  strictEqual(flavors["python_function"]?.["loader_module"], "mlflow.onnx");
  strictEqual(flavors["python_function"]?.["data"], "model.onnx");
  const byColumns = parseYaml(
    toMLmodel({ ...describe("a"), native: undefined, hasColumnGraph: true }),
    { file: "MLmodel" },
  ) as typeof parsed;
  strictEqual(
    byColumns.flavors["python_function"]?.["data"],
    "columns.onnx",
  );
  strictEqual(byColumns.flavors["onnx"]?.["data"], "model.onnx");
  throws(
    () =>
      toMLmodel({
        ...describe("a"),
        native: undefined,
        onnxVersion: undefined,
      }),
    RangeError,
  );
});

Deno.test("toModelHistory() appends to the run's tag", () => {
  const model = describe("churn_model");
  const once = toModelHistory(model);
  const twice = JSON.parse(toModelHistory(model, once));
  strictEqual(twice.length, 2);
  strictEqual(twice[0].artifact_path, "churn_model");
  strictEqual(twice[1].flavors.python_function.loader_module, "mlflow.xgboost");
});

Deno.test("parseMLmodel() rejects paths outside the folder, and external models", () => {
  const parse = (text: string) => () => parseMLmodel(text, { file: "MLmodel" });
  for (const data of ["../model.ubj", "/etc/passwd", "a/../../b"]) {
    throws(
      parse(`flavors: {xgboost: {data: ${data}}}`),
      /not a path inside the model's folder/,
    );
  }
  throws(
    parse(
      "flavors: {onnx: {data: model.onnx}}\nmetadata: {mlflow.model.isExternal: true}",
    ),
    /external model/,
  );
  throws(
    parse("run_id: abc"),
    /^InputError: Cannot use MLmodel: flavors should be an object, found nothing$/,
  );
  throws(
    parse("flavors: {xgboost: {data: [model.ubj]}}"),
    /MLmodel, flavor xgboost: data should be a string, found \["model.ubj"\]/,
  );
  throws(
    parse("flavors: {xgboost: {data: a.ubj, model_class: mine.Booster}}"),
    /class mine\.Booster/,
  );
  throws(
    parse(
      'flavors: {xgboost: {data: a.ubj}}\nsignature: {inputs: \'[{"type": "map"}]\'}',
    ),
    /has the type "map"/,
  );
});
