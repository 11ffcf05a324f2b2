/** Helpers for a kernel: threads that take chunks of rows off its hands. */
import {
  awaitMark,
  type Desk,
  field,
  finishes,
  makeDesk,
  mark,
  type Order,
  setMark,
} from "./desk.ts";
import type { Finish } from "./engine.ts";
import type { Layout } from "./layout.ts";

/** Rows that are scored together, and where their results go. */
export interface Chunk {
  readonly rows: number;
  readonly matrix: Float32Array;
  readonly into: Float32Array | Float64Array;
  readonly finish: Finish;
}

/** Threads that help. */
export interface Crew extends Disposable {
  /** Hands a chunk to a helper, if one has a free desk; false if none has. */
  take(chunk: Chunk): boolean;
  /** Waits for all chunks that were taken, and puts their results into place. */
  collect(): void;
}

/** Deno's own, before onnxruntime-web puts Node's in its place with its first session. */
const { Worker } = globalThis;

/** How long a helper may take for one chunk before it counts as lost. */
const patienceMs = 60_000;

/** Desks per helper: one to work on, and one to find next. */
const desksPerHelper = 2;

/** One helper, seen from its owner. */
interface Helper {
  readonly desks: readonly Desk[];
  /** Chunks given and not collected, oldest first, each on the desk after the one before. */
  readonly pending: Chunk[];
  /** Desk that gets the next chunk. */
  next: number;
}

/**
 * Starts threads that help with a layout. They need some 50 ms before they
 * take their first chunk; nobody waits for that.
 */
export function startCrew(layout: Layout, count: number): Crew {
  const helpers = Array.from({ length: count }, () => startHelper(layout));
  return {
    take: (chunk) => helpers.some((helper) => give(helper, chunk)),
    collect: () => helpers.forEach(finishAll),
    [Symbol.dispose]() {
      for (const { desks } of helpers) {
        for (const desk of desks) setMark(desk, mark.stop);
      }
    },
  };
}

function startHelper(layout: Layout): Helper {
  const desks = Array.from({ length: desksPerHelper }, () => makeDesk(layout));
  const worker = new Worker(import.meta.resolve("./helper.ts"), {
    type: "module",
  });
  // A thread that cannot start opens no desk, and the others score without it.
  worker.addEventListener("error", (event) => event.preventDefault());
  worker.postMessage({ layout, desks } satisfies Order);
  return { desks, pending: [], next: 0 };
}

function give(helper: Helper, chunk: Chunk): boolean {
  const { desks, pending } = helper;
  const desk = desks[helper.next];
  if (desk === undefined) return false;
  const found = Atomics.load(desk.state, field.mark);
  if (found === mark.closed || found === mark.work) return false;
  if (pending.length === desks.length) takeBack(helper);
  desk.input.set(chunk.matrix);
  desk.state[field.rows] = chunk.rows;
  desk.state[field.finish] = finishes.indexOf(chunk.finish);
  setMark(desk, mark.work);
  pending.push(chunk);
  helper.next = (helper.next + 1) % desks.length;
  return true;
}

/** Puts the results of the oldest pending chunk, which is done, into place. */
function takeBack({ desks, pending, next }: Helper): void {
  const desk = oldestDesk({ desks, pending, next });
  const chunk = pending.shift();
  if (chunk) chunk.into.set(desk.output.subarray(0, chunk.into.length));
}

function finishAll(helper: Helper): void {
  while (helper.pending.length > 0) {
    const found = awaitMark(oldestDesk(helper), [mark.work], {
      timeoutMs: patienceMs,
    });
    if (found !== mark.done) {
      throw new Error("Cannot score: a thread of the kernel does not answer");
    }
    takeBack(helper);
  }
}

function oldestDesk({ desks, pending, next }: Helper): Desk {
  const desk = desks[(next - pending.length + desks.length) % desks.length];
  if (desk === undefined) throw new RangeError("Cannot score without desks");
  return desk;
}
