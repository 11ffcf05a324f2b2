/** Posts messages to an incoming webhook. Its URL is a secret: messages name the host only. */
import {
  explainDeniedHost,
  InputError,
  TransientError,
} from "../base/errors.ts";
import { escapeControls } from "../base/printable.ts";
import type { SlackMessage } from "./alert-message.ts";

const timeoutMs = 10_000;
/** Slack answers with a word such as `no_service`. */
const longestAnswer = 80;

/**
 * Posts a message; the webhook has 10 seconds for its answer. Redirects are not
 * followed: the message would go to a host that no setting names.
 *
 * @throws {TransientError} If the webhook cannot be reached, does not answer in time, or answers 408, 429 or 5xx.
 * @throws {InputError} If it answers anything else but 2xx.
 * @throws {UsageError} If the launcher does not allow its host.
 * @throws The reason of `signal` if that aborts.
 */
export async function postMessage(
  webhook: URL,
  message: SlackMessage,
  { signal }: { signal: AbortSignal | undefined },
): Promise<void> {
  const start = `Cannot post to the webhook at ${webhook.host}`;
  const timeout = AbortSignal.timeout(timeoutMs);
  let status: number;
  let answer: string;
  try {
    const response = await fetch(webhook, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(message),
      redirect: "manual",
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    status = response.status;
    answer = await readStart(response);
  } catch (error) {
    signal?.throwIfAborted();
    const denied = explainDeniedHost(error);
    if (denied) throw denied;
    // The error itself would name the URL.
    const reason = timeout.aborted
      ? `no answer within ${timeoutMs / 1000} s`
      : reasonOf(error);
    throw new TransientError(`${start}: ${reason}`);
  }
  if (status >= 200 && status < 300) return;
  const why = status >= 300 && status < 400
    ? ", a redirect, which is not followed"
    : answer === ""
    ? ""
    : `: ${escapeControls(answer)}`;
  const isTemporary = status === 408 || status === 429 || status >= 500;
  throw new (isTemporary ? TransientError : InputError)(
    `${start}: it answered ${status}${why}`,
  );
}

/** Returns the start of the answer and discards the rest. */
async function readStart(response: Response): Promise<string> {
  if (!response.body) return "";
  let text = "";
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.length >= longestAnswer) break;
  }
  return text.trimStart().startsWith("<")
    ? ""
    : text.slice(0, longestAnswer).trim();
}

/** Returns the innermost cause, which says why without the URL. */
function reasonOf(error: unknown): string {
  let cause = error;
  while (cause instanceof Error && cause.cause instanceof Error) {
    cause = cause.cause;
  }
  const message = cause instanceof Error ? cause.message : "";
  return /https?:/i.test(message) || message === ""
    ? "it cannot be reached"
    : message;
}
