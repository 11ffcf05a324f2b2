/** Content digests, which decide whether two inputs, recipes or models are the same. */
import { createHash } from "node:crypto";
import { isObject } from "./objects.ts";

/**
 * Returns the SHA-256 of bytes, or of a text encoded as UTF-8, as 64 lower-case hex digits.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * // FIPS 180-2, appendix B.1
 * strictEqual(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
 * ```
 */
export function sha256(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Returns the SHA-256 of a stream's bytes, as {@linkcode sha256} does. */
export async function sha256OfStream(
  stream: AsyncIterable<Uint8Array>,
): Promise<string> {
  const hash = createHash("sha256");
  for await (const bytes of stream) hash.update(bytes);
  return hash.digest("hex");
}

/**
 * Returns the SHA-256 of plain data, independent of the order of its keys.
 * Undefined values count as absent.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(digestOf({ a: 1, b: [2] }), digestOf({ b: [2], a: 1, c: undefined }));
 * ```
 */
export function digestOf(value: unknown): string {
  return sha256(
    JSON.stringify(
      value,
      (_, item: unknown) => isObject(item) ? sortedByKey(item) : item,
    ),
  );
}

function sortedByKey(
  mapping: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(mapping).sort(([a], [b]) => a < b ? -1 : 1),
  );
}
