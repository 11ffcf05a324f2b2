/** Addresses in S3, apart from its client: the SDK is loaded only by who reads or writes. */
import { InputError } from "../base/errors.ts";

/** Where S3 is; an endpoint of one's own is addressed path style. */
export interface S3Settings {
  readonly region: string;
  readonly endpoint?: string | undefined;
  /** How long S3 may say nothing before a call is given up, in milliseconds; 30 seconds by default. */
  readonly silenceMs?: number | undefined;
}

/** What a URI of S3 names. */
export interface S3Place {
  readonly bucket: string;
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string;
  /** The same as `s3://BUCKET/PREFIX`. */
  readonly root: string;
}

/**
 * Bucket and prefix of an `s3://` URI; the prefix has no slash at its ends.
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
 * @throws {InputError} If it is no `s3://` URI or names no bucket.
 */
export function parseS3Uri(uri: string): S3Place {
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
