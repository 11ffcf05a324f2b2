/** Shows checks as one screen of text and as JSON. */
import type { Outcome } from "../base/outcome.ts";
import { countOf } from "../base/phrases.ts";
import { oneLine } from "../base/printable.ts";
import { wrap } from "../base/wrap.ts";
import { type Check, exitCodeOf, groups, type State } from "./check.ts";

/** The sign of a state. */
const signs: Readonly<Record<State, string>> = {
  ok: "✓",
  warning: "!",
  wrong: "✗",
  unreachable: "✗",
  skipped: "–",
};

/** Lines are not longer, even in a wider terminal: longer ones are hard to read. */
const widest = 100;

/** Titles are aligned up to this width, in characters. */
const widestTitle = 30;

/**
 * Returns the outcome of checks: `status` is `ok`, `warnings`, `wrong` or
 * `unreachable`, and the exit code that of {@linkcode exitCodeOf}.
 *
 * @param options `columns`: the width of the terminal.
 */
export function describeChecks(
  checks: readonly Check[],
  { columns }: { columns: number },
): Outcome {
  const code = exitCodeOf(checks);
  const count = (wanted: State) =>
    checks.filter(({ state }) => state === wanted).length;
  const counts = {
    ok: count("ok"),
    warnings: count("warning"),
    wrong: count("wrong"),
    unreachable: count("unreachable"),
    skipped: count("skipped"),
  };
  const { ok, warnings, wrong, unreachable } = counts;
  const usual = warnings > 0 ? "warnings" : "ok";
  const status = code === 2 ? "wrong" : code === 75 ? "unreachable" : usual;
  const summary = [
    wrong > 0 && `${wrong} wrong`,
    unreachable > 0 && `${unreachable} unreachable`,
    warnings > 0 && countOf(warnings, "warning"),
    `${ok} ok`,
  ].filter(Boolean).join(", ");
  const width = Math.max(40, Math.min(columns, widest));
  return {
    report: { status, exit_code: code, ...counts, checks },
    text: [
      ...groups.flatMap((group) => {
        const own = checks.filter((check) => check.group === group);
        return own.length === 0
          ? []
          : [group, ...own.flatMap((check) => toLines(check, own, width)), ""];
      }),
      `${summary}. Nothing was changed.`,
    ].join("\n"),
    exitCode: code,
  };
}

/** Returns the lines of a check: sign, title and finding, and below it the remedy, indented alike. */
function toLines(
  { title, state, detail, remedy, hint }: Check,
  group: readonly Check[],
  width: number,
): string[] {
  const titleWidth = Math.min(
    widestTitle,
    Math.max(...group.map((check) => check.title.length)),
  );
  const indent = 4 + titleWidth + 2;
  const first = `  ${signs[state]} ${title.padEnd(titleWidth)}  `;
  const [begin = "", ...more] = wrap(oneLine(detail), width - indent);
  const head = first.length > indent
    ? [first.trimEnd(), `${" ".repeat(indent)}${begin}`]
    : [`${first}${begin}`];
  return [
    ...head,
    ...more.map((line) => `${" ".repeat(indent)}${line}`),
    ...state === "ok" || state === "skipped"
      ? []
      : toAdvice({ remedy, hint }, { indent, width }),
  ];
}

/** Returns the lines of a remedy, which is one line with an arrow so that it can be pasted, and of a hint. */
function toAdvice(
  { remedy, hint }: Pick<Check, "remedy" | "hint">,
  { indent, width }: { indent: number; width: number },
): string[] {
  const lines: string[] = [];
  if (remedy !== undefined) {
    const command = oneLine(remedy);
    const room = indent + 2 + command.length <= width ? indent : leastIndent;
    lines.push(`${" ".repeat(room)}→ ${command}`);
  }
  if (hint !== undefined) {
    const words = wrap(oneLine(hint), width - indent - 2);
    lines.push(
      ...words.map((line) => `${" ".repeat(indent + 2)}${line}`),
    );
  }
  return lines;
}

/** Indentation of a command that has no room below the title, in characters. */
const leastIndent = 6;
