/** The width of text in a terminal. */

/** Combining marks, variation selectors and joiners take no room. */
const zeroWidth = /[\p{Mn}\p{Me}\u200b-\u200d\ufe00-\ufe0f]/u;

/** Characters of East Asian scripts and emoji take two columns (Unicode, UAX 11, classes W and F). */
const doubleWidth =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1faff}\u{20000}-\u{3fffd}]/u;

const ascii = /^[\x20-\x7e]*$/;

/**
 * Returns how many columns of a terminal a line of text takes.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(displayWidth("é"), 1);
 * strictEqual(displayWidth("日本"), 4);
 * ```
 */
export function displayWidth(text: string): number {
  if (ascii.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += widthOf(character);
  return width;
}

function widthOf(character: string): number {
  if (zeroWidth.test(character)) return 0;
  return doubleWidth.test(character) ? 2 : 1;
}

/**
 * Returns text as wide as a column: with spaces after it, or before it if `right`
 * is true. With `cut`, a wider text ends in `…`; otherwise it stays as it is.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(fitWidth("ab", 4), "ab  ");
 * strictEqual(fitWidth("abcdef", 4, { cut: true }), "abc…");
 * ```
 */
export function fitWidth(
  text: string,
  width: number,
  { right = false, cut = false }: {
    right?: boolean | undefined;
    cut?: boolean | undefined;
  } = {},
): string {
  const shown = cut && displayWidth(text) > width
    ? `${cutTo(text, width - 1)}…`
    : text;
  const space = " ".repeat(Math.max(0, width - displayWidth(shown)));
  return right ? space + shown : shown + space;
}

function cutTo(text: string, width: number): string {
  let result = "";
  let used = 0;
  for (const character of text) {
    used += widthOf(character);
    if (used > width) break;
    result += character;
  }
  return result;
}
