/**
 * Scores a file of any size in constant memory: this thread reads, hashes and
 * cuts blocks, worker threads encode and score them, and the results come back
 * in the order of the file.
 */
import { BufferPool } from "../rows/blocks.ts";
import { moveDown, RowError } from "../rows/row-error.ts";
import type { RowBlock, RowFile } from "../rows/row-file.ts";
import {
  type BlockOptions,
  type BlockReply,
  type BlockScores,
  fromSent,
  openBlockScorer,
  type SetAsideRow,
} from "./score-block.ts";
import type { Scorer } from "./scorer.ts";

/** The scores of one block at its place in the file. */
export interface PlacedScores extends BlockScores {
  /** Number of the block's first row in the file, from 1. */
  readonly firstRow: number;
  /** Number of each row with scores; undefined if no row was set aside and they count from `firstRow`. */
  readonly rowNumbers: Int32Array | undefined;
}

/** Options of {@linkcode scoreFile}. */
export interface ScoreFileOptions extends BlockOptions {
  /** Worker threads for a file of more than one block, at most. */
  readonly threads: number;
  /**
   * How long this thread waits for replies, in total, until it starts one more
   * worker thread, in milliseconds; 500 by default. It starts one only if it would
   * wait for twice as long in the rest of the file, because a thread takes 40 MB
   * and 0.3 s of CPU time.
   */
  readonly patienceMs?: number;
}

/** Blocks per worker thread that wait or are worked on; more would only use memory. */
const blocksPerThread = 2;

/**
 * Yields the scores of all blocks in the order of the file. A file of one block
 * is scored by this thread, and so is every file of a model that an ONNX runtime
 * scores.
 *
 * @throws {RowError} If a row cannot be used: the first one in the order of the file.
 * @throws {InputError} If the file cannot be read further, after the rows before.
 */
export async function* scoreFile(
  scorer: Pick<Scorer, "trees" | "predict">,
  file: RowFile,
  options: ScoreFileOptions,
): AsyncGenerator<PlacedScores, void, undefined> {
  const pool = new BufferPool();
  await using blocks = openBlocks(file.blocks(pool));
  const first = await blocks.next();
  const second = first && await blocks.next();
  const place = openPlaces(file.headerLines);
  if (second === undefined || scorer.trees === undefined) {
    await using here = openBlockScorer(scorer.predict, options);
    for (
      let block = first;
      block !== undefined;
      block = block === first ? second : await blocks.next()
    ) {
      const reply = await here.score(block);
      yield place(reply);
      if (reply.buffer) pool.give(reply.buffer);
    }
  } else {
    using workers = openWorkers(scorer.trees, {
      ...options,
      share: () => file.share(),
    });
    const pending = [workers.send(first!)];
    let block: RowBlock | undefined = second;
    while (pending.length > 0) {
      while (block !== undefined && pending.length < workers.capacity) {
        pending.push(workers.send(block));
        block = await blocks.next();
      }
      const reply = await workers.waitFor(pending.shift()!);
      if (reply.buffer) pool.give(reply.buffer);
      yield place(reply);
    }
  }
  blocks.check();
}

/** The blocks of a file. Disposal ends the reading of it. */
interface Blocks extends AsyncDisposable {
  /** Returns the next block; undefined at the end of the file, and where it cannot be read further. */
  next(): Promise<RowBlock | undefined>;
  /** Throws what ended the reading: after the errors of all rows before it. */
  check(): void;
}

function openBlocks(file: AsyncIterable<RowBlock>): Blocks {
  const blocks = file[Symbol.asyncIterator]();
  let failure: { error: unknown } | undefined;
  return {
    async next() {
      if (failure) return undefined;
      try {
        const { done, value } = await blocks.next();
        return done ? undefined : value;
      } catch (error) {
        failure = { error };
        return undefined;
      }
    },
    check() {
      if (failure) throw failure.error;
    },
    async [Symbol.asyncDispose]() {
      await blocks.return?.();
    },
  };
}

