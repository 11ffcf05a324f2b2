/** Shared by all AWS clients: settings, credentials, and the classification of errors. */
import {
  explainDeniedHost,
  InputError,
  TransientError,
  UsageError,
} from "../base/errors.ts";
import { settledOrAborted, withinTime } from "../base/abortable.ts";
import { announceSecret } from "../base/redact.ts";
import {
  limitRequests,
  type RequestHandler,
  type RequestLimits,
  silenceOf,
} from "./limits.ts";

/** Where a service of AWS is, and when a request to it ends without its result. */
export interface AwsSettings extends RequestLimits {
  readonly region: string;
  /** Undefined for AWS itself. */
  readonly endpoint?: string | undefined;
}

/** Returns what every client is created with. The SDK makes up to three attempts within each of our own. */
function toClientSettings(settings: AwsSettings) {
  const { region, endpoint } = settings;
  return {
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    ignoreCache: true, // of the credential chain: files of credentials may have been renewed
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: 5_000,
      socketTimeout: silenceOf(settings),
      throwOnRequestTimeout: true, // otherwise the SDK only warns
    },
  };
}

/** The parts of every AWS client that are needed here. */
interface AwsClient {
  readonly config: {
    readonly credentials: () => Promise<
      { readonly secretAccessKey: string; readonly sessionToken?: string }
    >;
    readonly requestHandler: RequestHandler;
  };
}

/**
 * Returns a function that runs calls on a client, within the limits. Before each
 * call it registers the credentials from the SDK's default chain with the
 * redactor. If the service reports that they expired, it opens a new client,
 * which reads the chain again, and repeats the call once.
 *
 * @param create Creates a client with the settings that every client has; nothing connects until the first call.
 * @returns A function that throws whatever the call throws, the signal's reason, {@linkcode UsageError} if there are no usable credentials, and {@linkcode TransientError} if their issuer is unavailable or does not answer.
 */
export function withCredentials<Client extends AwsClient>(
  create: (settings: ReturnType<typeof toClientSettings>) => Client,
  settings: AwsSettings,
): <T>(call: (client: Client) => Promise<T>) => Promise<T> {
  const open = () => {
    const client = create(toClientSettings(settings));
    limitRequests(client.config.requestHandler, settings);
    return client;
  };
  let client = open();
  const run = async <T>(call: (client: Client) => Promise<T>) => {
    const used = client;
    await announceCredentials(used, settings);
    try {
      return await call(used);
    } catch (error) {
      if (!(error instanceof Error && expiredNames.test(error.name))) {
        throw error;
      }
      if (client === used) client = open();
      await announceCredentials(client, settings);
      return await call(client);
    }
  };
  return async (call) => {
    settings.signal?.throwIfAborted();
    return await settledOrAborted(run(call), settings.signal);
  };
}

/** Registers the credentials with the redactor. A failure here is not an outage of the called service, so it never allows a fallback. */
async function announceCredentials(
  { config }: AwsClient,
  limits: RequestLimits,
): Promise<void> {
  try {
    // Their issuer is called by a client of the SDK's own, which has no limits.
    const { secretAccessKey, sessionToken } = await withinTime(
      2 * silenceOf(limits),
      config.credentials(),
    );
    announceSecret(secretAccessKey);
    if (sessionToken !== undefined) announceSecret(sessionToken);
  } catch (error) {
    const explained = explainAwsError(error, "get AWS credentials");
    throw explained instanceof TransientError
      ? new TransientError(explained.message)
      : new AwsAccessError(explained.message);
  }
}

/** There are no AWS credentials, or they lack a permission. Exit code 2. */
export class AwsAccessError extends UsageError {}

const expiredNames = /^(ExpiredToken\w*|TokenRefreshRequired)$/;

/** Errors about credentials or permissions, not the network: waiting does not help, and a fallback would hide them. */
const refusedNames =
  /^(AccessDenied\w*|ExpiredToken\w*|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidSignatureException|UnrecognizedClientException|InvalidClientTokenId|TokenRefreshRequired|InvalidToken|InvalidIdentityToken\w*|IDPRejectedClaim\w*|AuthFailure|Forbidden|RequestTimeTooSkewed|CredentialsProviderError|TokenProviderError|NotAuthorized\w*|DecryptionFailure)$/;

/** Errors after which the same call may succeed in a minute (the SDK's own lists of transient and throttling errors). */
const busyNames =
  /^(RequestTimeout(Exception)?|SlowDown|(KMS\.?)?Throttl\w*|TooManyRequests\w*|RequestLimitExceeded|InternalServerError|InternalServiceError|InternalFailure|ServiceUnavailable\w*|IDPCommunicationError\w*)$/;

