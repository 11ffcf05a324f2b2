/** Opens a native model for scoring, and scores one block of rows: what each thread does, and the messages between threads. */
import { InputError, messageOf } from "../base/errors.ts";
import { evaluate, type Model, openKernel, parseModel } from "../model/mod.ts";
import type { FeatureOptions, RowCounts } from "../rows/encode.ts";
import { ColumnFiles } from "../rows/column-files.ts";
import { encodeBlock, type RowBlock } from "../rows/row-file.ts";
import { type BadRow, RowError, type RowProblem } from "../rows/row-error.ts";
import type { PackedTexts } from "../rows/packed.ts";
import {
  type BatchBins,
  type BatchCounts,
  countBatch,
} from "../statistics/batch-profile.ts";

/** How a file's rows are encoded and scored. */
export interface BlockOptions {
  readonly features: FeatureOptions;
  /** Whether rows that cannot be used are set aside; otherwise the first one is an error. */
  readonly setAside: boolean;
  /** The bins in which the rows are counted; undefined if they are not. */
  readonly bins?: BatchBins | undefined;
}

/** A row that was set aside; plain data. */
export interface SetAsideRow {
  readonly problem: RowProblem;
  /** Number of the row, from 1; text that is not a row counts, too. */
  readonly row: number;
  /** The row as it stands in the file; undefined in formats that are not text. */
  readonly text: string | undefined;
}

/** The scores of one block; plain data. Rows and lines are counted from the block's first. */
export interface BlockScores {
  /** Rows with scores. */
  readonly rows: number;
  /** Rows × outputs. */
  readonly scores: Float32Array<ArrayBuffer>;
  /** The player id of each row; undefined when the variant has no id column. */
  readonly ids: PackedTexts | undefined;
  readonly counts: RowCounts;
  /** Undefined without bins. */
  readonly profile: BatchCounts | undefined;
  readonly setAside: readonly SetAsideRow[];
  /** Rows of the block, including those that were set aside. */
  readonly rowsRead: number;
  /** Lines of the block; 0 in formats without lines. */
  readonly linesRead: number;
}

/** Returns rows × outputs predictions for rows × features. */
export type Predict = (
  matrix: Float32Array,
  rows: number,
) => Float32Array | Promise<Float32Array>;

/**
 * Returns the scoring function of a native model's bytes.
 *
 * @throws {InputError} If the bytes are not a model that can be scored.
 */
export function openPredict(bytes: Uint8Array<ArrayBuffer>): Predict {
  return toPredict(parseModel(bytes));
}

/** Returns the scoring function of a model: the kernel for trees, the reference implementation for linear models, which need only one pass over a row. */
export function toPredict(
  model: Model,
): (matrix: Float32Array, rows: number) => Float32Array {
  if (model.kind === "linear") {
    return (matrix, rows) => evaluate(model, matrix, { rows }).predictions;
  }
  const kernel = openKernel(model);
  return (matrix, rows) => kernel.predict(matrix, rows);
}

/** Encodes and scores blocks, one at a time, with the same memory for each. */
export interface BlockScorer extends AsyncDisposable {
  /**
   * Returns the scores of a block, or the problem of its first row that cannot be used if `setAside` is false.
   *
   * @throws {InputError} If a file of columns is damaged.
   */
  score(block: RowBlock): Promise<BlockReply>;
}

/** Opens the scorer of a file's blocks. Disposal closes the files of columns that it has opened. */
export function openBlockScorer(
  predict: Predict,
  { features, setAside, bins }: BlockOptions,
): BlockScorer {
  let scratch: Float32Array<ArrayBuffer> | undefined;
  const columnFiles = new ColumnFiles(features.file);
  const scoreRows = async (block: RowBlock): Promise<BlockScores> => {
    const badRows: BadRow[] = [];
    const encoded = await encodeBlock(block, {
      ...features,
      columnFiles,
      onBadRow: setAside ? (row) => badRows.push(row) : undefined,
      scratch,
    });
    const { rows, matrix, ids, counts, rowsRead, linesRead } = encoded;
    scratch = new Float32Array(matrix.buffer);
    const predicted = rows === 0 ? [] : await predict(matrix, rows);
    // A copy, because a message transfers the whole buffer of an array.
    const scores = new Float32Array(predicted.length);
    scores.set(predicted);
    return {
      rows,
      scores,
      ids,
      counts,
      profile: bins && countBatch(bins, { rows, matrix, scores }),
      setAside: badRows.map(({ error, row, text }) => ({
        problem: error.problem,
        row,
        text,
      })),
      rowsRead,
      linesRead,
    };
  };
  return {
    async score(block) {
      const buffer = "buffer" in block ? block.buffer : undefined;
      try {
        return { buffer, scored: await scoreRows(block) };
      } catch (error) {
        if (!(error instanceof RowError)) throw error;
        return { buffer, problem: error.problem };
      }
    },
    [Symbol.asyncDispose]: () => columnFiles[Symbol.asyncDispose](),
  };
}

/** The first message to a worker. */
export interface OpenMessage extends BlockOptions {
  readonly kind: "open";
  /** The native model's bytes. */
  readonly model: Uint8Array<ArrayBuffer>;
}

/** A block for a worker; its buffer is transferred, and comes back with the reply. */
export interface BlockMessage {
  readonly kind: "block";
  readonly block: RowBlock;
}

/** An error as a message carries it. */
export interface SentError {
  readonly message: string;
  /** Whether the data or the model is to blame, not the program. */
  readonly isInput: boolean;
}

/** What becomes of a block: a worker's reply to each {@linkcode BlockMessage}, in order. */
export type BlockReply =
  & {
    /** Undefined for a block of a file of columns. */
    readonly buffer: Uint8Array<ArrayBuffer> | undefined;
  }
  & (
    | { readonly scored: BlockScores }
    | { readonly problem: RowProblem }
    | { readonly error: SentError }
  );

/** Returns an error in the form of a message. */
export function toSent(error: unknown): SentError {
  return {
    message: messageOf(error),
    isInput: error instanceof InputError,
  };
}

/** Returns the error of a message; the opposite of {@linkcode toSent}. */
export function fromSent({ message, isInput }: SentError): Error {
  return isInput ? new InputError(message) : new Error(message);
}
