/** The bar of a terminal and the lines of a log, on a screen with a clock of its own. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { openProgress, toBar } from "../../lib/cli/progress.ts";

/** A screen that records what is written. */
function openScreen(isTerminal: boolean) {
  const output: string[] = [];
  let nowMs = 0;
  const display = openProgress({
    isTerminal,
    columns: () => 80,
    nowMs: () => nowMs,
    write: (text) => output.push(text),
    print: (message) => output.push(`${message}\n`),
  });
  return {
    display,
    output,
    at(seconds: number) {
      nowMs = seconds * 1000;
    },
  };
}

const erase = "\r\x1b[2K";

Deno.test("the bar appears after a second, makes way for messages, and is erased at the end", () => {
  const { display, output, at } = openScreen(true);
  const progress = display.begin("week.csv");
  at(0.9);
  progress.update(0.1, 100);
  strictEqual(output.length, 0);
  at(2);
  progress.update(0.5, 1000);
  const [bar] = output.splice(0);
  match(
    bar!,
    /week\.csv {2}█+░+ {3}50 % {2}1,000 rows {2}500 rows\/s {2}0:02 left$/,
  );
  at(2.05);
  progress.update(0.6, 1100);
  strictEqual(output.length, 0);
  display.around(() => output.push("a message\n"));
  deepStrictEqual(output.splice(0), [
    erase,
    "a message\n",
    bar!.slice(erase.length),
  ]);
  progress.end();
  deepStrictEqual(output.splice(0), [erase]);
  display.around(() => output.push("another\n"));
  deepStrictEqual(output, ["another\n"]);
});

Deno.test("a log has a line every 30 seconds and one at the end; none for a short step", () => {
  const { display, output, at } = openScreen(false);
  const short = display.begin("short.csv");
  at(29);
  short.update(1, 10);
  short.end();
  strictEqual(output.length, 0);
  const progress = display.begin("week.csv");
  for (let seconds = 30; seconds <= 100; seconds++) {
    at(seconds);
    progress.update((seconds - 29) / 71, (seconds - 29) * 10_000);
  }
  progress.end();
  deepStrictEqual(output, [
    "week.csv: 42 %, 300,000 rows, 10,000 rows/s, 0:41 left\n",
    "week.csv: 84 %, 600,000 rows, 10,000 rows/s, 0:11 left\n",
    "week.csv: 710,000 rows in 1:11, 10,000 rows/s\n",
  ]);
});

Deno.test("the bar never fills its line, however narrow the window and long the name", () => {
  const state = {
    name: "w".repeat(300),
    share: 0.999,
    rows: 123_456_789,
    seconds: 90_000,
  };
  for (let columns = 1; columns < 200; columns++) {
    const bar = toBar(state, columns);
    ok(bar.length < columns, `${columns}: ${bar}`);
  }
  match(toBar(state, 200), /^w+…w+ {2}█{23}░ {2} 99 % /);
  strictEqual(
    toBar({ ...state, share: 0, name: "a\nb" }, 200).includes("-:-- left"),
    true,
  );
});
