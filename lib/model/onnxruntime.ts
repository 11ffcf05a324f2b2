/**
 * ONNX graphs scored by onnxruntime-web: WebAssembly inside `node_modules`, one
 * thread, no native code, no network, and no permission but reading that folder.
 */
import * as ort from "onnxruntime-web/wasm";
import { InputError } from "../errors.ts";
import { refuseCycles } from "./onnx-cycles.ts";
import { checkSeal } from "./onnx-seal.ts";
import { withoutZipMap } from "./onnx-zipmap.ts";

/** A graph that is ready to score; disposing it frees its memory. */
export interface OnnxSession extends AsyncDisposable {
  /** Columns that the graph says it reads; undefined where it leaves them open. */
  readonly features: number | undefined;
  /** The name of the output that the predictions come from. */
  readonly output: string;
  /**
   * The predictions of rows, rows × outputs.
   *
   * @param matrix Row-major, rows × features; NaN is missing.
   * @throws {InputError} If the matrix is not of that shape, or the graph gives something else.
   */
  predict(matrix: Float32Array, rows: number): Promise<Float32Array>;
}

/** Rows per call: enough to make the call itself cheap, few enough to stay small (16 MB at 256 features). */
const batchRows = 16_384;

/** Everything else that it would print is thrown as well. */
const fatal = 4;
const quiet = { logSeverityLevel: fatal } as const;

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

/**
 * A session for the bytes of a `.onnx` file.
 *
 * The graph must read one float32 matrix, rows × features. Of its outputs, a
 * float32 tensor named `probabilities` or `probability` is taken, otherwise the
 * only float32 tensor. The maps into which CatBoost and scikit-learn's
 * converters zip probabilities are unzipped. Where probabilities have two
 * columns, the prediction is the second: the positive class.
 *
 * @throws {InputError} If the bytes are no graph that this runtime can run, or ours and changed since, or its inputs or outputs are of another kind, by name.
 */
export async function openOnnx(bytes: Uint8Array): Promise<OnnxSession> {
  checkSeal(bytes);
  refuseCycles(bytes);
  const graph = withoutZipMap(bytes);
  const session = await create(graph.bytes);
  try {
    const input = findInput(session);
    const output = graph.probabilities ?? findOutput(session);
    const isProbability = graph.probabilities !== undefined ||
      output === "probabilities";
    return {
      features: input.features,
      output,
      predict: (matrix, rows) =>
        predict(session, matrix, { rows, input, output, isProbability }),
      [Symbol.asyncDispose]: () => session.release(),
    };
  } catch (error) {
    await session.release();
    throw error;
  }
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

/** The one matrix that a graph reads. */
interface Input {
  readonly name: string;
  readonly features: number | undefined;
}

function findInput(session: ort.InferenceSession): Input {
  const [input, ...others] = session.inputMetadata;
  if (input === undefined || others.length > 0) {
    throw new InputError(
      `Cannot score ONNX graph: it reads ${session.inputNames.length} inputs (${
        session.inputNames.join(", ")
      }), expected one float matrix, rows × features`,
    );
  }
  const shape = input.isTensor ? input.shape : [];
  const [rows, columns] = shape;
  const isOpen = typeof rows !== "number" || !isFixed(rows);
  if (
    !input.isTensor || input.type !== "float32" || shape.length !== 2 || !isOpen
  ) {
    const found = input.isTensor ? `${input.type} [${shape}]` : "no tensor";
    throw new InputError(
      `Cannot score ONNX graph: input ${input.name} is ${found}, expected float32 [rows, features]`,
    );
  }
  const features = typeof columns === "number" && isFixed(columns)
    ? columns
    : undefined;
  return { name: input.name, features };
}

/** False for an open dimension without a name, whose -1 onnxruntime-web gives as an unsigned number. */
function isFixed(size: number): boolean {
  return size > 0 && size !== 0xffff_ffff;
}

function findOutput(session: ort.InferenceSession): string {
  const floats = session.outputMetadata.filter((output) =>
    output.isTensor && output.type === "float32"
  );
  const named = floats.find(({ name }) => /^probabilit(y|ies)$/.test(name));
  const output = named ?? (floats.length === 1 ? floats[0] : undefined);
  if (output !== undefined) return output.name;
  throw new InputError(
    `Cannot score ONNX graph: of its outputs (${
      session.outputNames.join(", ")
    }) none is clearly the prediction; expected one float32 tensor, or one that is named probabilities`,
  );
}

async function predict(
  session: ort.InferenceSession,
  matrix: Float32Array,
  options: {
    rows: number;
    input: Input;
    output: string;
    isProbability: boolean;
  },
): Promise<Float32Array> {
  const { rows, input, output, isProbability } = options;
  const columns = input.features ?? (rows > 0 ? matrix.length / rows : 0);
  if (matrix.length !== rows * columns) {
    throw new InputError(
      `Cannot score ${rows} rows: the matrix has ${matrix.length} values, expected ${
        rows * columns
      } (${rows} × ${columns} features)`,
    );
  }
  const parts: Float32Array[] = [];
  for (let start = 0; start < rows; start += batchRows) {
    const size = Math.min(batchRows, rows - start);
    const part = matrix.subarray(start * columns, (start + size) * columns);
    const tensor = new ort.Tensor("float32", part, [size, columns]);
    const feeds = { [input.name]: tensor };
    parts.push(await run(session, feeds, { output, size, isProbability }));
  }
  return join(parts);
}

async function run(
  session: ort.InferenceSession,
  feeds: ort.InferenceSession.FeedsType,
  options: { output: string; size: number; isProbability: boolean },
): Promise<Float32Array> {
  const { output, size, isProbability } = options;
  let result: ort.Tensor | undefined;
  try {
    result = (await session.run(feeds, [output], quiet))[output];
  } catch (cause) {
    throw new InputError("Cannot score ONNX graph", { cause });
  }
  const values = result?.data;
  if (!(values instanceof Float32Array) || values.length % size !== 0) {
    throw new InputError(
      `Cannot score ONNX graph: output ${output} is ${result?.type} [${result?.dims}] for ${size} rows`,
    );
  }
  const isPair = isProbability && values.length === 2 * size;
  return isPair ? values.filter((_, i) => i % 2 === 1) : values.slice();
}

function join(parts: readonly Float32Array[]): Float32Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const result = new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
