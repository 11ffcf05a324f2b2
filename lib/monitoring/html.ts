/** Builds HTML fragments; every plain text is escaped by {@linkcode text}. */

const longestText = 200;

/**
 * Escapes plain text for HTML and truncates it to 200 characters.
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

/** Returns a table. Cells must already be HTML; without a head there is no header row. */
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

/** Returns an HTML list of plain texts; an empty string when there are none. */
export function list(items: readonly string[]): string {
  return items.length === 0
    ? ""
    : `<ul>${items.map((item) => `<li>${text(item)}</li>`).join("")}</ul>`;
}

/** Returns a verdict as HTML; its name is also its CSS class, which sets the colour. */
export function badge(severity: string): string {
  return `<b class="${text(severity)}">${text(severity)}</b>`;
}