const misdirectedNames =
  /^(PermanentRedirect|TemporaryRedirect|Redirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException|IncorrectEndpoint)$/;

/** The service did not answer. */
const unreachable =
  /TimeoutError|ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|connection refused|timed out/i;

/** The connection broke, or its data was corrupt. The SDK reports a reset as a timeout, so this is tested first. */
const interrupted =
  /AbortError|ECONNRESET|EPIPE|HPE_|aborted|socket hang up|Checksum mismatch|error sending request|connection (error|closed|reset)/i;

/** What is known about a failed call. */
interface Failure {
  /** The service's name for the error, or the SDK's. */
  readonly name: string;
  /** HTTP status; 0 if there was no answer. */
  readonly status: number;
  /** Name, socket code, message and cause, as one text to search. */
  readonly text: string;
}

/** How one kind of failure is reported. */
interface Verdict {
  readonly is: (failure: Failure) => boolean;
  readonly toError: (message: string) => Error;
  /** Adds what the operator should do next; without it, the message is `why` alone. */
  readonly says?: (why: string) => string;
}

function explainAccess(why: string): string {
  return `access denied (${why}); check the AWS credentials and their permissions`;
}

const usage = (message: string) => new UsageError(message);
const input = (message: string) => new InputError(message);
const transient = (message: string) => new TransientError(message);

/** The first match applies. Only the two with an `outage` allow the local folder to be used instead of S3. */
const verdicts: readonly Verdict[] = [
  {
    is: ({ status }) => status >= 500,
    toError: (message) =>
      new TransientError(message, { outage: "unavailable" }),
  },
  {
    is: ({ name, status }) => status === 429 || busyNames.test(name),
    toError: transient,
  },
  {
    is: ({ name }) => name === "InvalidObjectState",
    toError: input,
    says: (why) => `${why}; the object is archived: restore it first`,
  },
  {
    is: ({ name }) => name.startsWith("KMS"),
    toError: usage,
    says: (why) =>
      `${why}; check the KMS key that encrypts the object: is it enabled?`,
  },
  {
    is: ({ name }) => /^(AccessDenied\w*|Forbidden)$/.test(name),
    toError: (message) => new AwsAccessError(message),
    says: explainAccess,
  },
  {
    is: ({ name, status }) =>
      refusedNames.test(name) || status === 401 || status === 403,
    toError: usage,
    says: explainAccess,
  },
  {
    is: ({ name, status }) =>
      misdirectedNames.test(name) || (status >= 300 && status < 400),
    toError: usage,
    says: (why) =>
      `${why}; it belongs to another region or endpoint; check AWS_REGION and AWS_ENDPOINT_URL`,
  },
  {
    is: ({ status, text }) =>
      status >= 400 && /UnknownError|XML parse error|SyntaxError/.test(text),
    toError: input,
    says: (why) =>
      `${why}; the response is not from AWS; check the endpoint and any proxies in front of it`,
  },
  { is: ({ status }) => status >= 400, toError: input },
  {
    is: ({ status, text }) => status >= 200 || interrupted.test(text),
    toError: transient,
  },
  {
    is: ({ text }) => unreachable.test(text),
    toError: (message) =>
      new TransientError(message, { outage: "unreachable" }),
  },
];

/**
 * Converts an error of the AWS SDK to one of ours: {@linkcode UsageError} if
 * credentials, permissions, region or key are wrong, {@linkcode TransientError}
 * if the service was unavailable or slow or its response broke off,
 * {@linkcode InputError} otherwise. Only a transient error has an `outage`, and
 * only if the service was unreachable or answered 5xx. Our own errors keep their
 * class.
 *
 * @param what Verb and object of the failed call: "read s3://bucket/key".
 */
export function explainAwsError(error: unknown, what: string): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const denied = explainDeniedHost(error);
  if (denied) return denied;
  if (error instanceof UsageError || error instanceof InputError) return error;
  if (error instanceof TransientError) {
    const { message, outage } = error;
    return new TransientError(`Cannot ${what}: ${message}`, { outage });
  }
  const { code = "", $metadata } = error as Error & {
    code?: string;
    $metadata?: { httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode ?? 0;
  const [said = ""] = (error.message || code).split("\n"); // the other lines are hints for programmers
  const text = `${error.name} ${code} ${error.message} ${error.cause ?? ""}`;
  const { toError, says = (why: string) => why } =
    verdicts.find(({ is }) => is({ name: error.name, status, text })) ??
      { toError: input };
  const why = [
    `${error.name}: ${said}`,
    ...(status === 0 ? [] : [`HTTP ${status}`]),
  ].join(", ");
  return toError(`Cannot ${what}: ${says(why)}`);
}
