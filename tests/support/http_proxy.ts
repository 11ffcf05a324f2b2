/** A proxy before S3 or Secrets Manager that passes requests on and may damage the answers. */
import { Buffer } from "node:buffer";

/** A request to the service. */
export interface HttpRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** Names are in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** An answer, sent as it stands: no header is added but `connection: close`. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer>;
  /** What follows the body: the connection's end, silence, or a byte each 50 ms, until the client gives up. */
  readonly then?: "silence" | "drip";
}

/** Forwards a request to the service and returns its answer. */
export type Forward = (path: string) => Promise<HttpAnswer>;

/** Starts it on a free port of loopback; `serve` answers each request, with the service's answer or another. */
export function startHttpProxy(
  { endpoint }: { endpoint: string },
  serve: (request: HttpRequest, forward: Forward) => Promise<HttpAnswer>,
): { readonly endpoint: string } & AsyncDisposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.TcpConn>();
  const handle = async (connection: Deno.TcpConn) => {
    open.add(connection);
    try {
      const received = await readRequest(connection);
      if (received === undefined) return;
      const { body, ...request } = received;
      const forward = (path: string) =>
        send(`${endpoint}${path}`, { ...request, body });
      await answerTo(connection, await serve(request, forward));
    } catch {
      // The client gave up.
    } finally {
      open.delete(connection);
      close(connection);
    }
  };
  const serving = (async () => {
    for await (const connection of listener) void handle(connection);
  })();
  return {
    endpoint: `http://127.0.0.1:${listener.addr.port}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of open) close(connection);
      await serving;
    },
  };
}

type Received = HttpRequest & { readonly body: Uint8Array<ArrayBuffer> };

async function readRequest(
  connection: Deno.TcpConn,
): Promise<Received | undefined> {
  let received = Buffer.alloc(0);
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return undefined;
    received = Buffer.concat([received, buffer.subarray(0, count)]);
    const end = received.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const [first = "", ...lines] = received.toString("latin1", 0, end)
      .split("\r\n");
    const [method = "", path = ""] = first.split(" ");
    const headers = Object.fromEntries(lines.map((line) => {
      const colon = line.indexOf(":");
      const name = line.slice(0, colon).toLowerCase();
      return [name, line.slice(colon + 1).trim()];
    }));
    const body = new Uint8Array(received.subarray(end + 4));
    const length = Number(headers["content-length"] ?? 0);
    if (body.length >= length) return { method, path, headers, body };
  }
}

async function send(
  url: string,
  { method, headers, body }: Received,
): Promise<HttpAnswer> {
  const { host: _, connection: __, "content-length": ___, ...rest } = headers;
  const response = await fetch(url, {
    method,
    headers: { ...rest, "accept-encoding": "identity" },
    ...body.length > 0 && { body },
    redirect: "manual",
  });
  const { connection: ____, "transfer-encoding": _____, ...kept } = Object
    .fromEntries(response.headers);
  return {
    status: response.status,
    headers: kept,
    body: await response.bytes(),
  };
}

async function answerTo(
  connection: Deno.TcpConn,
  { status, headers, body, then }: HttpAnswer,
): Promise<void> {
  const lines = Object.entries({ ...headers, connection: "close" })
    .map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 ${status} Status\r\n${lines.join("")}\r\n`;
  await writeAll(connection, new TextEncoder().encode(head));
  await writeAll(connection, body);
  while (then === "drip") {
    await new Promise((resolve) => setTimeout(resolve, 50));
    await writeAll(connection, new Uint8Array(1));
  }
  if (then === "silence") {
    while (await connection.read(new Uint8Array(1024)) !== null);
  }
}

async function writeAll(
  connection: Deno.TcpConn,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await connection.write(bytes.subarray(at));
  }
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It was closed already.
  }
}
