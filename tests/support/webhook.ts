/** An incoming webhook on this machine, with a certificate of a test's own authority. */
import { tempFolder } from "./servers.ts";
import { makeCertificates } from "./tls.ts";

/** A webhook that records what is posted to it. */
export interface Webhook extends AsyncDisposable {
  /** The secret URL. */
  readonly url: string;
  readonly host: string;
  /** The settings of a command that posts to it. */
  readonly env: Readonly<Record<string, string>>;
  /** The bodies of all requests, in order. */
  readonly posts: Record<string, unknown>[];
  /** How it answers from now on: a status, or `hang` for no answer at all. */
  answer: number | "hang";
}

/** Starts a webhook that answers `ok` as Slack does. */
export async function startWebhook(): Promise<Webhook> {
  await using stack = new AsyncDisposableStack();
  const { authority, certificate, key } = await makeCertificates("localhost");
  const folder = stack.use(await tempFolder());
  const bundle = `${folder.path}/authority.pem`;
  await Deno.writeTextFile(bundle, authority);
  const path = "/services/T0SECRET/B0SECRET/x0SECRETx0";
  const posts: Record<string, unknown>[] = [];
  const waiting = Promise.withResolvers<void>();
  const webhook = { answer: 200 as Webhook["answer"] };
  const server: Deno.HttpServer<Deno.NetAddr> = Deno.serve(
    {
      port: 0,
      hostname: "127.0.0.1",
      cert: certificate,
      key,
      onListen: () => {},
    },
    async (request) => {
      posts.push({
        method: request.method,
        path: new URL(request.url).pathname,
        type: request.headers.get("content-type"),
        ...await request.json(),
      });
      const { answer } = webhook;
      if (answer === "hang") {
        await waiting.promise;
        return new Response("late");
      }
      const headers: Record<string, string> = answer >= 300 && answer < 400
        ? { location: `https://localhost:${server.addr.port}/elsewhere` }
        : {};
      // Whatever a server repeats of the request must not show the secret.
      const text = answer === 200 ? "ok" : `no_service ${path}`;
      return new Response(text, { status: answer, headers });
    },
  );
  const host = `localhost:${server.addr.port}`;
  const url = `https://${host}${path}`;
  const owned = stack.move();
  return Object.assign(webhook, {
    url,
    host,
    posts,
    env: { CHURN_ALERT_WEBHOOK: url, DENO_CERT: bundle },
    async [Symbol.asyncDispose]() {
      waiting.resolve();
      await server.shutdown();
      await owned.disposeAsync();
    },
  });
}
