/** What a server's refusals and troubles come to, and that no credential is ever part of a message. */
import { ok, rejects, strictEqual, throws } from "node:assert/strict";
import {
  InputError,
  TransientError,
  UsageError,
} from "../../lib/base/errors.ts";
import { ApiError, openHttp } from "../../lib/mlflow/http.ts";
import { openRest } from "../../lib/mlflow/rest.ts";
import { startMlflowServer } from "../support/mlflow.ts";
import { addDatabase } from "../support/mlflow_stores.ts";
import { testWithPython } from "../support/python.ts";
import { freePort, startPostgres, tempFolder } from "../support/servers.ts";
import { makeCertificates } from "../support/tls.ts";

const password = "p@ss:w/rd#1%";
const token = "token-0123456789";
const secrets = [password, encodeURIComponent(password), token];

/** Holds an error to its kind and words, and to silence about credentials. */
const refusal =
  (kind: abstract new (...args: never[]) => Error, words: RegExp) =>
  (error: unknown) => {
    ok(error instanceof kind, String(error));
    ok(words.test(error.message), error.message);
    const text = `${error.message} ${error.stack} ${String(error.cause)}`;
    for (const secret of secrets) ok(!text.includes(secret), text);
    return true;
  };

/** A reverse proxy as companies put before MLflow: lets in who knows the word, below a prefix. */
function startProxy(options: { to: string; authorization: string }) {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      if (request.headers.get("Authorization") !== options.authorization) {
        return new Response("<html>401</html>", { status: 401 });
      }
      const { pathname, search } = new URL(request.url);
      const path = pathname.replace(/^\/mlflow/, "");
      const response = await fetch(`${options.to}${path}${search}`, {
        method: request.method,
        headers: { "Content-Type": "application/json" },
        body: request.method === "GET" ? null : await request.text(),
      });
      return new Response(await response.text(), {
        status: response.status,
        headers: { "Content-Type": "application/json" },
      });
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/mlflow/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A server that answers everything alike. */
function startAnswering(answer: () => Response | Promise<Response>) {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    answer,
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

testWithPython(
  "openRest() explains what a server of MLflow 3.17.2 rejects",
  async (t) => {
    const release = "mlflow-3.17.2";
    await using postgres = await startPostgres();
    await addDatabase(postgres, "mlflow");
    await using folder = await tempFolder();
    const start = (args: string[]) =>
      startMlflowServer(release, postgres.url("mlflow"), {
        artifacts: folder.path,
        args,
      });
    await using server = await start([]);

    await t.step(
      "a login reaches a server behind a proxy and a prefix",
      async () => {
        const login = new TextEncoder().encode(`ada:${password}`).toBase64();
        const authorization = `Basic ${login}`;
        await using proxy = startProxy({ to: server.url, authorization });
        const store = await openRest({
          uri: proxy.url,
          username: "ada",
          password,
        });
        strictEqual(store.mlflowVersion, "3.17.2");
        strictEqual((await store.findExperiment("Default"))?.experimentId, "0");
        const url = new URL(proxy.url);
        url.username = "ada";
        url.password = encodeURIComponent(password);
        const again = await openRest({ uri: url.href });
        ok(!again.description.includes("ada"), again.description);
        await rejects(
          openRest({ uri: proxy.url, username: "ada", password: token }),
          refusal(
            UsageError,
            /rejected the login \(401\).*MLFLOW_TRACKING_USERNAME/,
          ),
        );
        await rejects(openRest({ uri: proxy.url }), refusal(UsageError, /401/));
      },
    );

    await t.step("a token is sent as a bearer token", async () => {
      const authorization = `Bearer ${token}`;
      await using proxy = startProxy({ to: server.url, authorization });
      const store = await openRest({ uri: proxy.url, token });
      strictEqual(store.hasLoggedModels, true);
    });

    await t.step("an error of the server has MLflow's error code", async () => {
      const http = openHttp({ uri: server.url });
      await rejects(
        http.json("GET", "/mlflow/runs/get", { run_id: "0".repeat(32) }),
        (error: unknown) => {
          ok(error instanceof ApiError && error instanceof InputError);
          strictEqual(error.code, "RESOURCE_DOES_NOT_EXIST");
          return true;
        },
      );
      await rejects(
        http.json("POST", "/mlflow/no-such-call"),
        refusal(ApiError, /has no such endpoint/),
      );
    });

    await t.step("an unavailable database is transient", async () => {
      const store = await openRest({ uri: server.url });
      await postgres.stop();
      await rejects(
        store.findExperiment("Default"),
        refusal(TransientError, /returned 50\d/),
      );
      await postgres.start();
      strictEqual((await store.findExperiment("Default"))?.experimentId, "0");
    });

    await t.step("a host name that the server does not know", async () => {
      await using guarded = await start([
        "--allowed-hosts",
        "mlflow.example.com",
      ]);
      await rejects(
        openRest({ uri: guarded.url, token }),
        refusal(UsageError, /\(403\).*--allowed-hosts 127\.0\.0\.1:\d+/),
      );
    });
  },
);

Deno.test("openRest() reports that no server responds", async () => {
  const uri = `http://ada:${
    encodeURIComponent(password)
  }@127.0.0.1:${freePort()}`;
  await rejects(
    openRest({ uri, token }),
    refusal(TransientError, /Cannot reach the MLflow server at http:\/\/127/),
  );
});

Deno.test("openRest() treats an untrusted certificate as a wrong setting, not as an outage", async () => {
  const { certificate: cert, key } = await makeCertificates("localhost");
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert, key, onListen() {} },
    () => new Response("{}"),
  );
  await rejects(
    openRest({ uri: `https://localhost:${server.addr.port}`, token }),
    refusal(UsageError, /Cannot trust the MLflow server.*DENO_CERT/),
  );
});

