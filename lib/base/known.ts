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
