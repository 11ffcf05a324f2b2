/**
 * CatBoost and scikit-learn's converters end a classifier's graph with the
 * operator `ZipMap`, which turns the matrix of probabilities into a list of
 * maps that onnxruntime-web cannot hand out. This takes it off again.
 */
import { fieldNumbers, labelsOf, readGraph } from "./nodes.ts";
import {
  bytesField,
  concat,
  fieldsOf,
  findText,
  integerField,
  textField,
} from "./protobuf.ts";

/** A graph, and what its `ZipMap` said, where it had one. */
export interface Unzipped {
  readonly bytes: Uint8Array;
  readonly zipped?: {
    /** The name of the matrix of probabilities. */
    readonly name: string;
    /** The class of each of its columns; undefined where the operator names none. */
    readonly classes: readonly string[] | undefined;
  };
}

/**
 * The graph without its `ZipMap`: in the place of the maps it gives the matrix
 * of probabilities, one column for each class. Any other graph, and bytes that
 * are none, come back as they are.
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
      findText(field.content, fieldNumbers.value.name) === maps;
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

/** Whether two parts of one file are the same part. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteOffset === b.byteOffset && a.length === b.length;
}

/** A `ValueInfoProto` of float32 and two open dimensions. */
function floatMatrix(name: string): Uint8Array {
  const shape = concat([
    bytesField(1, new Uint8Array()),
    bytesField(1, new Uint8Array()),
  ]);
  const tensor = concat([integerField(1, 1), bytesField(2, shape)]);
  return concat([
    textField(fieldNumbers.value.name, name),
    bytesField(2, bytesField(1, tensor)),
  ]);
}
