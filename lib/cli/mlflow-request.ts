/**
 * What `mlflow` asks of the launcher, and what the launcher answers: the command
 * may start no program, and the launcher opens no service.
 */
import { withinTime } from "../base/abortable.ts";
import { InputError, UsageError } from "../base/errors.ts";
import type { StandardOutput } from "./program.ts";

/** Variables that a request may set for MLflow; all others are the user's. */
const mlflowVariables = [
  "AWS_DEFAULT_REGION",
  "MLFLOW_ARTIFACTS_DESTINATION",
  "MLFLOW_BACKEND_STORE_URI",
  "MLFLOW_DEFAULT_ARTIFACT_ROOT",
  "MLFLOW_S3_ENDPOINT_URL",
  "PGAPPNAME",
  "PGOPTIONS",
  "PGPASSWORD",
  "PGSSLMODE",
  "PGSSLROOTCERT",
] as const;

/** Asks for an MLflow server. */
export interface MlflowRequest {
  /** The release of MLflow that the database belongs to, such as 3.17.2. */
  readonly version: string;
  /** May contain secrets, which therefore appear on no command line. */
  readonly environment: Readonly<
    Partial<Record<typeof mlflowVariables[number], string>>
  >;
}

/** Says that the server did not start, or has ended. */
export interface MlflowEnd {
  /** 2 if no MLflow is installed, otherwise 1. */
  readonly exitCode: 1 | 2;
  readonly message: string;
}

/** How a request begins; a result of a command has no control characters. */
const mark = "\u0002mlflow ";

/**
 * The launcher's first line to the command. A request may contain secrets: the
 * command writes it only to whoever has sent this line, and never to a terminal.
 */
export const greeting = "ready";

/**
 * Waits for the launcher's first line, for at most ten seconds, and returns the
 * function with which the command asks it for a server. That one never returns:
 * it throws when the server or the launcher has ended, an {@linkcode InputError},
 * or a {@linkcode UsageError} if no MLflow is installed.
 *
 * @throws {UsageError} If the script was started without the launcher, which alone may start MLflow.
 */
export async function meetLauncher(
  stdout: StandardOutput,
): Promise<(request: MlflowRequest) => Promise<never>> {
  const refusal = new UsageError(
    "Cannot start MLflow from this script; run `deno task mlflow`",
  );
  if (Deno.stdin.isTerminal() || stdout.isTerminal) throw refusal;
  const lines = linesOf(Deno.stdin.readable);
  const { value: first } = await withinTime(10_000, lines.next())
    .catch(() => {
      throw refusal;
    });
  if (first !== greeting) throw refusal;
  return async ({ version, environment }) => {
    const request = `${mark}${JSON.stringify({ version, environment })}\n`;
    // As bytes: it may contain a password, which would be removed from a text.
    await stdout.write(new TextEncoder().encode(request));
    const { value } = await lines.next();
    if (value === undefined) {
      throw new InputError("Stopped: the launcher has ended");
    }
    const { exitCode, message }: { exitCode?: unknown; message?: unknown } =
      JSON.parse(value);
    throw exitCode === 2
      ? new UsageError(String(message))
      : new InputError(String(message));
  };
}

/**
 * Returns the request in a line; undefined if the line is anything else.
 *
 * ```ts
 * import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
 *
 * const request = { version: "3.17.2", environment: { PGPASSWORD: "x" } };
 * deepStrictEqual(readRequest(`\u0002mlflow ${JSON.stringify(request)}`), request);
 * strictEqual(readRequest("done"), undefined);
 * throws(() => readRequest('\u0002mlflow {"version":"3.17.2","environment":{"PATH":"/tmp"}}'), TypeError);
 * ```
 *
 * @throws {TypeError} If the request has another version, variable or form than allowed.
 */
export function readRequest(line: string): MlflowRequest | undefined {
  if (!line.startsWith(mark)) return undefined;
  const { version, environment }: { version?: unknown; environment?: unknown } =
    JSON.parse(line.slice(mark.length));
  const known: readonly string[] = mlflowVariables;
  if (
    typeof version !== "string" || !/^\d+\.\d+\.\d+$/.test(version) ||
    typeof environment !== "object" || environment === null ||
    Object.entries(environment).some(([name, value]) =>
      !known.includes(name) || typeof value !== "string"
    )
  ) throw new TypeError("not a request for an MLflow server");
  return { version, environment };
}

/** Returns an end as one line. */
export function writeEnd(end: MlflowEnd): string {
  return `${JSON.stringify(end)}\n`;
}

/** Yields the lines of a stream without their line feeds; the last one may have had none. */
export async function* linesOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string, void, undefined> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}
