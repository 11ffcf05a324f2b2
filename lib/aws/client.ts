/** What the AWS clients share: timeouts, credentials, and errors sorted by what to do next. */
import { InputError, TransientError, UsageError } from "../base/errors.ts";
import { announceSecret } from "../base/redact.ts";

/** Settings for every AWS client: the SDK itself waits for ever and only warns. */
export interface AwsClientSettings {
  readonly region: string;
  /** For the credential chain: a file of credentials may have been renewed since it was read. */
  readonly ignoreCache: boolean;
  readonly maxAttempts: number;
  readonly requestHandler: {
    readonly connectionTimeout: number;
    readonly socketTimeout: number;
    readonly requestTimeout: number;
    readonly throwOnRequestTimeout: boolean;
  };
}

/**
 * The settings for one region; times are milliseconds. Three quick attempts inside each of ours.
 *
 * @param options `silenceMs`: how long an open connection may say nothing; 30 seconds by default.
 */
export function awsClientSettings(
  region: string,
  options: { silenceMs?: number | undefined } = {},
): AwsClientSettings {
  return {
    region,
    ignoreCache: true,
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: 5_000,
      socketTimeout: options.silenceMs ?? 30_000,
      requestTimeout: 300_000,
      throwOnRequestTimeout: true,
    },
  };
}

/** The part of every AWS client that says who is calling. */
interface AwsClient {
  readonly config: {
    readonly credentials: () => Promise<
      { readonly secretAccessKey: string; readonly sessionToken?: string }
    >;
  };
}

/**
 * Runs calls on a client. Before each, the credentials that the SDK's default
 * chain gives are announced to the redactor. If the service says that they
 * expired, a new client asks the chain again, and the call is repeated once.
 *
 * @param open Makes a client; nothing connects until the first call.
 * @returns Throws, beside what the call throws, {@linkcode UsageError} without usable credentials and {@linkcode TransientError} if whoever issues them is away.
 */
export function withCredentials<Client extends AwsClient>(
  open: () => Client,
): <T>(call: (client: Client) => Promise<T>) => Promise<T> {
  let client = open();
  return async (call) => {
    const used = client;
    await announceCredentials(used);
    try {
      return await call(used);
    } catch (error) {
      if (!(error instanceof Error && expiredNames.test(error.name))) {
        throw error;
      }
      if (client === used) client = open();
      await announceCredentials(client);
      return await call(client);
    }
  };
}

/** Never an outage of the service that was to be called: nothing may stand in for it. */
async function announceCredentials({ config }: AwsClient): Promise<void> {
  try {
    const { secretAccessKey, sessionToken } = await config.credentials();
    announceSecret(secretAccessKey);
    if (sessionToken !== undefined) announceSecret(sessionToken);
  } catch (error) {
    const explained = explainAwsError(error, "get AWS credentials");
    throw explained instanceof TransientError
      ? new TransientError(explained.message)
      : new UsageError(explained.message);
  }
}

const expiredNames = /^(ExpiredToken\w*|TokenRefreshRequired)$/;

/** Credentials or rights, not the network: waiting does not help, and falling back would hide it. */
const refusedNames =
  /^(AccessDenied\w*|ExpiredToken\w*|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidSignatureException|UnrecognizedClientException|InvalidClientTokenId|TokenRefreshRequired|InvalidToken|InvalidIdentityToken\w*|IDPRejectedClaim\w*|AuthFailure|Forbidden|RequestTimeTooSkewed|CredentialsProviderError|TokenProviderError|NotAuthorized\w*|DecryptionFailure)$/;

/** Answers after which the same call may pass in a minute (the SDK's own transient and throttling lists). */
const busyNames =
  /^(RequestTimeout(Exception)?|SlowDown|(KMS\.?)?Throttl\w*|TooManyRequests\w*|RequestLimitExceeded|InternalServerError|InternalServiceError|InternalFailure|ServiceUnavailable\w*|IDPCommunicationError\w*)$/;

const misdirectedNames =
  /^(PermanentRedirect|TemporaryRedirect|Redirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException|IncorrectEndpoint)$/;

/** Nobody answered. */
const unreachable =
  /TimeoutError|ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|connection refused|timed out/i;

/** The connection ended, or what it carried was wrong. The SDK names a reset a timeout, so that this is tested first. */
const interrupted =
  /AbortError|ECONNRESET|EPIPE|HPE_|aborted|socket hang up|Checksum mismatch|error sending request|connection (error|closed|reset)/i;

/** What is known of a failed call. */
interface Failure {
  /** The service's name of the error, or the SDK's. */
  readonly name: string;
  /** HTTP status; 0 if there was no answer. */
  readonly status: number;
  /** Name, socket code, message and cause, to be searched. */
  readonly text: string;
}

/** What a failure becomes. */
interface Verdict {
  readonly is: (failure: Failure) => boolean;
  readonly toError: (message: string) => Error;
  /** Says what the operator does next; only `why` where waiting is all there is. */
  readonly says?: (why: string) => string;
}

const usage = (message: string) => new UsageError(message);
const input = (message: string) => new InputError(message);
const transient = (message: string) => new TransientError(message);

/** Sorted by the first that fits. Only the two with an `outage` allow the local folder in place of S3. */
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
    is: ({ name, status }) =>
      refusedNames.test(name) || status === 401 || status === 403,
    toError: usage,
    says: (why) =>
      `refused (${why}); check the AWS credentials and their rights`,
  },
  {
    is: ({ name, status }) =>
      misdirectedNames.test(name) || (status >= 300 && status < 400),
    toError: usage,
    says: (why) =>
      `${why}; another region or endpoint serves it: check AWS_REGION and AWS_ENDPOINT_URL`,
  },
  {
    is: ({ status, text }) =>
      status >= 400 && /UnknownError|XML parse error|SyntaxError/.test(text),
    toError: input,
    says: (why) =>
      `${why}; the answer is not from AWS: check the endpoint and the proxies before it`,
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
 * Our error for one that the AWS SDK threw: {@linkcode UsageError} when
 * credentials, rights, region or key are wrong, {@linkcode TransientError} when
 * the service was away or slow or its answer broke, {@linkcode InputError} for
 * the rest. Only a transient error of a service that nobody reached or that
 * answered 5xx has an `outage`. Errors of ours keep their class.
 *
 * @param what Verb and object of the failed call: "read s3://bucket/key".
 */
export function explainAwsError(error: unknown, what: string): Error {
  if (!(error instanceof Error)) return new Error(String(error));
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
  const [said = ""] = (error.message || code).split("\n"); // then follow hints for programmers
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
