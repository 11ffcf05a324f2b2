/** Sends requests to one MLflow server: authentication, timeouts, and errors from responses. */
import {
  explainDeniedHost,
  InputError,
  messageOf,
  TransientError,
  UsageError,
} from "../base/errors.ts";
import { startRequest } from "../base/log.ts";
import * as v from "../base/schema.ts";

/** Where a server is, and the credentials for it. Credentials never appear in a message. */
export interface HttpSettings {
  /** `http://host:port` or `https://host/prefix`; a login in it is removed and used. */
  readonly uri: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Sent as `Authorization: Bearer`; takes precedence over the login. */
  readonly token?: string | undefined;
  /** Timeout of one request in milliseconds; 120 000 by default, as in MLflow's client. */
  readonly timeoutMs?: number | undefined;
  /** Receives one line per request: method, URL without query and login, status and time. */
  readonly trace?: ((message: string) => void) | undefined;
}

/** An MLflow server that returns JSON, and bytes for artifacts. */
export interface MlflowHttp {
  /** Scheme, host and prefix, without a login or a trailing slash. */
  readonly baseUrl: string;
  /**
   * Returns the JSON response of one call below `/api/2.0`; `{}` if it is empty.
   *
   * @throws {ApiError} If the server refuses the call, with MLflow's error code.
   * @throws {UsageError} If it refuses the credentials, or is not an MLflow server.
   * @throws {TransientError} If it cannot be reached, times out, or answers 429 or 5xx.
   */
  json(
    method: "GET" | "POST" | "PATCH" | "DELETE",
    path: string,
    data?: Readonly<Record<string, unknown>>,
  ): Promise<Record<string, unknown>>;
  /**
   * Returns the raw response to a request for any path below {@linkcode baseUrl},
   * sent with the credentials. The caller handles every status except those below.
   *
   * @throws {UsageError} On 401 and 403.
   * @throws {TransientError} If the server cannot be reached, or on 429 and 5xx.
   */
  send(
    path: string,
    init?: RequestInit & { timeoutMs?: number },
  ): Promise<Response>;
}

/** A call that the server refused. */
export class ApiError extends InputError {
  /** MLflow's error code, such as `RESOURCE_DOES_NOT_EXIST`. */
  readonly code: string;
  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}

/**
 * The login lacks the permission. A server with permissions enabled also answers
 * this for objects that do not exist, if the login may not read everything.
 */
export class ForbiddenError extends UsageError {}

/**
 * Opens the server at a URI without sending a request.
 *
 * @throws {UsageError} If the URI is not `http:` or `https:`.
 */
export function openHttp(settings: HttpSettings): MlflowHttp {
  const { timeoutMs = 120_000, trace } = settings;
  const { baseUrl, authorization } = parseSettings(settings);
  const send: MlflowHttp["send"] = async (path, init = {}) => {
    const { timeoutMs: ownTimeoutMs = timeoutMs, ...request } = init;
    const headers = new Headers(request.headers);
    if (authorization !== undefined) {
      headers.set("Authorization", authorization);
    }
    const method = request.method ?? "GET";
    const [pathOnly = ""] = path.split("?");
    const done = startRequest(`${method} ${baseUrl}${pathOnly}`, trace);
    try {
      const response = await fetch(`${baseUrl}${path}`, {
        ...request,
        headers,
        signal: AbortSignal.timeout(ownTimeoutMs),
      }).catch((error) => {
        done("no answer");
        throw error;
      });
      done(response.status);
      const call = `${method} ${pathOnly}`;
      await refuseStatus(response, { baseUrl, call });
      return response;
    } catch (error) {
      throw toReachable(error, { baseUrl, timeoutMs: ownTimeoutMs });
    }
  };
  return {
    baseUrl,
    send,
    async json(method, path, data = {}) {
      const isQuery = method === "GET";
      const query = isQuery ? toQuery(data) : "";
      const response = await send(`/api/2.0${path}${query}`, {
        method,
        ...isQuery ? {} : {
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(data),
        },
      });
      return await readJson(response, { baseUrl, call: `${method} ${path}` });
    },
  };
}

