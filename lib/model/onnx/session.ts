/**
 * Scores ONNX graphs with onnxruntime-web: single-threaded WebAssembly that needs
 * neither native code nor network, and only permission to read `node_modules`.
 */
import * as ort from "onnxruntime-web/wasm";
import { InputError } from "../../base/errors.ts";
import { checkMatrix } from "../evaluate.ts";
import { rejectCycles } from "./cycles.ts";
import { checkOnnxSize } from "./file.ts";
import {
  type DeclaredInput,
  type GraphInputs,
  isFixed,
  readInputs,
  toFeeds,
} from "./inputs.ts";
import { readGraph } from "./nodes.ts";
import { describeOutput, type OutputFacts } from "./output.ts";
import { withoutZipMap } from "./zipmap.ts";

/** An open graph; dispose it to free its memory. */
export interface OnnxSession extends AsyncDisposable {
  /** What the graph reads. */
  readonly inputs: GraphInputs;
  /** The number of columns that the graph reads; undefined if it is open. */
  readonly features: number | undefined;
  /** The name of the output with the predictions. */
  readonly output: string;
  /** Predictions per row: the output's columns. */
  readonly outputs: number;
  /** The properties of the output. */
  readonly facts: OutputFacts;
  /**
   * Returns the predictions of rows, rows × outputs.
   *
   * @param matrix Row-major, rows × features; NaN is missing; strings are the codes of {@linkcode GraphInputs}' labels.
   * @throws {InputError} If the matrix or the output does not have this shape, an input cannot hold a value, or the graph fails.
   */
  predict(matrix: Float32Array, rows: number): Promise<Float32Array>;
}

/** Rows per call: enough to amortize the call, few enough to bound memory (16 MB at 256 features). */
const batchRows = 16_384;

/** Prints only fatal errors; all other errors are thrown. */
const fatal = 4;
const quiet = { logSeverityLevel: fatal } as const;

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

/**
 * Opens a `.onnx` file.
 *
 * The graph must read one matrix, rows × features, or one input per column. The
 * predictions are the float output named `probabilities` or `probability`, or
 * else the only float output. A `ZipMap` after it is removed (`zipmap.ts`). All
 * columns of the output are returned; the caller knows which one is churn.
 *
 * @throws {InputError} If the runtime cannot run the graph, or its inputs or outputs are not supported.
 */
export async function openOnnx(bytes: Uint8Array): Promise<OnnxSession> {
  checkOnnxSize(bytes.length);
  rejectCycles(bytes);
  const { bytes: unzipped, zipped } = withoutZipMap(bytes);
  const session = await create(unzipped);
  try {
    const graph = readGraph(unzipped);
    if (!graph) throw new InputError("Cannot open ONNX graph: it has no graph");
    const inputs = readInputs(declaredInputs(session), graph);
    const name = zipped?.name ?? findOutput(session);
    const facts = describeOutput(graph, { name, zipped: zipped?.classes });
    const features = inputs.kind === "matrix"
      ? inputs.features
      : inputs.columns.length;
    const score = async (matrix: Float32Array, rows: number) => {
      const feeds = toFeeds(inputs, { matrix, rows }).map((feed) =>
        [feed.name, new ort.Tensor(feed.type, feed.data, feed.dims)] as const
      );
      return await run(session, Object.fromEntries(feeds), name);
    };
    // The output for a row of zeros, or of first labels, shows its width, unless the graph fails for it.
    const first = features === undefined
      ? undefined
      : await score(new Float32Array(features), 1).catch(() => undefined);
    const outputs = first?.length ?? widthOf(session, name) ??
      facts.classes?.length ?? 1;
    return {
      inputs,
      features,
      output: name,
      outputs,
      facts,
      predict: (matrix, rows) =>
        predict(score, matrix, { rows, features, output: { name, outputs } }),
      [Symbol.asyncDispose]: () => session.release(),
    };
  } catch (error) {
    await session.release();
    throw error;
  }
}

function declaredInputs(session: ort.InferenceSession): DeclaredInput[] {
  return session.inputMetadata.map((input) =>
    input.isTensor
      ? { name: input.name, type: input.type, shape: input.shape }
      : { name: input.name, type: "not a tensor", shape: [] }
  );
}

/** Returns the number of columns in the output's shape, 1 for a vector; undefined if it is open. */
function widthOf(
  session: ort.InferenceSession,
  name: string,
): number | undefined {
  const output = session.outputMetadata.find((output) => output.name === name);
  const shape = output?.isTensor ? output.shape : [];
  if (shape.length === 1) return 1;
  const columns = shape.slice(1);
  if (columns.length === 0 || !columns.every(isFixed)) return undefined;
  return columns.reduce<number>((product, size) => product * Number(size), 1);
}

/** An open graph of `toColumnGraph` or `toFrameGraph`; dispose it to free its memory. */
export interface ColumnSession extends AsyncDisposable {
  /**
   * Returns the predictions of rows as users send them, rows × outputs.
   *
   * @param rows One cell per column, in the graph's order: number, string or boolean; missing is null.
   * @throws {InputError} If a row has a category that the graph rejects.
   */
  predict(rows: readonly (readonly unknown[])[]): Promise<Float32Array>;
}

/**
 * Opens a graph with one input per column, or one matrix of strings.
 *
 * @throws {InputError} If the runtime cannot run the graph.
 */
