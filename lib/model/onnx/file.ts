/** Reads what an ONNX file says about itself, before any runtime opens it. */
import { InputError } from "../../base/errors.ts";
import { fieldNumbers, opsetsOf, readGraph } from "./nodes.ts";
import {
  type Field,
  fieldsOf,
  findString,
  integersOf,
  scanIntegers,
} from "./protobuf.ts";

/** The facts in an ONNX file. */
export interface OnnxFile {
  /** The names in its metadata `feature_names`; empty if there are none. */
  readonly featureNames: readonly string[];
  /** The operator sets it uses, such as `ai.onnx 15`. */
  readonly opsets: readonly string[];
  /** The tool that wrote it, such as `skl2onnx 1.20.0`; empty if the file does not say. */
  readonly producer: string;
}

/** Protobuf, and so every ONNX runtime, cannot read larger files. */
const byteLimit = 2 ** 31 - 1;

/** Numbers of the fields in `ModelProto` that only this file reads. */
const producerName = 2;
const producerVersion = 3;

/** `TensorProto.DataLocation.EXTERNAL`. */
const external = 1n;

/**
 * Returns whether bytes begin like an ONNX file: a protobuf with field 1
 * (`ir_version`), a number from 3 (ONNX 1.0), and another field of `ModelProto`.
 */
export function isOnnx(bytes: Uint8Array): boolean {
  const [tag = 0, version = 0, next = 0] = bytes;
  return tag === 0x08 && version >= 3 && version < 0x20 &&
    [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42].includes(next);
}

/**
 * Returns the facts in an ONNX file.
 *
 * @throws {InputError} If it is truncated, larger than 2 GB, or stores its weights in other files.
 */
export function readOnnxFile(bytes: Uint8Array): OnnxFile {
  checkOnnxSize(bytes.length);
  const fields = fieldsOf(bytes);
  const graph = fields?.find(({ number }) =>
    number === fieldNumbers.model.graph
  );
  const inside = graph && fieldsOf(graph.content);
  if (fields && !graph) {
    throw new InputError(
      `Cannot read ONNX model: the file has no graph (${bytes.length} bytes); it is truncated, or another protobuf such as a Core ML model`,
    );
  }
  if (!fields || !inside) {
    throw new InputError(
      `Cannot read ONNX model: the file is truncated or damaged (${bytes.length} bytes); copy it again, and compare its size with the original's`,
    );
  }
  const weights = externalTensor(inside);
  if (weights !== undefined) {
    throw new InputError(
      `Cannot read ONNX model: it stores its weights in another file${
        weights === "" ? "" : ` (${weights})`
      }; save it as one file: ` +
        `onnx.save(onnx.load("model.onnx"), "one.onnx", save_as_external_data=False)`,
    );
  }
  return {
    featureNames: toNames(metadataOf(fields).get("feature_names")),
    opsets: opsetsOf(fields).map(({ domain, version }) =>
      `${domain} ${version}`
    ),
    producer: [producerName, producerVersion].map((number) =>
      findString(bytes, number) ?? ""
    ).join(" ").trim(),
  };
}

/** @throws {InputError} If a file is too large for ONNX runtimes; checked before it is read. */
export function checkOnnxSize(size: number): void {
  if (size <= byteLimit) return;
  throw new InputError(
    `Cannot read ONNX model: it has ${size} bytes, and ONNX files are limited to ${byteLimit} (2 GB, protobuf's limit); export a smaller model, with fewer or shallower trees`,
  );
}

/** Returns the location of the first tensor that is stored in another file: empty if the tensor does not say; undefined if there is none. */
function externalTensor(graph: readonly Field[]): string | undefined {
  const { graph: { initializer }, tensor, entry } = fieldNumbers;
  for (const { number, content } of graph) {
    if (number !== initializer) continue;
    // The tensor's data follows its other fields or precedes them; both are skipped without being copied.
    const fields = fieldsOf(content) ?? [];
    if (integersOf(fields, tensor.location)[0] !== external) continue;
    const location = fields.filter(({ number }) => number === externalData)
      .find(({ content }) => findString(content, entry.key) === "location");
    return location && findString(location.content, entry.value) || "";
  }
  return undefined;
}

/** Number of the field `TensorProto.external_data`. */
const externalData = 13;

/** Returns the entries of `metadata_props`. */
function metadataOf(fields: readonly Field[]): ReadonlyMap<string, string> {
  const { model, entry } = fieldNumbers;
  return new Map(
    fields.filter(({ number }) => number === model.metadata).map((
      { content },
    ) => [
      findString(content, entry.key) ?? "",
      findString(content, entry.value) ?? "",
    ]),
  );
}

/** Parses a JSON array of texts; returns none if the text is anything else. */
function toNames(text: string | undefined): string[] {
  if (text === undefined) return [];
  try {
    const names: unknown = JSON.parse(text);
    return Array.isArray(names) &&
        names.every((name) => typeof name === "string")
      ? names
      : [];
  } catch {
    return [];
  }
}

/** Operators with which a graph replaces missing values itself. */
const replacing = new Set(["Imputer", "IsNaN"]);

/**
 * Returns true if a graph has trees, and none of their nodes sends missing
 * values to its true branch, and nothing replaces them before. Some libraries
 * learn no other direction (CatBoost); skl2onnx 1.20 writes such a graph for a
 * forest that was trained with missing values, whatever its trees have learned.
 */
export function treesIgnoreMissing(bytes: Uint8Array): boolean {
  const nodes = readGraph(bytes)?.nodes ?? [];
  const trees = nodes.filter(({ op }) => op.startsWith("TreeEnsemble"));
  const knows = trees.some(({ attributes }) =>
    attributes.some(([name, content]) =>
      name === "nodes_missing_value_tracks_true" &&
      scanIntegers(content, fieldNumbers.attribute.integers).some(Boolean)
    )
  );
  return trees.length > 0 && !knows &&
    !nodes.some(({ op }) => replacing.has(op));
}