/** Returns a function that gives each block in turn its place in the file. */
function openPlaces(headerLines: number): (reply: BlockReply) => PlacedScores {
  let rows = 0;
  let lines = headerLines;
  return (reply) => {
    if ("error" in reply) throw fromSent(reply.error);
    if ("problem" in reply) {
      throw new RowError(moveDown(reply.problem, { rows, lines }));
    }
    const { scored } = reply;
    const setAside = scored.setAside.map(({ problem, row, text }) => ({
      problem: moveDown(problem, { rows, lines }),
      row: rows + row,
      text,
    }));
    const firstRow = rows + 1;
    const placed = {
      ...scored,
      firstRow,
      rowNumbers: toRowNumbers(scored.rows, { firstRow, setAside }),
      setAside,
    };
    rows += scored.rowsRead;
    lines += scored.linesRead;
    return placed;
  };
}

/** Returns the numbers of a block's other rows, if rows were set aside. */
function toRowNumbers(
  rows: number,
  { firstRow, setAside }: {
    firstRow: number;
    setAside: readonly SetAsideRow[];
  },
): Int32Array | undefined {
  if (setAside.length === 0) return undefined;
  const numbers = new Int32Array(rows);
  let next = firstRow;
  let aside = 0;
  for (let row = 0; row < rows; row++) {
    while (setAside[aside]?.row === next) {
      aside++;
      next++;
    }
    numbers[row] = next++;
  }
  return numbers;
}

// Taken when this module is loaded: onnxruntime-web replaces the global by Node's when it is first used.
const { Worker } = globalThis;

/** Worker threads that score blocks. There is one at first, and more if this thread has to wait for them. */
interface Workers extends Disposable {
  /** The number of blocks that may be sent before the first reply is awaited. */
  readonly capacity: number;
  /** Sends a block to the thread with the fewest waiting blocks. Its buffer is transferred. */
  send(block: RowBlock): Promise<BlockReply>;
  /** Waits for a reply. */
  waitFor(reply: Promise<BlockReply>): Promise<BlockReply>;
}

function openWorkers(
  model: Uint8Array<ArrayBuffer>,
  { threads, patienceMs = 500, share, features, setAside, bins }:
    & ScoreFileOptions
    & Pick<RowFile, "share">,
): Workers {
  const workers: ReturnType<typeof openWorker>[] = [];
  const start = () => {
    const worker = new Worker(import.meta.resolve("./worker.ts"), {
      type: "module",
    });
    worker.postMessage({ kind: "open", model, features, setAside, bins });
    workers.push(openWorker(worker));
  };
  let waitedMs = 0;
  let shareAtStart = share();
  start();
  return {
    get capacity() {
      return workers.length * blocksPerThread;
    },
    send(block) {
      const next = workers.reduce((best, worker) =>
        worker.waiting < best.waiting ? worker : best
      );
      return next.send(block);
    },
    async waitFor(reply) {
      // A thread that has just started is slow only for now.
      const isWarm = workers.every(({ hasReplied }) => hasReplied);
      if (!isWarm || workers.length >= threads) return await reply;
      const startMs = performance.now();
      const result = await reply;
      waitedMs += performance.now() - startMs;
      const read = share();
      const restMs = waitedMs / (read - shareAtStart) * (1 - read);
      if (waitedMs >= patienceMs && !(restMs < 2 * patienceMs)) {
        start();
        waitedMs = 0;
        shareAtStart = read;
      }
      return result;
    },
    [Symbol.dispose]() {
      for (const worker of workers) worker.terminate();
    },
  };
}

function openWorker(worker: Worker) {
  const waiting: PromiseWithResolvers<BlockReply>[] = [];
  /** Why the thread has ended: it answers nothing that is sent to it afterwards. */
  let failure: Error | undefined;
  let hasReplied = false;
  worker.onmessage = ({ data }: MessageEvent<BlockReply>) => {
    hasReplied = true;
    waiting.shift()?.resolve(data);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    failure = new Error(`a scoring thread failed: ${event.message}`);
    for (const { reject } of waiting.splice(0)) reject(failure);
  };
  return {
    get waiting() {
      return waiting.length;
    },
    get hasReplied() {
      return hasReplied;
    },
    send(block: RowBlock): Promise<BlockReply> {
      const reply = Promise.withResolvers<BlockReply>();
      reply.promise.catch(() => {}); // reported when its turn comes
      if (failure) {
        reply.reject(failure);
        return reply.promise;
      }
      waiting.push(reply);
      worker.postMessage(
        { kind: "block", block },
        "buffer" in block ? [block.buffer.buffer] : [],
      );
      return reply.promise;
    },
    terminate: () => worker.terminate(),
  };
}
