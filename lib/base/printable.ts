/**
 * Text from data, files and servers, made fit to be printed. GitHub's runner
 * obeys a line of a log that begins with `::command::` (after white space) or
 * holds `##[command]` anywhere (`ActionCommand.cs` of actions/runner), and a
 * terminal obeys control characters.
 */

/** C0 and C1 controls, line and paragraph separators, and the marks that change the direction of text. */
const controls = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

const shortEscapes = new Map([["\n", "\\n"], ["\r", "\\r"], ["\t", "\\t"]]);

/**
 * The text in one line: control characters show as the escapes of JSON.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(oneLine("a\n::warning::b"), "a\\n::warning::b");
 * strictEqual(oneLine("::warning::b"), "\\u003a:warning::b");
 * ```
 */
export function oneLine(text: string): string {
  return withoutCommands(escapeControls(text));
}

/** The same for a text of several lines, whose line breaks stay. */
export function manyLines(text: string): string {
  return text.split("\n").map(oneLine).join("\n");
}

/**
 * The text with every control character as an escape of JSON, so that it also
 * may stand inside a JSON text.
 */
export function escapeControls(text: string): string {
  return text.replace(
    controls,
    (character) =>
      shortEscapes.get(character) ??
        `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * The text with nothing in it that GitHub's runner would obey. One character of
 * a command becomes its escape of JSON, so a JSON text keeps its meaning.
 */
export function withoutCommands(text: string): string {
  return text
    .replaceAll("##[", "#\\u0023[")
    .replace(/^((?:[^\S\r\n]|\u0085)*):(?=:)/gm, "$1\\u003a");
}
