/** Pieces of HTML: every plain text goes through {@linkcode text}. */

const longestText = 200;

/**
 * Plain text made harmless for HTML, and cut where nobody would read on.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(text('<a href="x">'), "&lt;a href=&quot;x&quot;&gt;");
 * ```
 */
export function text(value: string): string {
  const short = value.length > longestText
    ? `${value.slice(0, longestText)}…`
    : value;
  return short.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** A table of cells that are HTML already; an empty head gives none. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join("")}</tr>`;
  return `<table>${head.length > 0 ? line(head, "th") : ""}${
    rows.map((cells) => line(cells, "td")).join("\n")
  }</table>`;
}

/** A list of plain texts; empty for none. */
export function list(items: readonly string[]): string {
  return items.length === 0
    ? ""
    : `<ul>${items.map((item) => `<li>${text(item)}</li>`).join("")}</ul>`;
}

/** A verdict, coloured by the class of its name. */
export function badge(severity: string): string {
  return `<b class="${text(severity)}">${text(severity)}</b>`;
}
