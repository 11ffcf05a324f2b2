/** A TCP proxy in front of a server, whose answers can be held back as a network does that has lost its route. */

/** A running proxy. */
export interface Proxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** From now on, nothing that the server sends arrives; connections stay open. */
  silence(): void;
}

/** Starts a proxy on a free port of loopback. */
export function startProxy(server: { host: string; port: number }): Proxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  let isSilent = false;
  const serve = async (client: Deno.Conn) => {
    const target = await Deno.connect({
      hostname: server.host,
      port: server.port,
    });
    open.add(client).add(target);
    const upward = client.readable.pipeTo(target.writable);
    const downward = target.readable
      .pipeThrough(
        new TransformStream({
          transform(chunk: Uint8Array<ArrayBuffer>, controller) {
            if (!isSilent) controller.enqueue(chunk);
          },
        }),
      )
      .pipeTo(client.writable);
    await Promise.allSettled([upward, downward]);
    open.delete(client);
    open.delete(target);
  };
  const serving = (async () => {
    for await (const client of listener) serve(client).catch(() => {});
  })();
  return {
    host: "127.0.0.1",
    port: listener.addr.port,
    silence() {
      isSilent = true;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of open) {
        try {
          connection.close();
        } catch {
          // Its stream has closed it.
        }
      }
      await serving;
    },
  };
}
