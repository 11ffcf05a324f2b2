/** Builds HTML fragments; every plain text is escaped by {@linkcode text}. */

/**
 * Escapes plain text for HTML and truncates it to `most` characters.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(text('<a href="x">'), "&lt;a href=&quot;x&quot;&gt;");
 * strictEqual(text("<abc>", 2), "&lt;a…");
 * ```
 */
export function text(value: string, most = 600): string {
  const short = value.length > most ? `${value.slice(0, most)}…` : value;
  return short.replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** Escapes a name, such as that of a column, and truncates it to 80 characters. */
export function name(value: string): string {
  return text(value, 80);
}

/** A table: its caption and column heads are plain text, its cells must already be HTML. */
export interface Table {
  readonly caption: string;
  readonly head: readonly string[];
  /** The first cell of a row is its header. */
  readonly rows: readonly (readonly string[])[];
  /** Number of columns at the left that contain text; the others contain numbers. Default 1. */
  readonly texts?: number;
}

/** Returns a table whose first column names the rows; only screen readers read its caption. */
export function table({ caption, head, rows, texts = 1 }: Table): string {
  const kind = (index: number) => index < texts ? "" : ' class="n"';
  const heads = head.map((each, index) =>
    `<th scope="col"${kind(index)}>${text(each)}</th>`
  );
  const lines = rows.map((cells) =>
    `<tr>${
      cells.map((cell, index) =>
        index === 0
          ? `<th scope="row">${cell}</th>`
          : `<td${kind(index)}>${cell}</td>`
      ).join("")
    }</tr>`
  );
  return `<table><caption class="unseen">${text(caption)}</caption><thead><tr>${
    heads.join("")
  }</tr></thead><tbody>${lines.join("\n")}</tbody></table>`;
}

/** Returns an HTML list of plain texts; an empty string when there are none. */
export function list(items: readonly string[]): string {
  return items.length === 0
    ? ""
    : `<ul>${items.map((item) => `<li>${text(item)}</li>`).join("")}</ul>`;
}

/** Returns names and their values, which must already be HTML. */
export function facts(pairs: readonly (readonly [string, string])[]): string {
  return `<dl>${
    pairs.map(([key, value]) => `<dt>${text(key)}</dt><dd>${value}</dd>`)
      .join("")
  }</dl>`;
}

/** Returns a part that is folded until a reader opens it; `content` must already be HTML. */
export function folded(summary: string, content: string): string {
  return `<details class="part"><summary>${summary}</summary>${content}</details>`;
}

/** Returns a text that only screen readers read. */
export function unseen(value: string): string {
  return `<span class="unseen">${text(value)}</span>`;
}

const symbols: Readonly<Record<string, string>> = {
  ok: "✓",
  warn: "!",
  fail: "✕",
};

/** Returns the symbol of a verdict, so that colour is not the only sign. */
export function symbolOf(severity: string): string {
  return symbols[severity] ?? "?";
}

/** Returns a verdict as HTML: a symbol, and its name, which is also its CSS class and sets the colour. */
export function badge(severity: string): string {
  return `<b class="badge ${text(severity)}"><span aria-hidden="true">${
    symbolOf(severity)
  }</span> ${text(severity.replaceAll("-", " "))}</b>`;
}
