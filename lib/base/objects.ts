/** Objects as plain data: fields by name. */

/** Tells whether a value is an object, which null and an array are not. */
export function isObject(
  value: unknown,
): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns the fields whose value is not undefined, in their order. */
export function knownFields<Value>(
  fields: Readonly<Record<string, Value | undefined>>,
): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(fields).filter((field): field is [string, Value] =>
      field[1] !== undefined
    ),
  );
}
