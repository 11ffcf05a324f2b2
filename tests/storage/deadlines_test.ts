/** No request to AWS waits for ever, however slowly the other side sends or reads; a signal ends all of them at once. */
import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { readDatabaseSecret } from "../../lib/aws/secrets.ts";
import { TransientError } from "../../lib/base/errors.ts";
import { openS3 } from "../../lib/storage/s3.ts";
import type { ArtifactStore } from "../../lib/storage/store.ts";
import { setEnvironment } from "../support/environment.ts";
import {
  answer,
  type Fault,
  type FaultServer,
  startFaults,
} from "../support/faults.ts";
import { tempFolder } from "../support/servers.ts";

const credentials = {
  AWS_ACCESS_KEY_ID: "testing",
  AWS_SECRET_ACCESS_KEY: "testing",
};

/** 16 KiB in each window of 0.4 s; a drip of ten bytes each 50 ms is never silent for so long. */
const limits = { silenceMs: 400, bytesPerSecond: 40 << 10 };

/** The SDK makes three attempts, with pauses below a second between them. */
const longestMs = 6_000;

function open(
  { endpoint }: { endpoint: string },
  more: { signal?: AbortSignal; bytesPerSecond?: number } = {},
): ArtifactStore {
  return openS3("s3://bucket", {
    region: "us-east-1",
    endpoint,
    ...limits,
    ...more,
  });
}

const readSecret = (
  { endpoint }: { endpoint: string },
  more: { signal?: AbortSignal } = {},
) =>
  readDatabaseSecret("login", {
    region: "us-east-1",
    endpoint,
    ...limits,
    ...more,
  });

type Call = (
  server: { endpoint: string },
  more?: { signal?: AbortSignal },
) => Promise<unknown>;

const calls: Readonly<Record<string, Call>> = {
  find: (server, more) => open(server, more).find("a"),
  open: (server, more) => open(server, more).open("a"),
  write: (server, more) => open(server, more).write("a", new Uint8Array(9)),
  create: async (server, more) => {
    await using writer = await open(server, more).create("a");
    await writer.write(new Uint8Array(17 << 20));
  },
  list: (server, more) => open(server, more).list(""),
  "read a secret": readSecret,
};

const drip = { times: Infinity };

const slow: Readonly<Record<string, Fault>> = {
  "a body that drips": {
    bytes: answer(200, "", { length: 1 << 20, headers: { etag: '"0"' } }),
    thenDrips: drip,
  },
  "a body without length that drips": {
    bytes: 'HTTP/1.1 200 OK\r\netag: "0"\r\nconnection: close\r\n\r\n',
    thenDrips: drip,
  },
  "a header that drips": {
    bytes: "HTTP/1.1 200 OK\r\nx-header: ",
    thenDrips: drip,
  },
  "the page of an error that drips": {
    bytes: answer(503, "", { length: 1 << 20 }),
    thenDrips: drip,
  },
  "a header that never comes": { bytes: "", thenSilent: true },
  "a body that never comes": {
    bytes: answer(200, "", { length: 1 << 20, headers: { etag: '"0"' } }),
    thenSilent: true,
  },
};

for (const [what, fault] of Object.entries(slow)) {
  Deno.test(`every call ends in time after ${what}`, async () => {
    using _ = setEnvironment(credentials);
    await Promise.all(
      Object.entries(calls).map(async ([name, call]) => {
        await using server = startFaults(fault);
        const startMs = performance.now();
        await rejects(call(server), (error) => {
          ok(error instanceof TransientError, `${name}: ${error}`);
          match(error.message, /^Cannot (read|write|list) /);
          return true;
        });
        const ms = performance.now() - startMs;
        ok(ms < longestMs, `${name}: ${ms} ms`);
      }),
    );
  });
}

