/**
 * Reads what an `MLmodel` file of any MLflow 2.x or 3.x says about scoring: which
 * files can be scored, and their inputs. A model that we cannot score as MLflow
 * would is refused with an error that says why.
 */
import { InputError } from "../../base/errors.ts";
import { parseYaml } from "../../base/yaml.ts";
import * as v from "../../base/schema.ts";
import type { Library } from "../../model/mod.ts";
import { parseSchema, type Schema, type Signature } from "./signature.ts";

/** A native model file. */
export interface NativeFile {
  /** MLflow's flavor, which has the library's name. */
  readonly flavor: Library;
  /** Path in the model's folder. */
  readonly file: string;
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

const mlmodel = v.object({
  flavors: v.record(v.unknown()),
  metadata: v.nullish(v.record(v.unknown())),
  signature: v.nullish(
    v.object({ inputs: v.nullish(v.string()), outputs: v.nullish(v.string()) }),
  ),
  // Scoring does not depend on these.
  run_id: v.fallback(v.optional(v.string()), undefined),
  model_id: v.fallback(v.optional(v.string()), undefined),
  mlflow_version: v.fallback(v.optional(v.string()), undefined),
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
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const text = "flavors: {xgboost: {data: model.ubj, model_class: xgboost.core.Booster}}";
 * deepStrictEqual(parseMLmodel(text, { file: "MLmodel" }).native, {
 *   flavor: "xgboost", file: "model.ubj",
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
    native: findNative(flavors, file),
    onnxFile: findFlavor(flavors, { name: "onnx", file })?.data,
    signature: {
      inputs: toSchema(signature?.inputs),
      outputs: toSchema(signature?.outputs),
    },
    metadata,
    runId: model.run_id,
    modelId: model.model_id,
    mlflowVersion: model.mlflow_version,
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

function findNative(flavors: Flavors, file: string): NativeFile | undefined {
  for (const flavor of ["xgboost", "lightgbm"] as const) {
    const found = findFlavor(flavors, { name: flavor, file });
    if (!found) continue;
    const modelClass = found.model_class ?? defaultClasses[flavor];
    if (!modelClass.startsWith(`${flavor}.`)) {
      throw new InputError(
        `Cannot score ${file}: its ${flavor} model has the class ${modelClass}, which is not one of ${flavor}'s own classes`,
      );
    }
    return { flavor, file: found.data };
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
