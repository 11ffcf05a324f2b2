/** A server that fails as networks do: it answers with given bytes, then ends the connection, says nothing, or drips. */

/** What a connection gets: bytes as they are, then its end; or, after the bytes, silence or ten bytes every 50 ms, until the client gives up. */
export interface Fault {
  readonly bytes: string;
  readonly thenSilent?: boolean;
  /** How often ten spaces follow, until the client gives up if infinite, and what follows them. */
  readonly thenDrips?: { readonly times: number; readonly end?: string };
}

/** A running server. */
export interface FaultServer extends AsyncDisposable {
  readonly endpoint: string;
  /** Requests so far. */
  readonly requests: number;
}

/**
 * Starts it on a free port of loopback; each request gets the same fault, or
 * the one that a function makes of the request's head.
 */
export function startFaults(
  fault: Fault | ((request: string) => Fault | Promise<Fault>),
): FaultServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.TcpConn>();
  let requests = 0;
  const serve = async (connection: Deno.TcpConn) => {
    open.add(connection);
    try {
      const buffer = new Uint8Array(65_536);
      const length = await connection.read(buffer) ?? 0;
      requests++;
      const request = new TextDecoder().decode(buffer.subarray(0, length));
      const { bytes, thenSilent, thenDrips } = typeof fault === "function"
        ? await fault(request)
        : fault;
      await writeAll(connection, bytes);
      for (let time = 0; time < (thenDrips?.times ?? 0); time++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        await writeAll(connection, " ".repeat(10));
      }
      await writeAll(connection, thenDrips?.end ?? "");
      if (thenSilent) {
        while (await connection.read(new Uint8Array(65_536)) !== null);
      }
    } catch {
      // The client ended it.
    } finally {
      open.delete(connection);
      close(connection);
    }
  };
  const serving = (async () => {
    for await (const connection of listener) serve(connection);
  })();
  return {
    endpoint: `http://127.0.0.1:${listener.addr.port}`,
    get requests() {
      return requests;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of open) close(connection);
      await serving;
    },
  };
}

async function writeAll(
  connection: Deno.TcpConn,
  text: string,
): Promise<void> {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) {
    bytes = bytes.subarray(await connection.write(bytes));
  }
}

/** An HTTP answer as text; the length is the body's unless another is claimed. */
export function answer(
  status: number,
  body: string,
  options: {
    type?: string;
    length?: number;
    headers?: Readonly<Record<string, string>>;
  } = {},
): string {
  const { type = "application/xml", length = body.length, headers = {} } =
    options;
  const lines = Object.entries({
    "content-type": type,
    "content-length": String(length),
    connection: "close",
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Status\r\n${lines.join("")}\r\n${body}`;
}

/** An error as S3 words it (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html). */
export function s3Error(status: number, code: string): string {
  const xml =
    `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code>`;
  return answer(status, `${xml}<Message>${code} was said</Message></Error>`);
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It was closed already.
  }
}
