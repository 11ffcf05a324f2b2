/** What the AWS clients share: timeouts, and errors sorted by what to do next. */
import { InputError, TransientError, UsageError } from "./errors.ts";

/** Settings for every AWS client: the SDK itself waits for ever and only warns. */
export interface AwsClientSettings {
  readonly region: string;
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
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: 5_000,
      socketTimeout: options.silenceMs ?? 30_000,
      requestTimeout: 300_000,
      throwOnRequestTimeout: true,
    },
  };
}

/** Names and socket codes after which the same call may pass in a minute (the SDK's own transient and throttling lists). */
const transientNames =
  /^(TimeoutError|RequestTimeout(Exception)?|SlowDown|Throttl\w*|TooManyRequests\w*|RequestLimitExceeded|InternalServerError|InternalServiceError|InternalFailure|ServiceUnavailable\w*|AbortError|Unknown)$/;
const transientSockets =
  /ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|HPE_|aborted|socket hang up|Checksum mismatch|error sending request|connection (error|closed|reset|refused)|timed out/i;

/** Credentials or rights, not the network: waiting does not help, and falling back would hide it. */
const refusedNames =
  /^(AccessDenied\w*|ExpiredToken\w*|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidSignatureException|UnrecognizedClientException|InvalidClientTokenId|TokenRefreshRequired|InvalidToken|AuthFailure|Forbidden|RequestTimeTooSkewed|CredentialsProviderError|NotAuthorized\w*|DecryptionFailure)$/;

/**
 * Our error for one that the AWS SDK threw: {@linkcode UsageError} when
 * credentials or rights are refused, {@linkcode TransientError} when the
 * service was away or slow, {@linkcode InputError} for the rest. Errors of ours
 * pass through.
 *
 * @param what Verb and object of the failed call: "read s3://bucket/key".
 */
export function explainAwsError(error: unknown, what: string): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  if (error instanceof UsageError || error instanceof InputError) return error;
  const { code = "", $metadata } = error as Error & {
    code?: string;
    $metadata?: { httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode ?? 0;
  const [said = ""] = (error.message || code).split("\n"); // then follow hints for programmers
  const why = `${error.name}: ${said}`;
  if (refusedNames.test(error.name) || status === 401 || status === 403) {
    return new UsageError(
      `Cannot ${what}: refused (${why}); check the AWS credentials and their rights`,
    );
  }
  const away = error instanceof TransientError || status >= 500 ||
    status === 429 ||
    transientNames.test(error.name) ||
    transientSockets.test(
      `${code} ${error.message} ${String(error.cause ?? "")}`,
    );
  if (away) return new TransientError(`Cannot ${what}: ${why}`);
  return new InputError(`Cannot ${what}: ${why}`);
}
