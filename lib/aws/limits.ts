/** Limits on the time of every request to AWS, so that no wait is unbounded. By default the SDK waits for ever. */
import { Readable } from "node:stream";
import { startRequest } from "../base/log.ts";

/** When a request to AWS ends without its result. */
export interface RequestLimits {
  /** Longest time without data on an open connection, in milliseconds; 30 seconds by default. */
  readonly silenceMs?: number | undefined;
  /** Slowest transfer, in bytes per second; {@linkcode minimumBytesPerSecond} by default. */
  readonly bytesPerSecond?: number | undefined;
  /** Ends all calls at once; they throw its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Receives one line per request: method, URL without query, status and time. */
  readonly trace?: ((message: string) => void) | undefined;
}

/**
 * The slowest transfer that a request may have. It is a tenth of a slow mobile
 * connection, so only a broken path is slower, and it bounds a request for
 * 8 MiB at nine minutes.
 */
const minimumBytesPerSecond = 16 << 10;

/** Returns the longest time without data, in milliseconds. */
export function silenceOf({ silenceMs = 30_000 }: RequestLimits): number {
  return silenceMs;
}

/** The part of the SDK's HTTP handler that is limited; requests and responses are the SDK's. */
export interface RequestHandler {
  handle(
    request: HttpRequest,
    options?: RequestOptions,
  ): Promise<{ response: HttpResponse }>;
}

interface HttpRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number | undefined;
  readonly path: string;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
}

interface HttpResponse {
  readonly statusCode: number;
  body?: unknown;
}

interface RequestOptions {
  readonly abortSignal?: AbortSignal;
  /** Longest time until the response's headers, in milliseconds. */
  readonly requestTimeout?: number;
}

/**
 * Limits every request that a handler sends. The headers of the response must
 * arrive within twice `silenceMs`, because a silent connection is reported as
 * such, and the time that the request's body takes at the minimum rate. The body
 * of the response must then arrive at the minimum rate: in each window of
 * `silenceMs`, as many bytes as that rate gives. Time in which the caller does not
 * read does not count.
 *
 * @throws From then on `handle` and the bodies throw an error named `TimeoutError`, which the SDK retries.
 */
export function limitRequests(
  handler: RequestHandler,
  limits: RequestLimits,
): void {
  const { bytesPerSecond = minimumBytesPerSecond, signal, trace } = limits;
  const silenceMs = silenceOf(limits);
  const unlimited = handler.handle.bind(handler);
  handler.handle = async (request, options) => {
    const requestTimeout = 2 * silenceMs +
      1000 * sizeOf(request.body) / bytesPerSecond;
    const done = startRequest(describeRequest(request), trace);
    const { response } = await unlimited(request, {
      ...options,
      requestTimeout,
      ...(signal && { abortSignal: signal }),
    }).catch((error) => {
      done("no answer");
      throw worded(error, requestTimeout);
    });
    done(response.statusCode);
    if (response.body instanceof Readable) {
      response.body = limitBody(
        response.body,
        isCompletion(request)
          ? { bytes: Infinity, ms: 10 * silenceMs }
          : { bytes: bytesPerSecond * silenceMs / 1000, ms: silenceMs },
      );
    }
    return { response };
  };
}

/** Names a request without its query, which may sign it. */
function describeRequest(
  { method, protocol, hostname, port, path }: HttpRequest,
): string {
  const host = port === undefined ? hostname : `${hostname}:${port}`;
  return `${method} ${protocol}//${host}${path.split("?")[0]}`;
}

/** While S3 assembles the parts of an upload, which takes minutes, its response is one space after another. */
function isCompletion({ method, query }: HttpRequest): boolean {
  return method === "POST" && "uploadId" in query;
}

function sizeOf(body: unknown): number {
  if (typeof body === "string") return body.length;
  return body instanceof Uint8Array ? body.byteLength : 0;
}

/** Returns a body that fails if fewer than `bytes` arrive in a window of `ms`. */
function limitBody(
  body: Readable,
  window: { readonly bytes: number; readonly ms: number },
): Readable {
  const chunks: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]();
  let received = 0;
  let waitedMs = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  return new Readable({
    read() {
      const startMs = performance.now();
      timer = setTimeout(
        () => this.destroy(tooSlow(received, window.ms)),
        Math.max(0, window.ms - waitedMs),
      );
      chunks.next().then(({ done, value }) => {
        clearTimeout(timer);
        if (done) return this.push(null);
        received += value.length;
        waitedMs += performance.now() - startMs;
        if (received >= window.bytes) received = waitedMs = 0;
        this.push(value);
      }, (error) => this.destroy(error));
    },
    destroy(error, done) {
      clearTimeout(timer);
      body.destroy();
      done(error);
    },
  });
}

/** Words the SDK's error for headers that did not come in time; it names a setting that users do not have. */
function worded(error: unknown, timeoutMs: number): unknown {
  const isTimeout = error instanceof Error && error.name === "TimeoutError" &&
    error.message.includes("requestTimeout");
  if (isTimeout) {
    error.message = `the request timed out: no answer within ${
      timeoutMs / 1000
    } s`;
  }
  return error;
}

function tooSlow(received: number, ms: number): Error {
  const error = new Error(
    `the response timed out: it is too slow, ${received} bytes in ${
      ms / 1000
    } s`,
  );
  error.name = "TimeoutError";
  return error;
}
