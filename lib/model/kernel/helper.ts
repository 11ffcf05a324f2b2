/** A thread of its own that scores what it finds on its desks; `crew.ts` starts and ends it. */
import {
  awaitMark,
  type Desk,
  field,
  finishes,
  mark,
  type Order,
  setMark,
} from "./desk.ts";
import { startEngine } from "./engine.ts";

/** Serves the desks in turn until one of them says stop. */
function serve({ layout, desks }: Order): void {
  const engine = startEngine(layout);
  for (const desk of desks) open(desk);
  for (;;) {
    for (const desk of desks) {
      const found = awaitMark(desk, [mark.free, mark.done]);
      if (found === mark.stop) return;
      const rows = desk.state[field.rows] ?? 0;
      const finish = finishes[desk.state[field.finish] ?? 0] ?? "margins";
      engine.input.set(desk.input.subarray(0, rows * layout.features));
      engine.run(rows, finish);
      desk.output.set(engine.output.subarray(0, rows * layout.groups));
      setMark(desk, mark.done);
    }
  }
}

/** Unless the desk says stop already. */
function open({ state }: Desk): void {
  Atomics.compareExchange(state, field.mark, mark.closed, mark.free);
}

addEventListener("message", (event) => {
  serve((event as MessageEvent<Order>).data);
  close();
});
