/** Parses `s3://` URIs; separate from the client, so that the SDK is loaded only to read or write. */
import type { RequestLimits } from "../aws/limits.ts";
import { InputError } from "../base/errors.ts";

/** The region and endpoint of S3, and when a request ends without its result; a custom endpoint is addressed in path style. */
export interface S3Settings extends RequestLimits {
  readonly region: string;
  readonly endpoint?: string | undefined;
}

/** The location that an S3 URI names. */
export interface S3Location {
  readonly bucket: string;
  /** Without leading or trailing slashes; empty for the whole bucket. */
  readonly prefix: string;
  /** The same location as `s3://BUCKET/PREFIX`. */
  readonly root: string;
}

/**
 * Parses the bucket and prefix of an `s3://` URI; the prefix has no leading or trailing slash.
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
export function parseS3Uri(uri: string): S3Location {
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
