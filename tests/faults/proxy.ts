/**
 * A proxy that knows the messages of Postgres's protocol, 3.0, and cuts a
 * connection before or after any of them, or swallows a reply.
 */

/** One message of the protocol. */
export interface Message {
  /** Its number in the life of the proxy, over all connections, from 0. */
  readonly index: number;
  readonly from: "client" | "server";
  /** Its letter in the protocol, such as `Q`; empty for the messages that have none, which begin a connection. */
  readonly type: string;
  /** Its connection's number, from 0. */
  readonly connection: number;
  /** The message as it was sent. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What happens to a message: it arrives, it is lost, or the connection ends before or after it arrives. */
export type Fate = "forward" | "drop" | "cut-before" | "cut-after";

/** A running proxy. */
export interface PostgresProxy extends AsyncDisposable {
  readonly port: number;
}

/** Starts a proxy before the server at a port of loopback; `decide` is called once for each message, in order. */
export function startProxy(
  serverPort: number,
  decide: (message: Message) => Fate,
): PostgresProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<() => void>();
  let connections = 0;
  let index = 0;

  const serve = async (client: Deno.TcpConn) => {
    const connection = connections++;
    const server = await Deno.connect({
      hostname: "127.0.0.1",
      port: serverPort,
    }).catch(() => undefined);
    if (!server) return close(client);
    const cut = () => {
      close(client);
      close(server);
      open.delete(cut);
    };
    open.add(cut);
    for (const each of [client, server]) each.setNoDelay();
    const split = startSplitting();
    const pump = async (
      from: "client" | "server",
      source: Deno.TcpConn,
      target: Deno.TcpConn,
    ) => {
      const buffer = new Uint8Array(65_536);
      try {
        for (;;) {
          const length = await source.read(buffer);
          if (length === null) return cut();
          for (
            const { type, bytes } of split(from, buffer.slice(0, length))
          ) {
            const fate = decide({
              index: index++,
              from,
              type,
              connection,
              bytes,
            });
            if (fate === "cut-before") return cut();
            if (fate !== "drop") await writeAll(target, bytes);
            if (fate === "cut-after") return cut();
          }
        }
      } catch {
        cut(); // one of the two ended it
      }
    };
    await Promise.all([
      pump("client", client, server),
      pump("server", server, client),
    ]);
  };

  const serving = (async () => {
    for await (const client of listener) void serve(client);
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const cut of [...open]) cut();
      await serving;
    },
  };
}

/** Codes in place of a protocol version that ask for TLS or GSSAPI; the server answers with one byte. */
const encryptionRequests = [80877103, 80877104];

/** Adds bytes that one side sent, and returns its messages that are complete with them. */
type Split = (
  from: "client" | "server",
  bytes: Uint8Array<ArrayBuffer>,
) => Pick<Message, "type" | "bytes">[];

/** Cuts both directions of one connection into messages. */
function startSplitting(): Split {
  const rests = { client: new Uint8Array(0), server: new Uint8Array(0) };
  let isStarting = true; // the client's next message has no letter
  let isAnswering = false; // the server's next message is one byte

  const first = (from: "client" | "server", bytes: Uint8Array<ArrayBuffer>) => {
    if (from === "server" && isAnswering) {
      if (bytes.length < 1) return undefined;
      isAnswering = false;
      return { type: "", bytes: bytes.slice(0, 1) };
    }
    const start = from === "client" && isStarting ? 0 : 1;
    if (bytes.length < start + 4) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const length = start + view.getUint32(start);
    if (bytes.length < length) return undefined;
    const message = bytes.slice(0, length);
    if (start === 1) {
      return { type: String.fromCharCode(message[0] ?? 0), bytes: message };
    }
    isStarting = encryptionRequests.includes(view.getUint32(4));
    isAnswering = isStarting;
    return { type: "", bytes: message };
  };

  return (from, bytes) => {
    let rest = concatenate(rests[from], bytes);
    const found = [];
    for (
      let message = first(from, rest);
      message !== undefined;
      message = first(from, rest)
    ) {
      found.push(message);
      rest = rest.subarray(message.bytes.length);
    }
    rests[from] = rest;
    return found;
  };
}

function concatenate(
  a: Uint8Array<ArrayBuffer>,
  b: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

async function writeAll(
  target: Deno.TcpConn,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await target.write(bytes.subarray(at));
  }
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It was closed already.
  }
}
