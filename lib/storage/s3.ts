/** Artifacts in S3 or a compatible service: the only importer of `npm:@aws-sdk/client-s3`. */
import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  NotFound,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import {
  awsClientSettings,
  explainAwsError,
  withCredentials,
} from "../aws/client.ts";
import { TransientError, UsageError } from "../base/errors.ts";
import { parseS3Uri, type S3Settings } from "./s3-uri.ts";
import { type ArtifactStore, checkedPath, uriOf } from "./store.ts";

/**
 * Opens the objects below `s3://BUCKET/PREFIX`. Nothing connects until the first
 * call. Credentials come from the AWS SDK's default chain.
 *
 * @throws {InputError} If the URI names no bucket.
 */
export function openS3(uri: string, settings: S3Settings): ArtifactStore {
  const { bucket, prefix, root } = parseS3Uri(uri);
  const call = withCredentials(() =>
    new S3Client({
      ...awsClientSettings(settings.region, settings),
      ...(settings.endpoint === undefined
        ? {}
        : { endpoint: settings.endpoint, forcePathStyle: true }),
    })
  );
  const keyOf = (path: string) =>
    prefix === "" ? checkedPath(path) : `${prefix}/${checkedPath(path)}`;
  const at = (path: string) => uriOf({ uri: root }, path);
  return {
    uri: root,
    async find(path) {
      const object = { Bucket: bucket, Key: keyOf(path) };
      try {
        return await call((client) => readChecked(client, object));
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
      await call((client) => client.send(command)).catch((error) => {
        throw explain(error, `write ${at(path)}`, bucket);
      });
    },
    async list(below) {
      const start = below === ""
        ? (prefix && `${prefix}/`)
        : `${keyOf(below.replace(/\/$/, ""))}/`;
      const keys = await call((client) => listKeys(client, bucket, start))
        .catch((error) => {
          throw explain(error, `list ${at(below)}`, bucket);
        });
      const cut = prefix === "" ? 0 : prefix.length + 1;
      return keys.map((key) => key.slice(cut)).sort();
    },
  };
}

/** One object's address, as the SDK's commands take it. */
interface ObjectAddress {
  readonly Bucket: string;
  readonly Key: string;
}

/**
 * Returns the object's bytes from one GET, so that two versions never mix. Refuses
 * bytes that differ from the length, the checksum (the SDK compares it) or the MD5
 * that S3 sent with them. If S3 sent neither a checksum nor an MD5 of the whole
 * object, a HEAD request must return the same length and ETag.
 *
 * @throws {TransientError} If the bytes are not those of the object.
 */
async function readChecked(
  client: S3Client,
  object: ObjectAddress,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await client.send(
    new GetObjectCommand({ ...object, ChecksumMode: "ENABLED" }),
  );
  const { ContentLength: length, ETag: etag, $metadata } = response;
  const { bytes, md5 } = await readBody(response);
  if (length !== undefined && bytes.length !== length) {
    throw new TransientError(
      `the body was cut short: expected ${length} bytes, found ${bytes.length}`,
    );
  }
  if ($metadata.httpStatusCode !== 200 || etag === undefined) {
    throw new TransientError(
      `the answer is not an S3 object: expected HTTP 200 with an ETag, found HTTP ${$metadata.httpStatusCode} ${
        etag === undefined ? "without one" : "with one"
      }; check the endpoint and the proxies before it`,
    );
  }
  const expected = md5Of(response);
  if (expected !== undefined && expected !== md5) {
    throw new TransientError(
      `the bytes are not the object's: expected the MD5 ${expected} of its ETag, found ${md5}`,
    );
  }
  if (expected === undefined && !hasChecksum(response)) {
    await compareWithHead(client, object, { length: bytes.length, etag });
  }
  return bytes;
}

/** Reads the body and its MD5. If the length is known, reads into one array so that the body is in memory only once. */
async function readBody(
  { Body: body, ContentLength: length }: GetObjectCommandOutput,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; md5: string }> {
  const hash = createHash("md5");
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const whole = new Uint8Array(length ?? 0);
  let received = 0;
  const stream: ReadableStream<Uint8Array> | undefined = body
    ?.transformToWebStream();
  for await (const chunk of stream ?? []) {
    hash.update(chunk);
    if (length === undefined) chunks.push(new Uint8Array(chunk));
    else if (received + chunk.length <= length) whole.set(chunk, received);
    received += chunk.length;
  }
  const md5 = hash.digest("hex");
  if (length === undefined) {
    return { bytes: await new Blob(chunks).bytes(), md5 };
  }
  if (received > length) {
    throw new TransientError(
      `the body is too long: expected ${length} bytes, found ${received}`,
    );
  }
  return { bytes: whole.subarray(0, received), md5 };
}

/**
 * Returns the MD5 in an ETag. Undefined for multipart objects (`-N`), objects
 * encrypted with a KMS key or a customer-provided key, and objects in directory
 * buckets, whose ETag is not an MD5
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html).
 */
function md5Of(response: GetObjectCommandOutput): string | undefined {
  const { ServerSideEncryption: encryption, StorageClass: storage } = response;
  const isMd5 = response.SSECustomerAlgorithm === undefined &&
    !encryption?.startsWith("aws:kms") && storage !== "EXPRESS_ONEZONE";
  const [, digits] = /^"?([0-9a-f]{32})"?$/i.exec(response.ETag ?? "") ?? [];
  return isMd5 ? digits?.toLowerCase() : undefined;
}

/** Tells whether S3 sent a checksum of the whole object, which the SDK has compared. A checksum of the parts ends in `-N`. */
function hasChecksum(response: GetObjectCommandOutput): boolean {
  return [
    response.ChecksumCRC32,
    response.ChecksumCRC32C,
    response.ChecksumCRC64NVME,
    response.ChecksumSHA1,
    response.ChecksumSHA256,
  ].some((checksum) => checksum !== undefined && !/-\d+$/.test(checksum));
}

async function compareWithHead(
  client: S3Client,
  object: ObjectAddress,
  found: { length: number; etag: string },
): Promise<void> {
  const head = await client.send(new HeadObjectCommand(object)).catch(
    (error) => {
      if (!(error instanceof NotFound)) throw error;
      throw new TransientError("the object was deleted while it was read");
    },
  );
  if (head.ContentLength === found.length && head.ETag === found.etag) return;
  throw new TransientError(
    `the bytes are not the object's: expected ${head.ContentLength} bytes with the ETag ${head.ETag}, found ${found.length} with ${found.etag}`,
  );
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

/** Tells whether S3 itself answered that there is no such object; a 404 page from a proxy does not count. */
function isAbsent(error: unknown): boolean {
  return error instanceof NoSuchKey && error.$metadata.httpStatusCode === 404 &&
    !/html/i.test(error.$response?.headers["content-type"] ?? "");
}

function explain(error: unknown, what: string, bucket: string): Error {
  if ((error as Error).name === "NoSuchBucket") {
    return new UsageError(
      `Cannot ${what}: there is no bucket "${bucket}"; check MLFLOW_S3_BUCKET and the URI`,
    );
  }
  return explainAwsError(error, what);
}