Deno.test("openRest() reports a response that takes too long", async () => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  await using server = startAnswering(() => promise);
  await rejects(
    openRest({ uri: server.url, token, timeoutMs: 50 }),
    refusal(TransientError, /no response within 50 ms/),
  );
  resolve(new Response());
});

Deno.test("openRest() recognises a server that is not MLflow", async (t) => {
  const answers: Record<string, [status: number, body: string]> = {
    "a login page": [200, "<html>Sign in</html>"],
    "another service": [404, "<html>Not Found</html>"],
    "a JSON service": [400, '{"problem": "what?"}'],
  };
  for (const [name, [status, body]] of Object.entries(answers)) {
    await t.step(name, async () => {
      await using server = startAnswering(() => new Response(body, { status }));
      await rejects(
        openRest({ uri: server.url, token }),
        refusal(UsageError, /MLflow server/),
      );
    });
  }
});

Deno.test("an answer without what was asked for is refused by path", async () => {
  await using server = startAnswering(() =>
    Response.json({ run: { info: { run_id: "1" } } })
  );
  const store = await openRest({ uri: server.url, token });
  await rejects(
    store.createRun("0", { name: "a", startTimeMs: 0, tags: {} }),
    refusal(
      InputError,
      /Cannot use the answer of the server at http:\/\/127\.0\.0\.1:\d+: run\.info\.artifact_uri should be a string, found nothing/,
    ),
  );
  await rejects(
    store.findModelVersion("a", { kind: "version", version: 1 }),
    refusal(InputError, /model_version should be an object, found nothing/),
  );
});

Deno.test("openHttp() accepts only http and https, and never shows the URI", () => {
  for (const uri of ["ftp://host", "host:5000", `x ${password}`]) {
    throws(
      () => openHttp({ uri, token }),
      refusal(UsageError, /expected http:\/\/HOST/),
    );
  }
  const { baseUrl } = openHttp({ uri: "https://a:b@host/prefix//" });
  strictEqual(baseUrl, "https://host/prefix");
});
