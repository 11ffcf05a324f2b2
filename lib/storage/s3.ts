/** The artifact store in S3 or a compatible service; the only importer of `npm:@aws-sdk/client-s3`. */
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  NoSuchKey,
  NotFound,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import {
  AwsAccessError,
  type AwsSettings,
  explainAwsError,
  withCredentials,
} from "../aws/client.ts";
import { TransientError, UsageError } from "../base/errors.ts";
import { free } from "../base/free.ts";
import { openCrc32, openCrc32c, openCrc64nvme } from "./crc.ts";
import { parseS3Uri } from "./s3-uri.ts";
import {
  type ArtifactStore,
  bytesAsFile,
  checkedPath,
  type FileWriter,
  type ListedFile,
  sortedByPath,
  type StoredFile,
  uriOf,
} from "./store.ts";

/**
 * Opens the objects below `s3://BUCKET/PREFIX`. Nothing connects until the first
 * call. Credentials come from the AWS SDK's default chain. Every request ends
 * within the limits; once the signal is aborted, all calls throw its reason.
 *
 * @throws {InputError} If the URI names no bucket.
 */
export function openS3(uri: string, settings: AwsSettings): ArtifactStore {
  const { bucket, prefix, root } = parseS3Uri(uri);
  const call = withCredentials((config) =>
    new S3Client({
      ...config,
      // The answer to `Expect: 100-continue` would be one more wait, and a new connection for every part.
      expectContinueHeader: false,
      forcePathStyle: settings.endpoint !== undefined,
    }), settings);
  const at = (path: string) => uriOf({ uri: root }, path);
  const keyOf = (path: string) =>
    prefix === "" ? checkedPath(path) : `${prefix}/${checkedPath(path)}`;
  const objectAt = (path: string) => ({ Bucket: bucket, Key: keyOf(path) });
  const failed = (error: unknown, what: string) => {
    settings.signal?.throwIfAborted();
    return explain(error, what, bucket);
  };
  const sendTo = (what: string): Send => (step) =>
    call(step).catch((error) => {
      throw failed(error, what);
    });
  /** Reads an object; undefined if there is none. */
  const readIfThere = async <T>(
    path: string,
    read: (send: Send, object: ObjectAddress) => Promise<T>,
  ): Promise<T | undefined> => {
    const send: Send = (step) =>
      call(step).catch((error) => {
        throw isAbsent(error) ? error : failed(error, `read ${at(path)}`);
      });
    try {
      return await read(send, objectAt(path));
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  };
  return {
    uri: root,
    find: (path) =>
      readIfThere(
        path,
        (send, object) => send((client) => readChecked(client, object)),
      ),
    open: (path) =>
      readIfThere(path, (send, object) => openObject(send, object, at(path))),
    async write(path, bytes) {
      const command = new PutObjectCommand({ ...objectAt(path), Body: bytes });
      await sendTo(`write ${at(path)}`)((client) => client.send(command));
    },
    create: (path) =>
      Promise.resolve(
        new ObjectWriter(objectAt(path), sendTo(`write ${at(path)}`)),
      ),
    async checkCreate(path) {
      // A HEAD request would not say what is wrong: its answer has no body.
      const command = new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: keyOf(path),
        MaxKeys: 1,
      });
      try {
        await sendTo(`write ${at(path)}`)((client) => client.send(command));
      } catch (error) {
        // It takes another permission than writing does.
        if (!(error instanceof AwsAccessError)) throw error;
      }
    },
    async list(below) {
      const start = below === ""
        ? (prefix && `${prefix}/`)
        : `${keyOf(below.replace(/\/$/, ""))}/`;
      const files = await sendTo(`list ${at(below)}`)((client) =>
        listObjects(client, bucket, start)
      );
      const cut = prefix === "" ? 0 : prefix.length + 1;
      return sortedByPath(
        files.map((file) => ({ ...file, path: file.path.slice(cut) })),
      );
    },
  };
}

/** Sends requests of one call, with the errors of this store. */
type Send = <T>(step: (client: S3Client) => Promise<T>) => Promise<T>;

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
  return await checkedBody(client, object, response);
}

