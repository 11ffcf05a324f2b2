/** Parses `s3://` URIs; separate from the client, so that the SDK is loaded only to read or write. */
import { InputError } from "../base/errors.ts";

/**
 * Parses the bucket and prefix of an `s3://` URI. The prefix has no leading or
 * trailing slash and is empty for the whole bucket; the root is the URI of both.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(parseS3Uri("s3://models/a/b/"), {
 *   bucket: "models",
 *   prefix: "a/b",
 *   root: "s3://models/a/b",
 * });
 * ```
 *
 * @throws {InputError} If it is not an `s3://` URI or names no bucket.
 */
export function parseS3Uri(
  uri: string,
): { bucket: string; prefix: string; root: string } {
  const parts = /^s3a?:\/\/([^/]+)(?:\/(.*))?$/.exec(uri);
  if (!parts) {
    throw new InputError(
      `Cannot use ${JSON.stringify(uri)}: expected s3://BUCKET/PREFIX`,
    );
  }
  const bucket = parts[1]!;
  const prefix = (parts[2] ?? "").replace(/^\/+|\/+$/g, "");
  const root = `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}`;
  return { bucket, prefix, root };
}
