/**
 * Binary COPY: the framing of Postgres's format, and the protocol's COPY IN for
 * a client of `pg`. Format and messages are those of Postgres's manual,
 * "COPY, Binary Format" and "Message Formats".
 */
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { abortable } from "../base/abortable.ts";

/** The 19 bytes before the first row: signature, no flags, no header extension. */
export const copyHeader: Uint8Array<ArrayBuffer> = Uint8Array.from(
  [..."PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"].map((letter) =>
    letter.charCodeAt(0)
  ),
);

/** The field count -1 after the last row. */
export const copyTrailer: Uint8Array<ArrayBuffer> = Uint8Array.of(255, 255);

/** A connection of `pg`. */
interface Connection {
  readonly stream: Duplex;
  query(text: string): void;
}

/** What a client of `pg` calls while a COPY is its active query. */
interface CopyQuery {
  /** Replaced by the client: ends the wait for the answer. */
  callback: () => void;
  submit(connection: Connection): void;
  handleCopyInResponse(connection: Connection): void;
  handleCommandComplete(message: { readonly text: string }): void;
  handleReadyForQuery(): void;
  handleError(error: Error): void;
}

/** A client of `pg`. */
interface Client {
  query(query: CopyQuery): CopyQuery;
}

/** How long the server may take to confirm that it dropped a COPY; then the connection is closed. */
const dropTimeoutMs = 5_000;

/**
 * Sends one `copy … from stdin with (format binary)` and returns the number of
 * rows that the server stored. Waits whenever the socket's buffer is full, so
 * that memory does not grow with the number of rows. If the source fails or the
 * signal aborts, the server drops the rows.
 *
 * @param options `chunks`: whole rows in the binary format, without header and trailer. A chunk must not be changed after it was yielded.
 * @throws The error of the server or of `chunks`, or the reason of `signal`.
 */
export async function sendCopy(
  client: Client,
  statement: string,
  options: {
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
    signal?: AbortSignal | undefined;
  },
): Promise<number> {
  const { chunks, signal } = options;
  signal?.throwIfAborted();
  const started = Promise.withResolvers<Duplex>();
  const finished = Promise.withResolvers<number>();
  finished.promise.catch(() => {});
  const refusal = new AbortController();
  const stop = AbortSignal.any([refusal.signal, ...(signal ? [signal] : [])]);
  let rows = 0;
  const query: CopyQuery = {
    callback: () => {},
    submit: (connection) => connection.query(statement),
    handleCopyInResponse: ({ stream }) => started.resolve(stream),
    handleCommandComplete({ text }) {
      rows = Number(text.replace("COPY ", ""));
    },
    handleReadyForQuery() {
      query.callback();
      finished.resolve(rows);
    },
    handleError(error) {
      query.callback();
      started.reject(error);
      finished.reject(error);
      refusal.abort(error);
    },
  };
  client.query(query);
  const stream = await started.promise;
  try {
    await send(stream, copyHeader, stop);
    for await (const chunk of abortable(chunks, stop)) {
      await send(stream, chunk, stop);
    }
    await send(stream, copyTrailer, stop);
    stop.throwIfAborted();
  } catch (error) {
    if (!refusal.signal.aborted) await drop(stream, finished.promise);
    throw error;
  }
  stream.write(message("c"));
  return await finished.promise;
}

/** Sends one CopyData, and waits while the socket's buffer is full. */
async function send(
  stream: Duplex,
  chunk: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  stream.write(message("d", chunk.length));
  if (stream.write(chunk)) return;
  // `once` would throw an AbortError of its own in place of the reason.
  await once(stream, "drain", { signal }).catch((error) => {
    signal.throwIfAborted();
    throw error;
  });
}

/** Sends CopyFail and waits until the server has dropped the rows; closes the connection if it does not answer. */
async function drop(stream: Duplex, answer: Promise<unknown>): Promise<void> {
  const text = new TextEncoder().encode("the client stopped\0");
  stream.write(message("f", text.length));
  stream.write(text);
  const timer = setTimeout(() => stream.destroy(), dropTimeoutMs);
  await answer.catch(() => {});
  clearTimeout(timer);
}

/** Returns the start of a message: its letter, and the length of what follows, which counts itself. */
function message(letter: "c" | "d" | "f", length = 0): Uint8Array {
  const bytes = new Uint8Array(5);
  bytes[0] = letter.charCodeAt(0);
  new DataView(bytes.buffer).setUint32(1, length + 4);
  return bytes;
}
