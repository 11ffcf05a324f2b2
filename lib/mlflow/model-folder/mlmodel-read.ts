/**
 * Reads what an `MLmodel` file of any MLflow 2.x or 3.x says about scoring: which
 * files can be scored, and their inputs. A model that we cannot score as MLflow
 * would is refused with an error that says why.
 */
import { InputError } from "../../base/errors.ts";
import { parseYaml } from "../../base/yaml.ts";
import { toRecord, toText } from "../json.ts";
import { parseSchema, type Schema, type Signature } from "./signature.ts";

/** A native model file, and the Python class as which MLflow would load it. */
export interface NativeFile {
  readonly flavor: "xgboost" | "lightgbm";
  /** Path in the model's folder. */
  readonly file: string;
  /** `xgboost.core.Booster` scores with all rounds, `xgboost.sklearn.XGBClassifier` with its best iteration. */
  readonly modelClass: string;
}

/** The part of an `MLmodel` file that scoring needs. */
export interface ModelFile {
  readonly native: NativeFile | undefined;
  /** Path of the ONNX file in the model's folder. */
  readonly onnxFile: string | undefined;
  readonly signature: Signature;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly runId: string | undefined;
  readonly modelId: string | undefined;
  readonly mlflowVersion: string | undefined;
}

const loaders = ["mlflow.xgboost", "mlflow.lightgbm", "mlflow.onnx"];
const defaultClasses = {
  xgboost: "xgboost.core.Booster",
  lightgbm: "lightgbm.basic.Booster",
} as const;

/**
 * Parses the parts of an `MLmodel` file that scoring needs.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const text = "flavors: {xgboost: {data: model.ubj, model_class: xgboost.core.Booster}}";
 * deepStrictEqual(parseMLmodel(text, { file: "MLmodel" }).native, {
 *   flavor: "xgboost", file: "model.ubj", modelClass: "xgboost.core.Booster",
 * });
 * ```
 *
 * @param options `file`: the file's name, for errors.
 * @throws {InputError} If the text is not an MLmodel file, or none of its flavors can be scored here; the message names them.
 */
export function parseMLmodel(
  text: string,
  options: { file: string },
): ModelFile {
  const { file } = options;
  const model = toRecord(parseYaml(text, { file }));
  const flavors = toRecord(model?.["flavors"]);
  if (!model || !flavors) {
    throw new InputError(`Cannot use ${file}: it names no flavors`);
  }
  const metadata = toRecord(model["metadata"]) ?? {};
  if (String(metadata["mlflow.model.isExternal"]).toLowerCase() === "true") {
    throw new InputError(
      `Cannot score ${file}: it describes an external model, whose files MLflow does not hold`,
    );
  }
  checkFlavors(flavors, file);
  return {
    native: findNative(flavors, file),
    onnxFile: findFile(toRecord(flavors["onnx"]), file),
    signature: toSignature(toRecord(model["signature"])),
    metadata,
    runId: toText(model["run_id"]),
    modelId: toText(model["model_id"]),
    mlflowVersion: toText(model["mlflow_version"]),
  };
}

function checkFlavors(
  flavors: Readonly<Record<string, unknown>>,
  file: string,
): void {
  const names = Object.keys(flavors).sort();
  const loader = toText(
    toRecord(flavors["python_function"])?.["loader_module"],
  );
  const scorable = names.some((name) => loaders.includes(`mlflow.${name}`));
  if (scorable && (loader === undefined || loaders.includes(loader))) return;
  const found = names.map((name) =>
    name === "python_function" && loader !== undefined
      ? `python_function (loaded by ${loader})`
      : name
  ).join(", ");
  throw new InputError(
    `Cannot score ${file}: its flavors are ${
      found || "none"
    }, and only xgboost, lightgbm and onnx can be scored without Python; log it again with mlflow.xgboost.log_model or mlflow.onnx.log_model`,
  );
}

function findNative(
  flavors: Readonly<Record<string, unknown>>,
  file: string,
): NativeFile | undefined {
  for (const flavor of ["xgboost", "lightgbm"] as const) {
    const config = toRecord(flavors[flavor]);
    const data = findFile(config, file);
    if (!config || data === undefined) continue;
    const modelClass = toText(config["model_class"]) ?? defaultClasses[flavor];
    if (!modelClass.startsWith(`${flavor}.`)) {
      throw new InputError(
        `Cannot score ${file}: its ${flavor} model is of the class ${modelClass}, which is not one of ${flavor}'s own`,
      );
    }
    return { flavor, file: data, modelClass };
  }
  return undefined;
}

function findFile(
  config: Readonly<Record<string, unknown>> | undefined,
  file: string,
): string | undefined {
  const data = toText(config?.["data"]);
  if (!config) return undefined;
  const isInside = data !== undefined && !data.startsWith("/") &&
    !data.split(/[/\\]/).includes("..");
  if (isInside) return data;
  throw new InputError(
    `Cannot score ${file}: its model file ${
      JSON.stringify(data ?? null)
    } is no path inside the model's folder`,
  );
}

function toSignature(
  signature: Readonly<Record<string, unknown>> | undefined,
): Signature {
  const schema = (part: string): Schema | undefined => {
    const text = toText(signature?.[part]);
    return text === undefined ? undefined : parseSchema(text);
  };
  return { inputs: schema("inputs"), outputs: schema("outputs") };
}