/** Answers ranges of an object of this size. */
function ranged(
  size: number,
  respond: (range: { start: number; last: number }) => Fault,
): FaultServer {
  return startFaults((request) => {
    const [, start, last] = /range: bytes=(\d+)-(\d+)/i.exec(request) ?? [];
    return start === undefined
      ? { bytes: answer(200, "", { length: size, headers: { etag: '"0-2"' } }) }
      : respond({
        start: Number(start),
        last: Math.min(Number(last), size - 1),
      });
  });
}

/** The head of an answer with a range. */
function rangeHead(size: number, start: number, last: number): string {
  return answer(206, "", {
    length: last + 1 - start,
    headers: {
      etag: '"0-2"',
      "content-range": `bytes ${start}-${last}/${size}`,
    },
  });
}

const size = (8 << 20) + 1000;

Deno.test("a range of a large object ends in time if it drips", async () => {
  using _ = setEnvironment(credentials);
  await using server = ranged(size, ({ start, last }) => ({
    bytes: rangeHead(size, start, last),
    thenDrips: drip,
  }));
  await using file = await open(server).open("a");
  const startMs = performance.now();
  await rejects(file!.read(0, size), {
    name: "TransientError",
    message: /^Cannot read s3:\/\/bucket\/a: .*too slow, \d+ bytes in 0\.4 s/,
  });
  ok(performance.now() - startMs < longestMs);
});

Deno.test("a body at more than the minimum rate is read however long it takes", async () => {
  using _ = setEnvironment(credentials);
  const text = " ".repeat(1000);
  await using server = startFaults({
    bytes: answer(200, "", { length: 1000, headers: { etag: '"0-2"' } }),
    thenDrips: { times: 100 },
  });
  // Ten bytes in each 50 ms are 200 in a second; the window is 0.4 s, the transfer takes 5 s.
  const store = open(server, { bytesPerSecond: 100 });
  const startMs = performance.now();
  // The HEAD that confirms the length drips as well, but has no body to read.
  strictEqual(new TextDecoder().decode(await store.find("a")), text);
  ok(performance.now() - startMs > 4_000);
});

/** Accepts connections and reads from each 1 KiB in 100 ms, for ever. */
function startSlowReader(): { endpoint: string } & AsyncDisposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let stopped = false;
  const read = async (connection: Deno.TcpConn) => {
    using _ = connection;
    while (!stopped && await connection.read(new Uint8Array(1024)) !== null) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const readings: Promise<void>[] = [];
  const serving = (async () => {
    for await (const connection of listener) {
      readings.push(read(connection).catch(() => {})); // the client gave up
    }
  })();
  return {
    endpoint: `http://127.0.0.1:${listener.addr.port}`,
    async [Symbol.asyncDispose]() {
      stopped = true;
      listener.close();
      await serving;
      await Promise.all(readings);
    },
  };
}

Deno.test("a write ends in time if the other side reads too slowly", async () => {
  using _ = setEnvironment(credentials);
  await using server = startSlowReader();
  // More than the buffers of a socket hold; at 32 MiB/s it takes half a second.
  const bytes = new Uint8Array(16 << 20);
  const store = open(server, { bytesPerSecond: 32 << 20 });
  const startMs = performance.now();
  await rejects(store.write("a", bytes), {
    name: "TransientError",
    message: /^Cannot write s3:\/\/bucket\/a: /,
  });
  ok(performance.now() - startMs < longestMs);
});

Deno.test("S3 may take longer to assemble the parts of an upload than a body may take", async () => {
  using _ = setEnvironment(credentials);
  const xml = (name: string, content: string) =>
    `<?xml version="1.0" encoding="UTF-8"?><${name}>${content}</${name}>`;
  await using server = startUploads(
    xml(
      "InitiateMultipartUploadResult",
      "<Bucket>bucket</Bucket><Key>a</Key><UploadId>1</UploadId>",
    ),
    xml("CompleteMultipartUploadResult", "<ETag>&quot;0-2&quot;</ETag>"),
  );
  await using writer = await open(server).create("a");
  await writer.write(new Uint8Array(16 << 20));
  const startMs = performance.now();
  await writer.finish();
  ok(performance.now() - startMs > 1_000);
});

