/** Writes JSON as MLflow does, and reads unknown JSON without assuming its structure. */

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

/** Returns the value as an object with unknown members; undefined if it is anything else, including an array. */
export function toRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : undefined;
}

/** Returns the objects in an array; none if the value is not an array. */
export function toRecords(value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value)) return [];
  return value.map(toRecord).filter((item) => item !== undefined);
}

/** Returns the value as a non-empty string; undefined if it is anything else. */
export function toText(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Converts `[{key, value}, …]`, the form in which MLflow sends tags and params, to one object. */
export function toPairs(value: unknown): Record<string, string> {
  return Object.fromEntries(
    toRecords(value).flatMap(({ key, value }) =>
      typeof key === "string" ? [[key, String(value ?? "")]] : []
    ),
  );
}
