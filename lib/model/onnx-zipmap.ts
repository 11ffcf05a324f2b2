/**
 * CatBoost and scikit-learn's converters end a classifier's graph with the
 * operator `ZipMap`, which turns the matrix of probabilities into a list of
 * maps that onnxruntime-web cannot hand out. This takes it off again.
 */
import {
  bytesField,
  concat,
  type Field,
  fieldsOf,
  integerField,
  textField,
} from "./protobuf.ts";

/** Numbers of ONNX's fields (onnx.proto): of a model, a graph, a node and a value. */
const graphField = 7;
const nodeField = 1;
const outputField = 12;
const nodeInput = 1;
const nodeOutput = 2;
const operator = 4;
const valueName = 1;

/** A graph, and the name of the matrix that `ZipMap` had zipped, where there was one. */
export interface Unzipped {
  readonly bytes: Uint8Array;
  readonly probabilities?: string;
}

/**
 * The graph without its `ZipMap`: in the place of the maps it gives the matrix
 * of probabilities, one column for each class. Any other graph, and bytes that
 * are none, come back as they are.
 */
export function withoutZipMap(bytes: Uint8Array): Unzipped {
  const model = fieldsOf(bytes);
  const graph = model?.find(({ number }) => number === graphField);
  const fields = graph && fieldsOf(graph.content);
  if (!model || !graph || !fields) return { bytes };
  const zip = fields.find((field) =>
    field.number === nodeField && textIn(field, operator) === "ZipMap"
  );
  const matrix = zip && textIn(zip, nodeInput);
  const maps = zip && textIn(zip, nodeOutput);
  if (!zip || !matrix || !maps) return { bytes };
  const parts = fields.filter((field) => field !== zip).map((field) =>
    field.number === outputField && textIn(field, valueName) === maps
      ? bytesField(outputField, floatMatrix(matrix))
      : field.bytes
  );
  const unzipped = bytesField(graphField, concat(parts));
  return {
    bytes: concat(
      model.map((field) => field === graph ? unzipped : field.bytes),
    ),
    probabilities: matrix,
  };
}

/** The first text of a number inside a message; undefined where there is none. */
function textIn(message: Field, number: number): string | undefined {
  const field = fieldsOf(message.content)?.find((field) =>
    field.number === number
  );
  return field && new TextDecoder().decode(field.content);
}

/** A `ValueInfoProto` of float32 and two open dimensions. */
function floatMatrix(name: string): Uint8Array {
  const shape = concat([
    bytesField(1, new Uint8Array()),
    bytesField(1, new Uint8Array()),
  ]);
  const tensor = concat([integerField(1, 1), bytesField(2, shape)]);
  return concat([
    textField(valueName, name),
    bytesField(2, bytesField(1, tensor)),
  ]);
}
