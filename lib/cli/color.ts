/** Colors what commands print in a terminal: the only file with escape codes for color. */
import { styleText } from "node:util";
import type { Environment } from "../config/environment.ts";

/**
 * Returns whether a stream is shown in color: a terminal is, unless `TERM` is
 * `dumb`; with `FORCE_COLOR` any stream is, with `FORCE_COLOR=0` none, and
 * `NO_COLOR` has the last word (https://no-color.org). An empty variable counts
 * as unset.
 */
export function hasColor(
  isTerminal: boolean,
  { NO_COLOR, FORCE_COLOR, TERM }: Environment,
): boolean {
  if (NO_COLOR) return false;
  if (FORCE_COLOR) return !/^(0|false)$/.test(FORCE_COLOR);
  return isTerminal && TERM !== "dumb";
}

type Style = Parameters<typeof styleText>[0];

function styled(style: Style, text: string): string {
  return styleText(style, text, { validateStream: false });
}

/** Returns text in bold. */
export function bold(text: string): string {
  return styled("bold", text);
}

/** The sign before a check or a remark. */
const signStyles: Readonly<Record<string, Style>> = {
  "✓": "green",
  "!": "yellow",
  "✗": "red",
  "–": "dim",
};

/** First words of a result, by what they say. */
const firstWords: readonly { readonly words: RegExp; readonly style: Style }[] =
  [
    { words: /^(Scored|Logged|Created)(?= )/, style: "green" },
    { words: /^Not scored(?= |:)/, style: "yellow" },
    { words: /^WARNING:/, style: "yellow" },
  ];

/** The severity after the name of a verdict of `monitor`. */
const severityStyles: Readonly<Record<string, Style>> = {
  ok: "green",
  warn: "yellow",
  fail: "red",
  unknown: "dim",
  "not-enough-data": "dim",
};

/**
 * Adds color to the text of a result: signs, the first word of a result, group
 * titles, names of tables, severities, and commands to paste. Changes no other
 * character. The text must have its control characters escaped.
 */
export function paintText(text: string): string {
  const lines = text.split("\n");
  return lines.map((line, index) => {
    const isTitle = /^[A-Z]\w+$/.test(line) &&
      /^ {2}[✓!✗–] /.test(lines[index + 1] ?? "");
    return isTitle ? bold(line) : paintLine(line);
  }).join("\n");
}

/**
 * Adds color to a message: `WARNING:`, the first word of a result, and commands to
 * paste.
 *
 * @param message One line.
 * @param options `isError`: colors what comes before the first colon, which names the command or the variant.
 */
export function paintMessage(
  message: string,
  { isError = false }: { isError?: boolean } = {},
): string {
  if (!isError) return paintLine(message);
  return paintCommands(
    message.replace(/^[^:`]+:/, (subject) => styled(["red", "bold"], subject)),
  );
}

function paintLine(line: string): string {
  const [, indent = "", sign = "", rest = ""] =
    /^( *)([✓!✗–])( .*)$/.exec(line) ?? [];
  const style = signStyles[sign];
  if (style !== undefined) {
    return `${indent}${styled(style, sign)}${paintCommands(rest)}`;
  }
  // A remedy, or a command on a line of its own.
  const [, before, command] = /^( +→ | {2,}(?=deno task ))(.+)$/.exec(line) ??
    [];
  if (command !== undefined) return `${before}${styled("cyan", command)}`;
  const [table] = /^\w+(?= +(table|view) )/.exec(line) ?? [];
  if (table !== undefined) return bold(table) + line.slice(table.length);
  const [, verdict, severity = "", reason = ""] =
    /^( {2}(?:data|drift|performance): )([\w-]+)(.*)$/.exec(line) ?? [];
  const severityStyle = severityStyles[severity];
  if (severityStyle !== undefined) {
    return `${verdict}${styled(severityStyle, severity)}${
      paintCommands(reason)
    }`;
  }
  for (const { words, style } of firstWords) {
    const [word] = words.exec(line) ?? [];
    if (word === undefined) continue;
    return `${styled(style, word)}${paintCommands(line.slice(word.length))}`;
  }
  return paintCommands(line);
}

/** Colors the commands in backticks. */
function paintCommands(text: string): string {
  return text.replace(
    /`(deno task [^`]+)`/g,
    (_, command: string) => `\`${styled("cyan", command)}\``,
  );
}
