/** JSON as MLflow writes it, and unknown JSON taken apart without trusting its shape. */

/**
 * The text that Python's `json.dumps` makes of a value by default: a space
 * behind each comma and colon, and ASCII only. MLflow compares and shows some
 * of its JSON as text, so ours is to be the same text.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(toPythonJson([{ name: "é", version: 1 }]), '[{"name": "\\u00e9", "version": 1}]');
 * ```
 *
 * @param value Anything that JSON can hold; keys whose value is undefined are left out.
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

/** The value as an object of unknown members; undefined when it is anything else, an array too. */
export function toRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : undefined;
}

/** The objects of an array; none when the value is no array. */
export function toRecords(value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value)) return [];
  return value.map(toRecord).filter((item) => item !== undefined);
}

/** The value as a text that is not empty; undefined when it is anything else. */
export function toText(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** `[{key, value}, …]`, as MLflow sends tags and params, as one object. */
export function toPairs(value: unknown): Record<string, string> {
  return Object.fromEntries(
    toRecords(value).flatMap(({ key, value }) =>
      typeof key === "string" ? [[key, String(value ?? "")]] : []
    ),
  );
}
