/** Reads a model file in any supported format, which it detects from the bytes, not from the file name. */
import { InputError } from "../../base/errors.ts";
import type { Model } from "../ensemble.ts";
import { openJson } from "./json.ts";
import { parseLightgbm } from "./lightgbm/model.ts";
import { openUbjson } from "./ubjson.ts";
import { readXgboost } from "./xgboost/model.ts";

/**
 * Reads a model file: XGBoost's UBJSON or JSON, or LightGBM's text.
 *
 * @throws {InputError} If the file has another format (with what to do about it), is corrupt, or contains an unsupported feature.
 */
export function parseModel(bytes: Uint8Array): Model {
  const start = latin1(bytes.subarray(0, 64));
  if (/^\{(?![\s"}])/.test(start)) return readXgboost(openUbjson(bytes));
  if (/^\s*\{/.test(start)) return readXgboost(openJson(bytes));
  if (/^tree\r?\n/.test(start)) return parseLightgbm(bytes);
  throw new InputError(
    `Cannot read model: ${describeFile(start, bytes.length)}`,
  );
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** Unsupported formats: a test of the first bytes, as Latin-1, and what to do about each. */
const unsupported: readonly (readonly [(start: string) => boolean, string])[] =
  [
    [
      (start) => start.startsWith("binf"),
      "this is XGBoost's old binary format, which XGBoost itself cannot read since 3.1; load it with XGBoost 1.6 to 3.0 and save it as UBJSON: booster.save_model('model.ubj')",
    ],
    [
      (start) => isPickle(start),
      "this is a Python pickle, which is not loaded because it can run code; save the model itself: model.save_model('model.ubj')",
    ],
    [
      (start) => start.startsWith("\u001f\u008b"),
      "this is a gzip archive; unpack it first",
    ],
    [
      (start) => start.startsWith("PK\u0003") || start.startsWith("PK\u0005"),
      "this is a zip archive; unpack it first",
    ],
    [
      (start) => isOnnx(start),
      "this is an ONNX graph; log it from Python with mlflow.onnx.log_model, and predict scores that version",
    ],
    [
      (start) => /^\s*\[/.test(start),
      "this is a text dump (dump_model), which has no objective; save the model itself: booster.save_model('model.json')",
    ],
    [
      (start) => /^\s*<(\?xml|!doctype|html|Error)/i.test(start),
      "this is XML or HTML, possibly the error page of a failed download; download the model again",
    ],
    [
      (start) => start.startsWith("CBM1"),
      "this is a CatBoost model; export it to ONNX: model.save_model('model.onnx', format='onnx')",
    ],
  ];

/** Protocols 2 to 5 start with byte 128 and their number; 0 and 1 with an opcode such as `c` and a module name. */
function isPickle(start: string): boolean {
  if (start.startsWith("\u0080")) {
    return "\u0002\u0003\u0004\u0005".includes(start[1] ?? " ");
  }
  return /^(c[\w.]+\n|\(dp?|\(lp?)/.test(start);
}

/** A protobuf that starts with field 1 (`ir_version`), a small number, and another field of `ModelProto`. */
function isOnnx(start: string): boolean {
  const [tag = 0, version = 0, next = 0] = Array.from(
    start.slice(0, 3),
    (character) => character.charCodeAt(0),
  );
  return tag === 0x08 && version > 0 && version < 0x20 &&
    [0x12, 0x1a, 0x22, 0x2a, 0x32, 0x3a, 0x42].includes(next);
}

function describeFile(start: string, length: number): string {
  if (length === 0) return "the file is empty";
  const known = unsupported.find(([matches]) => matches(start));
  if (known) return known[1];
  const shown = JSON.stringify(start.slice(0, 16));
  return `expected XGBoost's UBJSON or JSON, or LightGBM's text; the file starts with ${shown}`;
}
