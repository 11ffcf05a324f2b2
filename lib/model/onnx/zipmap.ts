/**
 * Removes the operator `ZipMap`, with which CatBoost and scikit-learn's
 * converters end a classifier's graph. It turns the matrix of probabilities into
 * a list of maps, which onnxruntime-web cannot return.
 */
import { fieldNumbers, labelsOf, readGraph } from "./nodes.ts";
import {
  bytesField,
  concat,
  fieldsOf,
  findString,
  integerField,
  stringField,
} from "./protobuf.ts";

/** A graph without `ZipMap`, and what the removed one specified. */
export interface Unzipped {
  readonly bytes: Uint8Array;
  readonly zipped?: {
    /** The name of the matrix of probabilities. */
    readonly name: string;
    /** The class of each column; undefined if the operator names none. */
    readonly classes: readonly string[] | undefined;
  };
}

/**
 * Returns the graph without its `ZipMap`: it outputs the matrix of
 * probabilities, one column per class, instead of the maps. Returns any other
 * bytes unchanged.
 */
export function withoutZipMap(bytes: Uint8Array): Unzipped {
  const zip = readGraph(bytes)?.nodes.find(({ op }) => op === "ZipMap");
  const [matrix] = zip?.inputs ?? [];
  const [maps] = zip?.outputs ?? [];
  const model = fieldsOf(bytes);
  const graph = model?.find(({ number }) =>
    number === fieldNumbers.model.graph
  );
  const fields = graph && fieldsOf(graph.content);
  if (!zip || !matrix || !maps || !model || !fields) return { bytes };
  const { output } = fieldNumbers.graph;
  const parts = fields.flatMap((field) => {
    if (sameBytes(field.bytes, zip.field.bytes)) return [];
    const isMaps = field.number === output &&
      findString(field.content, fieldNumbers.value.name) === maps;
    return [isMaps ? bytesField(output, floatMatrix(matrix)) : field.bytes];
  });
  const unzipped = bytesField(fieldNumbers.model.graph, concat(parts));
  return {
    bytes: concat(
      model.map((field) => field === graph ? unzipped : field.bytes),
    ),
    zipped: { name: matrix, classes: labelsOf(zip) },
  };
}

/** Returns whether two views of one file are the same. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteOffset === b.byteOffset && a.length === b.length;
}

/** Returns a `ValueInfoProto` of a float32 matrix with two open dimensions. */
function floatMatrix(name: string): Uint8Array {
  const shape = concat([
    bytesField(1, new Uint8Array()),
    bytesField(1, new Uint8Array()),
  ]);
  const tensor = concat([integerField(1, 1), bytesField(2, shape)]);
  return concat([
    stringField(fieldNumbers.value.name, name),
    bytesField(2, bytesField(1, tensor)),
  ]);
}
