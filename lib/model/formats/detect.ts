/** Reads a model file in any supported format, which it detects from the bytes, not from the file name. */
import { InputError } from "../../base/errors.ts";
import type { Model } from "../ensemble.ts";
import { openJson } from "./json.ts";
import { isOnnx } from "../onnx/file.ts";
import { parseLightgbm } from "./lightgbm/model.ts";
import { openUbjson } from "./ubjson.ts";
import { describeUnreadable } from "./unreadable.ts";
import { readXgboost } from "./xgboost/model.ts";

/**
 * Reads a model file: XGBoost's UBJSON or JSON, or LightGBM's text.
 *
 * @throws {InputError} If the file has another format (with what to do about it), is corrupt, or contains an unsupported feature.
 */
export function parseModel(bytes: Uint8Array): Model {
  const start = String.fromCharCode(...bytes.subarray(0, 64));
  if (/^\{(?![\s"}])/.test(start)) return readXgboost(openUbjson(bytes));
  const isOtherJson =
    /^\s*\{\s*"(name|oblivious_trees|features_info|model_info)"/
      .test(start);
  if (/^\s*\{/.test(start) && !isOtherJson) {
    return readXgboost(openJson(bytes));
  }
  if (/^tree\r?\n/.test(start)) return parseLightgbm(bytes);
  throw new InputError(`Cannot read model: ${describeFile(start, bytes)}`);
}

function describeFile(start: string, bytes: Uint8Array): string {
  if (bytes.length === 0) return "the file is empty";
  const known = describeUnreadable(bytes);
  if (known !== undefined) return known;
  if (isOnnx(bytes)) {
    return "this is an ONNX graph, expected a model of XGBoost or LightGBM";
  }
  const shown = JSON.stringify(start.slice(0, 16));
  return `expected XGBoost's UBJSON or JSON, LightGBM's text or ONNX; the file starts with ${shown}`;
}
