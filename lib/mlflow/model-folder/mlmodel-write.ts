/**
 * Writes the `MLmodel` file of a logged model and the files beside it, as MLflow
 * 3.17.2 does (`mlflow/models/model.py`, `mlflow/utils/environment.py`).
 */
import { toYaml } from "../../base/yaml.ts";
import * as v from "../../base/schema.ts";
import type { Library } from "../../model/mod.ts";
import { toPythonJson } from "../json.ts";
import { type Signature, toSchemaJson } from "./signature.ts";

/** A model's native file, which `mlflow.pyfunc` loads. */
export interface NativeModel {
  /** MLflow's flavor, which has the library's name. */
  readonly flavor: Library;
  /** Name in the model's folder; MLflow requires `model.ubj`, `model.json` or `model.xgb` for XGBoost, `model.lgb` for LightGBM. */
  readonly file: string;
  /** Version of the library that Python should install to load the file, such as `3.2.0`. */
  readonly version: string;
}

/** Everything that goes into an `MLmodel` file. */
export interface ModelDescription {
  /** On MLflow 3 the logged model's location, on 2.x the name of the folder in its run. */
  readonly artifactPath: string;
  /** The logged model's id; undefined on MLflow 2.x. */
  readonly modelId: string | undefined;
  readonly runId: string;
  readonly createdMs: number;
  readonly native: NativeModel | undefined;
  /** Version of the `onnx` package that Python should install; undefined if the folder has no `model.onnx`. */
  readonly onnxVersion: string | undefined;
  /** True if {@linkcode columnGraphFile} is in the folder; `mlflow.pyfunc` loads it if there is no native model. */
  readonly hasColumnGraph: boolean;
  readonly signature: Signature;
  /** False if MLflow before 2.10 may read the file (`MlflowStore.writesRequired`); true by default. */
  readonly writesRequired?: boolean | undefined;
  /** True if the two files of {@linkcode toInputExample} are in the folder. */
  readonly hasInputExample: boolean;
  /** Size of the folder's files, in bytes. */
  readonly sizeBytes: number;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The MLflow version that `requirements.txt` pins. */
  readonly mlflowVersion: string;
}

/** Name of the file that makes a folder a model. */
export const mlmodelFile = "MLmodel";
/** Name of the ONNX file beside the native one. */
export const onnxFile = "model.onnx";
/** Name of the ONNX file that takes a frame's columns, including category labels; `model.onnx` takes a matrix. */
export const columnGraphFile = "columns.onnx";

const exampleFile = "input_example.json";
const servingExampleFile = "serving_input_example.json";
/** The Python version with which the tests load our models. */
const pythonVersion = "3.11.7";

/**
 * Returns the text of the `MLmodel` file. `python_function` loads the native file
 * as a Booster, whose `predict` returns probabilities (an `XGBClassifier` would
 * return labels). Without a native model it loads an ONNX file: the one that takes
 * columns, if the folder has it.
 *
 * @throws {RangeError} If there is neither a native nor an ONNX model.
 */
export function toMLmodel(model: ModelDescription): string {
  const { native, onnxVersion, modelId, signature } = model;
  if (!native && onnxVersion === undefined) {
    throw new RangeError("An MLmodel file needs a native or an ONNX model");
  }
  const flavors = {
    ...native?.flavor === "lightgbm" && {
      lightgbm: {
        code: null,
        data: native.file,
        lgb_version: native.version,
        model_class: "lightgbm.basic.Booster",
      },
    },
    ...onnxVersion !== undefined && {
      onnx: {
        code: null,
        data: onnxFile,
        onnx_session_options: null,
        onnx_version: onnxVersion,
        providers: ["CPUExecutionProvider"],
      },
    },
    python_function: {
      data: native?.file ??
        (model.hasColumnGraph ? columnGraphFile : onnxFile),
      env: { conda: "conda.yaml", virtualenv: "python_env.yaml" },
      loader_module: `mlflow.${native?.flavor ?? "onnx"}`,
      python_version: pythonVersion,
    },
    ...native?.flavor === "xgboost" && {
      xgboost: {
        code: null,
        data: native.file,
        model_class: "xgboost.core.Booster",
        model_format: native.file.split(".").at(-1),
        xgb_version: native.version,
      },
    },
  };
  return toYaml({
    artifact_path: model.artifactPath,
    flavors,
    is_signature_from_type_hint: false,
    metadata: model.metadata,
    mlflow_version: model.mlflowVersion,
    ...modelId === undefined ? {} : { model_id: modelId },
    model_size_bytes: model.sizeBytes,
    model_uuid: modelId ?? crypto.randomUUID().replaceAll("-", ""),
    prompts: null,
    run_id: model.runId,
    ...model.hasInputExample ? { saved_input_example_info: exampleInfo } : {},
    signature: {
      inputs: signature.inputs ? toSchemaJson(signature.inputs, model) : null,
      outputs: signature.outputs
        ? toSchemaJson(signature.outputs, model)
        : null,
      params: null,
    },
    type_hint_from_example: false,
    utc_time_created: toPythonTime(model.createdMs),
  }, { forPython: true });
}

