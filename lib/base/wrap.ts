/** Breaks text into lines. */

/**
 * Returns text as lines of at most `width` characters, broken at spaces; a longer
 * word has a line of its own.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(wrap("score this period only", 12), ["score this", "period only"]);
 * ```
 */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) {
      lines.push(word);
    } else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
