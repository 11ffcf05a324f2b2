/** Shows how far a long step is: as a bar that is redrawn in a terminal, or as a line now and then in a log. */
import type { Progress } from "../base/log.ts";
import { countOf, groupDigits } from "../base/phrases.ts";
import { oneLine } from "../base/printable.ts";

/** Where progress is shown. */
export interface Screen {
  /** Whether a line can be redrawn. */
  readonly isTerminal: boolean;
  /** Width in characters, asked for each time because windows change. */
  readonly columns: () => number;
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs: () => number;
  /** Writes text as it is, without a line break. */
  readonly write: (text: string) => void;
  /** Prints a message. */
  readonly print: (message: string) => void;
}

/** One bar at a time, and the messages around it. */
export interface ProgressDisplay {
  /** Begins a step. */
  begin(name: string): Progress;
  /** Removes the bar while something else is printed, and draws it again afterwards. */
  around(print: () => void): void;
}

/** A step that is done sooner shows no bar. */
const barAfterMs = 1_000;

/** Time between two drawings of the bar. */
const barEveryMs = 100;

/** Time between two lines in a log; a step that is done sooner has none. */
const lineEveryMs = 30_000;

const eraseLine = "\r\x1b[2K";

/** Returns a display that draws on a screen. */
export function openProgress(screen: Screen): ProgressDisplay {
  let drawn: string | undefined;
  const erase = () => {
    if (drawn !== undefined) screen.write(eraseLine);
  };
  const begin = (name: string): Progress => {
    const startMs = screen.nowMs();
    const everyMs = screen.isTerminal ? barEveryMs : lineEveryMs;
    let nextMs = startMs + (screen.isTerminal ? barAfterMs : lineEveryMs);
    let last = { share: 0, rows: 0 };
    const stateAt = (nowMs: number) => ({
      name: oneLine(name),
      seconds: (nowMs - startMs) / 1000,
      ...last,
    });
    return {
      update(share, rows) {
        last = { share: Math.min(1, Math.max(0, share)), rows };
        const nowMs = screen.nowMs();
        if (nowMs < nextMs) return;
        nextMs = nowMs + everyMs;
        if (!screen.isTerminal) return screen.print(toLine(stateAt(nowMs)));
        drawn = toBar(stateAt(nowMs), screen.columns());
        screen.write(`${eraseLine}${drawn}`);
      },
      end() {
        erase();
        drawn = undefined;
        const nowMs = screen.nowMs();
        if (screen.isTerminal || nowMs - startMs < lineEveryMs) return;
        screen.print(toLastLine(stateAt(nowMs)));
      },
    };
  };
  return {
    begin,
    around(print) {
      erase();
      print();
      if (drawn !== undefined) screen.write(drawn);
    },
  };
}

/** How far a step is. */
export interface ProgressState {
  readonly name: string;
  /** Part that is done, from 0 to 1. */
  readonly share: number;
  /** Rows so far. */
  readonly rows: number;
  /** Time since the step began. */
  readonly seconds: number;
}

const fewestCells = 8;
const mostCells = 24;
const nameLength = 28;

/**
 * Returns a bar of less than `columns` characters. In a narrow window the bar,
 * the rate and the rows are left out, in this order.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const state = { name: "week.csv", share: 0.5, rows: 680_000, seconds: 2 };
 * strictEqual(
 *   toBar(state, 80),
 *   "week.csv  ██████████░░░░░░░░░░░   50 %  680,000 rows  340,000 rows/s  0:02 left",
 * );
 * ```
 */
export function toBar(state: ProgressState, columns: number): string {
  const { share } = state;
  const name = shorten(state.name, nameLength);
  const percent = `${Math.floor(share * 100)} %`.padStart(5);
  const left = timeLeft(state);
  const { rows, rate } = countsOf(state);
  const full = [name, percent, rows, rate, left].join("  ");
  const cells = Math.min(mostCells, columns - 1 - full.length - 2);
  if (cells >= fewestCells) {
    const done = Math.floor(share * cells);
    const bar = "█".repeat(done) + "░".repeat(cells - done);
    return [name, bar, percent, rows, rate, left].join("  ");
  }
  const shorter = [
    full,
    [name, percent, rows, left].join("  "),
    [name, percent, left].join("  "),
    percent.trim(),
  ];
  return shorter.find((text) => text.length < columns) ?? "";
}

/** Returns a line for a log. */
function toLine(state: ProgressState): string {
  const { rows, rate } = countsOf(state);
  return `${state.name}: ${
    Math.floor(state.share * 100)
  } %, ${rows}, ${rate}, ${timeLeft(state)}`;
}

/** Returns the last line for a log. */
function toLastLine(state: ProgressState): string {
  const { rows, rate } = countsOf(state);
  return `${state.name}: ${rows} in ${toClock(state.seconds)}, ${rate}`;
}

function countsOf({ rows, seconds }: ProgressState) {
  const perSecond = seconds > 0 ? rows / seconds : 0;
  return {
    rows: countOf(rows, "row"),
    rate: `${groupDigits(toTwoDigits(perSecond))} rows/s`,
  };
}

/** Returns a rate as precise as it is. */
function toTwoDigits(value: number): number {
  return value < 100 ? Math.round(value) : Number(value.toPrecision(3));
}

function timeLeft({ share, seconds }: ProgressState): string {
  if (share === 0) return "-:-- left";
  return `${toClock(seconds * (1 - share) / share)} left`;
}

/** Returns a time as minutes and seconds, or hours, minutes and seconds. */
function toClock(time: number): string {
  const seconds = Math.round(time);
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes}:${two(seconds % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** Returns a name of at most `length` characters, without its middle. */
function shorten(name: string, length: number): string {
  const characters = [...name];
  if (characters.length <= length) return name;
  const start = Math.ceil((length - 1) / 2);
  const end = length - 1 - start;
  return `${characters.slice(0, start).join("")}…${
    characters.slice(-end).join("")
  }`;
}