function parseSettings(
  settings: HttpSettings,
): { baseUrl: string; authorization: string | undefined } {
  const url = URL.parse(settings.uri);
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new UsageError(
      "Cannot use the tracking URI: expected http://HOST:PORT or https://HOST",
    );
  }
  const username = settings.username ?? decodeURIComponent(url.username);
  const password = settings.password ?? decodeURIComponent(url.password);
  const baseUrl = `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
  if (settings.token) {
    return { baseUrl, authorization: `Bearer ${settings.token}` };
  }
  if (username === "") return { baseUrl, authorization: undefined };
  const login = new TextEncoder().encode(`${username}:${password}`);
  return { baseUrl, authorization: `Basic ${login.toBase64()}` };
}

function toQuery(data: Readonly<Record<string, unknown>>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(data)) {
    if (value !== undefined) query.set(key, String(value));
  }
  return query.size === 0 ? "" : `?${query}`;
}

async function refuseStatus(
  response: Response,
  options: { baseUrl: string; call: string },
): Promise<void> {
  const { baseUrl, call } = options;
  const { status } = response;
  if (status !== 401 && status !== 403 && status !== 429 && status < 500) {
    return;
  }
  const said = await readWords(response);
  const start = `Cannot use the MLflow server at ${baseUrl}`;
  if (status === 401) {
    throw new UsageError(
      `${start}: it rejected the login (401); set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN`,
    );
  }
  if (status === 403 && /host header|dns rebinding/i.test(said)) {
    throw new UsageError(
      `${start}: it only accepts known host names (403); start it with \`mlflow server --allowed-hosts ${
        new URL(baseUrl).host
      }\``,
    );
  }
  if (status === 403) {
    throw new ForbiddenError(
      `${start}: ${call} was denied (403)${
        said && `: ${said}`
      }; the login lacks permission, or the requested object does not exist`,
    );
  }
  throw new TransientError(
    `${start}: it returned ${status}${said && `: ${said}`}`,
  );
}

function toReachable(
  error: unknown,
  options: { baseUrl: string; timeoutMs: number },
): Error {
  const { baseUrl, timeoutMs } = options;
  if (error instanceof UsageError || error instanceof TransientError) {
    return error;
  }
  const denied = explainDeniedHost(error);
  if (denied) return denied;
  const why = error instanceof DOMException && error.name === "TimeoutError"
    ? `no response within ${timeoutMs} ms`
    : messageOf(error);
  // Retrying does not make a certificate trusted.
  if (/invalid peer certificate|UnknownIssuer|CertNotValid/i.test(why)) {
    return new UsageError(
      `Cannot trust the MLflow server at ${baseUrl}: ${why}; set DENO_CERT to the PEM file of its certificate authority, or set DENO_TLS_CA_STORE=system`,
    );
  }
  return new TransientError(
    `Cannot reach the MLflow server at ${baseUrl}: ${why}`,
  );
}

async function readJson(
  response: Response,
  options: { baseUrl: string; call: string },
): Promise<Record<string, unknown>> {
  const { baseUrl, call } = options;
  const body = await response.text().catch((cause) => {
    throw new TransientError(
      `Cannot read the response of ${baseUrl} to ${call}`,
      { cause },
    );
  });
  const value = v.matchJson(anyAnswer, body.trim() || "{}");
  if (response.ok && value) return value;
  const { error_code: code, message } = v.match(refusal, value) ?? {};
  if (message?.includes("QueuePool limit")) {
    // SQLAlchemy's message, sent with status 400: the server has fewer connections than requests.
    throw new TransientError(
      `Cannot complete ${call} on ${baseUrl}: the server has no free database connection (its MLFLOW_SQLALCHEMYSTORE_POOL_SIZE may be too small)`,
    );
  }
  if (code !== undefined) {
    throw new ApiError(
      `Cannot complete ${call} on ${baseUrl}: ${firstLine(message ?? code)}`,
      code,
    );
  }
  if (response.status === 404) {
    throw new ApiError(
      `Cannot complete ${call}: the server at ${baseUrl} has no such endpoint; is it an MLflow server?`,
      "ENDPOINT_NOT_FOUND",
    );
  }
  throw new UsageError(
    `Cannot use ${baseUrl} as an MLflow server: ${call} returned ${response.status} without the JSON of MLflow`,
  );
}

async function readWords(response: Response): Promise<string> {
  const body = await response.text().catch(() => "");
  const message = v.matchJson(refusal, body)?.message ?? body;
  return message.trimStart().startsWith("<") ? "" : firstLine(message);
}

const anyAnswer = v.record(v.unknown());

/** What MLflow answers when it refuses a call. */
const refusal = v.object({
  error_code: v.optional(v.string()),
  message: v.optional(v.string()),
});

function firstLine(text: string): string {
  return (text.trim().split("\n")[0] ?? "").slice(0, 500);
}
