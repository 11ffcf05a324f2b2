/**
 * Reads what an `MLmodel` file of any MLflow 2.x or 3.x says about scoring: which
 * files can be scored, and their inputs. A model that we cannot score as MLflow
 * would is refused with an error that says why.
 */
import { InputError } from "../../base/errors.ts";
import { parseYaml } from "../../base/yaml.ts";
import * as v from "../../base/schema.ts";
import { parseSchema, type Schema, type Signature } from "./signature.ts";

/** The part of an `MLmodel` file that scoring needs. */
export interface ModelFile {
  /** Path of the native model file in the model's folder. */
  readonly nativeFile: string | undefined;
  /** Path of the ONNX file there. */
  readonly onnxFile: string | undefined;
  readonly signature: Signature;
  readonly metadata: Readonly<Record<string, unknown>>;
}

const mlmodel = v.object({
  flavors: v.record(v.unknown()),
  metadata: v.nullish(v.record(v.unknown())),
  signature: v.nullish(
    v.object({ inputs: v.nullish(v.string()), outputs: v.nullish(v.string()) }),
  ),
});

/** Flavors by name; only those that are scored are checked. */
type Flavors = Readonly<Record<string, unknown>>;

const modelFlavor = v.object({
  data: v.string(),
  model_class: v.nullish(v.string()),
});
const pythonFlavor = v.object({ loader_module: v.string() });

const loaders = ["mlflow.xgboost", "mlflow.lightgbm", "mlflow.onnx"];
const defaultClasses = {
  xgboost: "xgboost.core.Booster",
  lightgbm: "lightgbm.basic.Booster",
} as const;

/**
 * Parses the parts of an `MLmodel` file that scoring needs.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const text = "flavors: {xgboost: {data: model.ubj, model_class: xgboost.core.Booster}}";
 * strictEqual(parseMLmodel(text, { file: "MLmodel" }).nativeFile, "model.ubj");
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
  const { flavors, signature, ...model } = v.validate(
    mlmodel,
    parseYaml(text, { file }),
    { file },
  );
  const metadata = model.metadata ?? {};
  if (String(metadata["mlflow.model.isExternal"]).toLowerCase() === "true") {
    throw new InputError(
      `Cannot score ${file}: it describes an external model, whose files MLflow does not store`,
    );
  }
  checkFlavors(flavors, file);
  return {
    nativeFile: findNative(flavors, file),
    onnxFile: findFlavor(flavors, { name: "onnx", file })?.data,
    signature: {
      inputs: toSchema(signature?.inputs),
      outputs: toSchema(signature?.outputs),
    },
    metadata,
  };
}

function checkFlavors(flavors: Flavors, file: string): void {
  const names = Object.keys(flavors).sort();
  const loader = v.match(pythonFlavor, flavors["python_function"])
    ?.loader_module;
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

function findNative(flavors: Flavors, file: string): string | undefined {
  for (const flavor of ["xgboost", "lightgbm"] as const) {
    const found = findFlavor(flavors, { name: flavor, file });
    if (!found) continue;
    const modelClass = found.model_class ?? defaultClasses[flavor];
    if (!modelClass.startsWith(`${flavor}.`)) {
      throw new InputError(
        `Cannot score ${file}: its ${flavor} model has the class ${modelClass}, which is not one of ${flavor}'s own classes`,
      );
    }
    return found.data;
  }
  return undefined;
}

function findFlavor(
  flavors: Flavors,
  { name, file }: { name: string; file: string },
): v.InferOutput<typeof modelFlavor> | undefined {
  if (!flavors[name]) return undefined;
  const flavor = v.validate(modelFlavor, flavors[name], {
    file: `${file}, flavor ${name}`,
  });
  const { data } = flavor;
  const isInside = data !== "" && !data.startsWith("/") &&
    !data.split(/[/\\]/).includes("..");
  if (isInside) return flavor;
  throw new InputError(
    `Cannot score ${file}: its model file ${
      JSON.stringify(data)
    } is not a path inside the model's folder`,
  );
}

function toSchema(text: string | null | undefined): Schema | undefined {
  return text ? parseSchema(text) : undefined;
}