/**
 * Returns the three files from which MLflow's tools rebuild a Python environment,
 * keyed by name: `requirements.txt`, `conda.yaml` and `python_env.yaml`.
 */
export function toEnvironment(
  model: Pick<ModelDescription, "native" | "onnxVersion" | "mlflowVersion">,
): Record<string, string> {
  const { native, onnxVersion, mlflowVersion } = model;
  const requirements = [
    `mlflow==${mlflowVersion}`,
    "numpy",
    ...onnxVersion === undefined ? [] : [`onnx==${onnxVersion}`, "onnxruntime"],
    "pandas",
    ...native ? ["scipy", `${native.flavor}==${native.version}`] : [],
  ];
  return {
    "requirements.txt": requirements.join("\n"),
    "conda.yaml": toYaml({
      channels: ["conda-forge"],
      dependencies: [`python=${pythonVersion}`, "pip", { pip: requirements }],
      name: "mlflow-env",
    }, { forPython: true }),
    "python_env.yaml": toYaml({
      python: pythonVersion,
      build_dependencies: ["pip", "setuptools", "wheel"],
      dependencies: ["-r requirements.txt"],
    }, { forPython: true }),
  };
}

/**
 * Returns the two files of an input example, keyed by name, as MLflow saves a
 * pandas frame: the frame itself, and the body of a scoring request with it.
 *
 * @param columns The frame's columns, in order.
 * @param options `rows`: one value per column in each row; null if missing.
 */
export function toInputExample(
  columns: readonly string[],
  options: { rows: readonly (readonly unknown[])[] },
): Record<string, string> {
  const frame = { columns, data: options.rows };
  return {
    [exampleFile]: toPythonJson(frame),
    [servingExampleFile]: JSON.stringify({ dataframe_split: frame }, null, 2),
  };
}

/**
 * Returns the value of the run's tag `mlflow.log-model.history` with one model
 * added: MLflow 2.x uses it to find the models of a run.
 *
 * @param before The tag's current value; undefined if the run does not have it.
 */
export function toModelHistory(
  model: ModelDescription,
  before?: string,
): string {
  const known = v.parseJson(v.array(v.unknown()), before ?? "[]", {
    file: "the run's tag mlflow.log-model.history",
  });
  const flavor = model.native?.flavor ?? "onnx";
  const entry = {
    run_id: model.runId,
    artifact_path: model.artifactPath,
    utc_time_created: toPythonTime(model.createdMs),
    flavors: {
      python_function: { loader_module: `mlflow.${flavor}` },
      ...model.native ? { [flavor]: {} } : {},
      ...model.onnxVersion === undefined ? {} : { onnx: {} },
    },
  };
  return toPythonJson([...known, entry]);
}

/** Formats a time as Python prints a naive UTC `datetime`. */
function toPythonTime(timeMs: number): string {
  const iso = new Date(timeMs).toISOString();
  return iso.replace("T", " ").replace("Z", "000");
}

const exampleInfo = {
  artifact_path: exampleFile,
  pandas_orient: "split",
  serving_input_path: servingExampleFile,
  type: "dataframe",
};