/** Returns the body of a response that must hold the whole object; the errors are those of {@linkcode readChecked}. */
async function checkedBody(
  client: S3Client,
  object: ObjectAddress,
  response: GetObjectCommandOutput,
): Promise<Uint8Array<ArrayBuffer>> {
  const { ContentLength: length, ETag: etag, $metadata } = response;
  const bytes = await readBody(response);
  if (length !== undefined && bytes.length !== length) {
    throw new TransientError(
      `the response is truncated: expected ${length} bytes, found ${bytes.length}`,
    );
  }
  const isObject = $metadata.httpStatusCode === 200 ||
    $metadata.httpStatusCode === 206;
  if (!isObject || etag === undefined) {
    throw new TransientError(
      `the response is not an S3 object: expected HTTP 200 with an ETag, found HTTP ${$metadata.httpStatusCode} ${
        etag === undefined ? "without one" : "with one"
      }; check the endpoint and any proxies in front of it`,
    );
  }
  const expected = md5Of(response);
  if (expected !== undefined) {
    const found = createHash("md5").update(bytes).digest("hex");
    if (found !== expected) {
      throw new TransientError(
        `the content does not match the object: expected the MD5 ${expected} of its ETag, found ${found}`,
      );
    }
  }
  if (expected === undefined && !hasChecksum(response)) {
    await compareWithHead(client, object, { length: bytes.length, etag });
  }
  return bytes;
}

/** Bytes per request of a large object; a smaller object is read whole by the first request. */
const rangeBytes = 8 << 20;

/**
 * Opens an object. Its first bytes are read at once, so that a small object is
 * read and verified by one request. The others are read by ranges with
 * `If-Match`, and a whole stream is compared with the checksums of the object
 * that S3 has: of the whole object, and the MD5 of its ETag. S3 may have neither
 * (uploaded in parts); then the ETag of every range and the length must agree.
 */
