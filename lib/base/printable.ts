/**
 * Makes text from data, files and servers safe to print. GitHub's runner
 * executes a log line that begins with `::command::` (after white space) or
 * contains `##[command]` anywhere (`ActionCommand.cs` of actions/runner), and a
 * terminal interprets control characters.
 */

/** C0 and C1 controls, line and paragraph separators, and bidirectional formatting characters. */
const controls = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

const shortEscapes = new Map([["\n", "\\n"], ["\r", "\\r"], ["\t", "\\t"]]);

/**
 * Returns the text as one line, with control characters as JSON escapes.
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

/** Applies {@linkcode oneLine} to each line of a text and preserves its line breaks. */
export function manyLines(text: string): string {
  return text.split("\n").map(oneLine).join("\n");
}

/**
 * Returns the text with every control character as a JSON escape, so that the
 * result may also be used inside JSON text.
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
 * Returns the text without any command that GitHub's runner would execute. One
 * character of each command is replaced by its JSON escape, so JSON text has the
 * same meaning as before.
 */
export function withoutCommands(text: string): string {
  return text
    .replaceAll("##[", "#\\u0023[")
    .replace(/^((?:[^\S\r\n]|\u0085)*):(?=:)/gm, "$1\\u003a");
}

/**
 * Returns a text as inline Markdown that shows it: neither Markdown nor HTML finds
 * a link, an image, code, a tag or the border of a table's cell in it. Entities,
 * because a backslash would need escaping itself and would not prevent GitHub from
 * linking a URL.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(escapeMarkdown("[a](https://b)"), "&#91;a&#93;(https&#58;//b)");
 * ```
 */
export function escapeMarkdown(text: string): string {
  return text.replace(
    /[&<\\|[\]`]|:(?=\/\/)|\.(?<=www\.)/gi,
    (character) => `&#${character.charCodeAt(0)};`,
  );
}
