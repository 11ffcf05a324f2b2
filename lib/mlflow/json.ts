/** Writes JSON as MLflow does. */

/**
 * Returns the text that Python's `json.dumps` produces by default: a space after
 * each comma and colon, and ASCII only. MLflow compares and displays some of its
 * JSON as text, so ours must be identical.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(toPythonJson([{ name: "é", version: 1 }]), '[{"name": "\\u00e9", "version": 1}]');
 * ```
 *
 * @param value Any JSON value; keys with an undefined value are omitted.
 */
export function toPythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toPythonJson).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, item]) =>
      item !== undefined
    );
    return `{${
      entries.map(([key, item]) =>
        `${toPythonJson(key)}: ${toPythonJson(item)}`
      )
        .join(", ")
    }}`;
  }
  return (JSON.stringify(value) ?? "null").replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
