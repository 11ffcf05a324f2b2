/** Artifacts in S3 or what speaks its protocol: the owner of `npm:@aws-sdk/client-s3`. */
import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { awsClientSettings, explainAwsError } from "../aws.ts";
import { InputError, TransientError, UsageError } from "../errors.ts";
import { type ArtifactStore, checkedPath, uriOf } from "./store.ts";

/** Where S3 is; an endpoint of one's own is addressed path style. */
export interface S3Settings {
  readonly region: string;
  readonly endpoint?: string | undefined;
  /** How long S3 may say nothing before a call is given up, in milliseconds; 30 seconds by default. */
  readonly silenceMs?: number | undefined;
}

/**
 * The objects below `s3://BUCKET/PREFIX`. Nothing connects until the first
 * call. Credentials come from the AWS SDK's default chain.
 *
 * @throws {InputError} If the URI names no bucket.
 */
export function openS3(uri: string, settings: S3Settings): ArtifactStore {
  const { bucket, prefix } = parseS3Uri(uri);
  const client = new S3Client({
    ...awsClientSettings(settings.region, settings),
    ...(settings.endpoint === undefined
      ? {}
      : { endpoint: settings.endpoint, forcePathStyle: true }),
  });
  const root = `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}`;
  const keyOf = (path: string) =>
    prefix === "" ? checkedPath(path) : `${prefix}/${checkedPath(path)}`;
  const at = (path: string) => uriOf({ uri: root }, path);
  return {
    uri: root,
    async find(path) {
      const Key = keyOf(path);
      try {
        return await readWhole(
          await client.send(new GetObjectCommand({ Bucket: bucket, Key })),
        );
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw explain(error, `read ${at(path)}`, bucket);
      }
    },
    async write(path, bytes) {
      const command = new PutObjectCommand({
        Bucket: bucket,
        Key: keyOf(path),
        Body: bytes,
      });
      await client.send(command).catch((error) => {
        throw explain(error, `write ${at(path)}`, bucket);
      });
    },
    async list(below) {
      const start = below === ""
        ? (prefix && `${prefix}/`)
        : `${keyOf(below.replace(/\/$/, ""))}/`;
      const keys = await listKeys(client, bucket, start).catch((error) => {
        throw explain(error, `list ${at(below)}`, bucket);
      });
      const cut = prefix === "" ? 0 : prefix.length + 1;
      return keys.map((key) => key.slice(cut)).sort();
    },
  };
}

/**
 * Bucket and prefix of an `s3://` URI; the prefix has no slash at its ends.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(parseS3Uri("s3://models/a/b/"), { bucket: "models", prefix: "a/b" });
 * ```
 *
 * @throws {InputError} If it is no `s3://` URI or names no bucket.
 */
export function parseS3Uri(uri: string): { bucket: string; prefix: string } {
  const parts = /^s3a?:\/\/([^/]+)(?:\/(.*))?$/.exec(uri);
  if (!parts) {
    throw new InputError(
      `Cannot use ${JSON.stringify(uri)}: expected s3://BUCKET/PREFIX`,
    );
  }
  return {
    bucket: parts[1]!,
    prefix: (parts[2] ?? "").replace(/^\/+|\/+$/g, ""),
  };
}

/**
 * The whole body. The SDK's own retries end at the headers, and a body that
 * was cut short can come back as success, so its length is checked here.
 */
async function readWhole(
  response: GetObjectCommandOutput,
): Promise<Uint8Array<ArrayBuffer>> {
  const body = await response.Body?.transformToByteArray() ?? new Uint8Array();
  const { ContentLength: expected } = response;
  if (expected !== undefined && body.length !== expected) {
    throw new TransientError(
      `the body was cut short: ${body.length} of ${expected} bytes`,
    );
  }
  return new Uint8Array(body);
}

async function listKeys(
  client: S3Client,
  bucket: string,
  prefix: string,
): Promise<string[]> {
  const keys: string[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        ContinuationToken: token,
      }),
    );
    keys.push(
      ...(page.Contents ?? []).flatMap(({ Key }) =>
        Key === undefined || Key.endsWith("/") ? [] : [Key]
      ),
    );
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
    if (page.IsTruncated && token === undefined) {
      throw new TransientError("a truncated listing had no token");
    }
  } while (token !== undefined);
  return keys;
}

function isAbsent(error: unknown): boolean {
  return (error as Error).name === "NoSuchKey";
}

function explain(error: unknown, what: string, bucket: string): Error {
  if ((error as Error).name === "NoSuchBucket") {
    return new UsageError(
      `Cannot ${what}: there is no bucket "${bucket}"; check MLFLOW_S3_BUCKET and the URI`,
    );
  }
  return explainAwsError(error, what);
}