/** Accepts an upload in parts; its completion drips for a second. */
function startUploads(
  created: string,
  completed: string,
): { endpoint: string } & AsyncDisposable {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      await request.arrayBuffer();
      const { searchParams } = new URL(request.url);
      if (searchParams.has("uploads")) return new Response(created);
      if (request.method !== "POST") {
        return new Response(null, { headers: { etag: '"0"' } });
      }
      const spaces = async function* () {
        for (let time = 0; time < 12; time++) {
          await new Promise((resolve) => setTimeout(resolve, 100));
          yield new TextEncoder().encode(" ");
        }
        yield new TextEncoder().encode(completed);
      };
      return new Response(ReadableStream.from(spaces()));
    },
  );
  return {
    endpoint: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("a signal ends every call at once with its reason", async (t) => {
  using _ = setEnvironment(credentials);
  const reason = new TransientError("the command was stopped");
  for (const fault of ["a body that drips", "a header that never comes"]) {
    for (const [name, call] of Object.entries(calls)) {
      await t.step(`${name}, ${fault}`, async () => {
        let arrived = () => {};
        const started = new Promise<void>((resolve) => arrived = resolve);
        await using server = startFaults(() => {
          arrived();
          return slow[fault]!;
        });
        const stop = new AbortController();
        const called = call(server, { signal: stop.signal });
        called.catch(() => {});
        await started;
        const startMs = performance.now();
        stop.abort(reason);
        await rejects(called, (error) => error === reason);
        ok(performance.now() - startMs < 200);
        const { requests } = server;
        await rejects(
          call(server, { signal: stop.signal }),
          (error) => error === reason,
        );
        strictEqual(server.requests, requests, "a request after the signal");
      });
    }
  }
  await t.step("a stream between two ranges", async () => {
    let ranges = 0;
    await using server = ranged(size, ({ start, last }) => {
      const head = rangeHead(size, start, last);
      return ++ranges <= 2
        ? { bytes: head + " ".repeat(last + 1 - start) }
        : { bytes: head, thenSilent: true };
    });
    const stop = new AbortController();
    await using file = await open(server, { signal: stop.signal }).open("a");
    const pieces: number[] = [];
    const read = (async () => {
      for await (const bytes of file!.stream()) {
        pieces.push(bytes.length);
        setTimeout(() => stop.abort(reason), 50);
      }
    })();
    await rejects(read, (error) => error === reason);
    deepStrictEqual(pieces, [8 << 20]);
  });
});

Deno.test("an issuer of credentials that never answers is transient, and no outage of S3", async () => {
  await using folder = await tempFolder();
  await Deno.writeTextFile(`${folder.path}/token`, "token");
  await using issuer = startFaults({ bytes: "", thenSilent: true });
  await using s3 = startFaults({ bytes: answer(200, "") });
  using _ = setEnvironment({
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SECRET_ACCESS_KEY: undefined,
    AWS_CONFIG_FILE: `${folder.path}/absent`,
    AWS_SHARED_CREDENTIALS_FILE: `${folder.path}/absent`,
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_REGION: "us-east-1",
    AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/predict",
    AWS_WEB_IDENTITY_TOKEN_FILE: `${folder.path}/token`,
    AWS_ENDPOINT_URL_STS: issuer.endpoint,
  });
  const startMs = performance.now();
  await rejects(open(s3).find("a"), (error) => {
    ok(error instanceof TransientError, String(error));
    match(
      error.message,
      /^Cannot read .*get AWS credentials: .*(no answer|timed out)/,
    );
    strictEqual(error.outage, undefined);
    return true;
  });
  ok(performance.now() - startMs < longestMs);
  strictEqual(s3.requests, 0);
});