export async function openColumnGraph(
  bytes: Uint8Array,
): Promise<ColumnSession> {
  const session = await create(bytes);
  const output = findOutput(session);
  return {
    predict: (rows) =>
      inBatches(
        rows.length,
        (start, end) =>
          run(session, toCellFeeds(session, rows.slice(start, end)), output),
      ),
    [Symbol.asyncDispose]: () => session.release(),
  };
}

function toCellFeeds(
  session: ort.InferenceSession,
  rows: readonly (readonly unknown[])[],
): ort.InferenceSession.FeedsType {
  const inputs = session.inputMetadata;
  // A single input is a matrix of all columns, as MLflow feeds it.
  const isMatrix = inputs.length === 1;
  return Object.fromEntries(inputs.map((input, column) => {
    const type = input.isTensor ? input.type : "not a tensor";
    const cells = isMatrix ? rows.flat() : rows.map((row) => row[column]);
    const dims = isMatrix
      ? [rows.length, cells.length / rows.length]
      : [rows.length];
    return [input.name, toTensor(type, cells, dims)];
  }));
}

function toTensor(
  type: string,
  cells: readonly unknown[],
  dims: readonly number[],
): ort.Tensor {
  const numbers = () => cells.map((cell) => cell === null ? NaN : Number(cell));
  const present = () => {
    if (!cells.includes(null)) return numbers();
    throw new InputError(
      `Cannot score ONNX graph: missing value in a column of type ${type}, which does not support missing values`,
    );
  };
  switch (type) {
    case "string":
      return new ort.Tensor("string", cells.map(toPythonString), dims);
    case "float32":
      return new ort.Tensor("float32", Float32Array.from(numbers()), dims);
    case "float64":
      return new ort.Tensor("float64", Float64Array.from(numbers()), dims);
    case "int32":
      return new ort.Tensor("int32", Int32Array.from(present()), dims);
    case "int64": {
      const whole = BigInt64Array.from(present(), BigInt);
      return new ort.Tensor("int64", whole, dims);
    }
    case "bool":
      return new ort.Tensor("bool", present().map(Boolean), dims);
    default:
      throw new InputError(
        `Cannot score ONNX graph: an input is ${type}, expected numbers, booleans or strings`,
      );
  }
}

/** Formats a cell as Python's `str()` does. */
function toPythonString(cell: unknown): string {
  if (cell === null) return "nan";
  return typeof cell === "boolean" ? (cell ? "True" : "False") : String(cell);
}

async function create(bytes: Uint8Array): Promise<ort.InferenceSession> {
  try {
    return await ort.InferenceSession.create(bytes, {
      executionProviders: ["wasm"],
      logSeverityLevel: fatal,
    });
  } catch (cause) {
    throw new InputError("Cannot open ONNX graph", { cause });
  }
}

function findOutput(session: ort.InferenceSession): string {
  const floats = session.outputMetadata.filter((output) =>
    output.isTensor && (output.type === "float32" || output.type === "float64")
  );
  const named = floats.find(({ name }) => /^probabilit(y|ies)$/.test(name));
  const output = named ?? (floats.length === 1 ? floats[0] : undefined);
  if (output !== undefined) return output.name;
  throw new InputError(
    `Cannot score ONNX graph: cannot tell which of its outputs (${
      session.outputNames.join(", ")
    }) is the prediction; expected one float tensor, or one named probabilities; ` +
      `keep only that one: onnx.utils.extract_model("model.onnx", "one.onnx", [${
        session.inputNames.map((name) => JSON.stringify(name)).join(", ")
      }], ["NAME"])`,
  );
}

async function predict(
  score: (matrix: Float32Array, rows: number) => Promise<Float32Array>,
  matrix: Float32Array,
  { rows, features, output: { name, outputs } }: {
    rows: number;
    features: number | undefined;
    output: { name: string; outputs: number };
  },
): Promise<Float32Array> {
  const columns = features ?? (rows > 0 ? matrix.length / rows : 0);
  checkMatrix(matrix, { rows, features: columns });
  return await inBatches(rows, async (start, end) => {
    const size = end - start;
    const part = matrix.subarray(start * columns, end * columns);
    const values = await score(part, size);
    if (values.length === size * outputs) return values;
    throw new InputError(
      `Cannot score ONNX graph: output ${name} has ${values.length} values for ${size} rows, expected ${
        size * outputs
      } (${size} × ${outputs})`,
    );
  });
}

async function run(
  session: ort.InferenceSession,
  feeds: ort.InferenceSession.FeedsType,
  output: string,
): Promise<Float32Array> {
  let result: ort.Tensor | undefined;
  try {
    result = (await session.run(feeds, [output], quiet))[output];
  } catch (cause) {
    throw new InputError("Cannot score ONNX graph", { cause });
  }
  const values = result?.data;
  if (values instanceof Float32Array) return values.slice();
  if (values instanceof Float64Array) return Float32Array.from(values);
  throw new InputError(
    `Cannot score ONNX graph: output ${output} is ${result?.type} [${result?.dims}], expected float32`,
  );
}

/**
 * Scores rows in batches and returns all values in row order.
 *
 * @param score Scores the rows from `start` up to `end`.
 */
async function inBatches(
  rows: number,
  score: (start: number, end: number) => Promise<Float32Array>,
): Promise<Float32Array> {
  let result = new Float32Array(0);
  for (let start = 0; start < rows; start += batchRows) {
    const end = Math.min(rows, start + batchRows);
    const values = await score(start, end);
    const outputs = values.length / (end - start);
    if (start === 0) result = new Float32Array(rows * outputs);
    result.set(values, start * outputs);
  }
  return result;
}