async function openObject(
  send: Send,
  object: ObjectAddress,
  uri: string,
): Promise<StoredFile> {
  const opened = await send((client) => startReading(client, object));
  if (opened instanceof Uint8Array) return bytesAsFile(uri, opened);
  const { etag, size, head } = opened;
  const read = async (start: number, end: number) => {
    const last = Math.min(end, size) - 1;
    if (last < start) return new Uint8Array(0);
    return await send((client) =>
      readRange(client, object, { start, last, size, etag })
    );
  };
  return {
    uri,
    size,
    read,
    async *stream() {
      const checks = openChecks(head);
      let next = read(0, rangeBytes);
      for (let end = rangeBytes; next !== undefined; end += rangeBytes) {
        const bytes = await next;
        if (end < size) {
          next = read(end, end + rangeBytes);
          next.catch(() => {}); // reported when its turn comes
        }
        for (const check of checks) check.update(bytes);
        yield bytes;
        free(bytes);
        if (end >= size) break;
      }
      for (const { name, expected, digest } of checks) {
        const found = digest();
        if (found === expected) continue;
        throw new TransientError(
          `Cannot read ${uri}: the content does not match the object: expected the ${name} ${expected}, found ${found}`,
        );
      }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** An object that is read by ranges. */
interface LargeObject {
  readonly etag: string;
  readonly size: number;
  readonly head: HeadObjectCommandOutput;
}

/** Returns the bytes of a small object, or what the ranges of a large one must agree with. */
async function startReading(
  client: S3Client,
  object: ObjectAddress,
): Promise<Uint8Array<ArrayBuffer> | LargeObject> {
  const response = await client.send(
    new GetObjectCommand({
      ...object,
      Range: `bytes=0-${rangeBytes - 1}`,
      ChecksumMode: "ENABLED",
    }),
  ).catch((error: unknown) => {
    const isEmpty = error instanceof Error && error.name === "InvalidRange";
    if (!isEmpty) throw error;
    return undefined;
  });
  if (response === undefined) return await readChecked(client, object);
  const { ETag: etag, ContentRange: range = "" } = response;
  const size = Number(/^bytes 0-\d+\/(\d+)$/.exec(range)?.[1] ?? 0);
  if (size <= rangeBytes || etag === undefined) {
    return await checkedBody(client, object, response);
  }
  await response.Body?.transformToWebStream().cancel();
  const head = await client.send(
    new HeadObjectCommand({
      ...object,
      IfMatch: etag,
      ChecksumMode: "ENABLED",
    }),
  ).catch((error) => {
    throw asReplaced(error);
  });
  return { etag, size, head };
}

/** Returns the bytes from `start` to `last` of the version with this ETag. */
async function readRange(
  client: S3Client,
  object: ObjectAddress,
  { start, last, size, etag }: {
    start: number;
    last: number;
    size: number;
    etag: string;
  },
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await client.send(
    new GetObjectCommand({
      ...object,
      Range: `bytes=${start}-${last}`,
      IfMatch: etag,
    }),
  ).catch((error) => {
    throw asReplaced(error);
  });
  const bytes = await readBody(response);
  const isRange = bytes.length === last + 1 - start &&
    response.$metadata.httpStatusCode === 206 && response.ETag === etag &&
    response.ContentRange === `bytes ${start}-${last}/${size}`;
  if (isRange) return bytes;
  throw new TransientError(
    `expected the bytes ${start} to ${last} of ${size} with the ETag ${etag}, found ${bytes.length} bytes of ${response.ContentRange} with ${response.ETag}`,
  );
}

/** Bytes per part of a multipart upload. S3 allows 10,000 parts of at least 5 MiB, so an object may have 156 GiB. */
const partBytes = 16 << 20;

/** Writes an object: a small one by one request, a large one in parts that become an object only when the upload is completed. */
class ObjectWriter implements FileWriter {
  readonly #object: ObjectAddress;
  readonly #send: Send;
  #buffer = new Uint8Array(1 << 16);
  #used = 0;
  #upload: string | undefined;
  #finished = false;
  readonly #parts: CompletedPart[] = [];

  constructor(object: ObjectAddress, send: Send) {
    this.#object = object;
    this.#send = send;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const length = this.#used + bytes.length;
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(length, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, this.#used));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#used);
    this.#used = length;
    if (length >= partBytes) await this.#sendPart();
  }

  async #sendPart(): Promise<void> {
    this.#upload ??= await this.#send(async (client) => {
      const created = await client.send(
        new CreateMultipartUploadCommand(this.#object),
      );
      return created.UploadId;
    });
    const PartNumber = this.#parts.length + 1;
    const command = new UploadPartCommand({
      ...this.#object,
      UploadId: this.#upload,
      PartNumber,
      Body: this.#buffer.subarray(0, this.#used),
    });
    const part = await this.#send((client) => client.send(command));
    const { ETag, ChecksumCRC32 } = part;
    this.#parts.push({ PartNumber, ETag, ChecksumCRC32 });
    this.#used = 0;
  }

  async finish(): Promise<void> {
    if (this.#upload === undefined) {
      const command = new PutObjectCommand({
        ...this.#object,
        Body: this.#buffer.subarray(0, this.#used),
      });
      await this.#send((client) => client.send(command));
    } else {
      if (this.#used > 0) await this.#sendPart();
      const command = new CompleteMultipartUploadCommand({
        ...this.#object,
        UploadId: this.#upload,
        MultipartUpload: { Parts: this.#parts },
      });
      await this.#send((client) => client.send(command));
    }
    this.#finished = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#finished || this.#upload === undefined) return;
    const command = new AbortMultipartUploadCommand({
      ...this.#object,
      UploadId: this.#upload,
    });
    // If this fails too, the bucket's lifecycle rule removes the parts.
    await this.#send((client) => client.send(command)).catch(() => {});
  }
}

/** A checksum that is computed while an object is read. */
interface Check {
  readonly name: string;
  readonly expected: string;
  update(bytes: Uint8Array): void;
  digest(): string;
}

/** Returns the cheapest check of the whole object that its metadata allow, and the MD5 of its ETag if it is one. Checksums of S3 are base64; those of parts (`-N`) are not of the whole object. */
function openChecks(head: HeadObjectCommandOutput): Check[] {
  const checks: Check[] = [];
  const add = (
    name: string,
    expected: string | undefined,
    open: () => Pick<Check, "update" | "digest">,
  ) => {
    if (expected === undefined || /-\d+$/.test(expected)) return;
    checks.push({ name, expected, ...open() });
  };
  const hashed =
    (algorithm: string, encoding: "base64" | "hex" = "base64") => () => {
      const hash = createHash(algorithm);
      return {
        update: (bytes: Uint8Array) => void hash.update(bytes),
        digest: () => hash.digest(encoding),
      };
    };
  add("CRC-32", head.ChecksumCRC32, openCrc32);
  add("CRC-32C", head.ChecksumCRC32C, openCrc32c);
  add("CRC-64/NVME", head.ChecksumCRC64NVME, openCrc64nvme);
  add("SHA-1", head.ChecksumSHA1, hashed("sha1"));
  add("SHA-256", head.ChecksumSHA256, hashed("sha256"));
  add("MD5", md5Of(head), hashed("md5", "hex"));
  return checks;
}

/** Reads the body. If the length is known, reads into one array so that the body is in memory only once. */
async function readBody(
  { Body: body, ContentLength: length }: GetObjectCommandOutput,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const whole = new Uint8Array(length ?? 0);
  let received = 0;
  const stream: ReadableStream<Uint8Array> | undefined = body
    ?.transformToWebStream();
  for await (const chunk of stream ?? []) {
    if (length === undefined) chunks.push(new Uint8Array(chunk));
    else if (received + chunk.length <= length) whole.set(chunk, received);
    received += chunk.length;
    // The collector would keep 20 MB more of them. A part of a buffer may not be freed.
    if (chunk.length === chunk.buffer.byteLength) free(chunk);
  }
  if (length === undefined) return await new Blob(chunks).bytes();
  if (received > length) {
    throw new TransientError(
      `the response is too long: expected ${length} bytes, found ${received}`,
    );
  }
  return whole.subarray(0, received);
}

/**
 * Returns the MD5 in an ETag. Undefined for multipart objects (`-N`), objects
 * encrypted with a KMS key or a customer-provided key, and objects in directory
 * buckets, whose ETag is not an MD5
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html).
 */
function md5Of(
  response: GetObjectCommandOutput | HeadObjectCommandOutput,
): string | undefined {
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
      throw new TransientError(
        "the object was deleted while it was being read",
      );
    },
  );
  if (head.ContentLength === found.length && head.ETag === found.etag) return;
  throw new TransientError(
    `the content does not match the object: expected ${head.ContentLength} bytes with the ETag ${head.ETag}, found ${found.length} with ${found.etag}`,
  );
}

async function listObjects(
  client: S3Client,
  bucket: string,
  prefix: string,
): Promise<ListedFile[]> {
  const files: ListedFile[] = [];
  const request = { Bucket: bucket, Prefix: prefix };
  for await (const page of paginateListObjectsV2({ client }, request)) {
    for (
      const { Key: path, Size: size, ETag: version } of page.Contents ?? []
    ) {
      if (path === undefined || path.endsWith("/")) continue;
      files.push({ path, size, version });
    }
    // The SDK goes on as long as there is a token, whatever the page says.
    if (!page.IsTruncated) break;
    if (!page.NextContinuationToken) {
      throw new TransientError("a truncated listing has no continuation token");
    }
  }
  return files;
}

/** Returns the error of a request with `If-Match`: a transient one if the object is another one now, or none. A HEAD request has no body that names the reason. */
function asReplaced(error: unknown): unknown {
  const isReplaced = error instanceof NoSuchKey || error instanceof NotFound ||
    (error instanceof S3ServiceException &&
      error.$metadata.httpStatusCode === 412);
  return isReplaced
    ? new TransientError("the object was replaced or deleted while it was read")
    : error;
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
