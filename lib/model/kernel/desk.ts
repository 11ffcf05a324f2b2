/**
 * Desks: pieces of shared memory through which threads hand each other rows
 * and results. Nobody sends messages while scoring; a desk's mark says whose
 * turn it is.
 */
import type { Finish } from "./engine.ts";
import type { Layout } from "./layout.ts";

/** Whose turn it is: nobody serves the desk yet, it is free, the helper's, the owner's, or the helper has to leave. */
export const mark = { closed: 0, free: 1, work: 2, done: 3, stop: 4 } as const;

/** Places in a desk's state. */
export const field = { mark: 0, rows: 1, finish: 2 } as const;

/** What becomes of the margins, as a desk's state says it: by number. */
export const finishes: readonly Finish[] = ["margins", "logistic", "softmax"];

/** One piece of work. */
export interface Desk {
  /** See {@linkcode field}. */
  readonly state: Int32Array<SharedArrayBuffer>;
  /** As an engine's. */
  readonly input: Float32Array<SharedArrayBuffer>;
  readonly output:
    | Float32Array<SharedArrayBuffer>
    | Float64Array<SharedArrayBuffer>;
}

/** The one message that a helper gets: its model, and the desks that it serves in turn. */
export interface Order {
  readonly layout: Layout;
  readonly desks: readonly Desk[];
}

/** A desk that nobody serves yet. */
export function makeDesk(layout: Layout): Desk {
  const { rows, features, groups } = layout;
  const shared = (bytes: number) => new SharedArrayBuffer(bytes);
  return {
    state: new Int32Array(shared(12)),
    input: new Float32Array(shared(rows * features * 4)),
    output: layout.isWide
      ? new Float64Array(shared(rows * groups * 8))
      : new Float32Array(shared(rows * groups * 4)),
  };
}

/** Sets a desk's mark, and wakes who waits for it. */
export function setMark(desk: Desk, value: number): void {
  Atomics.store(desk.state, field.mark, value);
  Atomics.notify(desk.state, field.mark);
}

/**
 * The desk's mark, as soon as it is none of `values`.
 *
 * @param options `timeoutMs`: how long to wait; then the old mark is given back.
 */
export function awaitMark(
  desk: Desk,
  values: readonly number[],
  options: { timeoutMs?: number } = {},
): number {
  const { timeoutMs = Infinity } = options;
  for (;;) {
    const found = Atomics.load(desk.state, field.mark);
    if (!values.includes(found)) return found;
    const ended = Atomics.wait(desk.state, field.mark, found, timeoutMs);
    if (ended === "timed-out") return Atomics.load(desk.state, field.mark);
  }
}
