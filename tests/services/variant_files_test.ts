import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { AwsAccessError } from "../../lib/aws/client.ts";
import { openLocal } from "../../lib/storage/local.ts";
import { openArtifacts } from "../../lib/storage/open.ts";
import type { ArtifactStore } from "../../lib/storage/store.ts";
import { sha256 } from "../../lib/base/digest.ts";
import {
  InputError,
  TransientError,
  UsageError,
} from "../../lib/base/errors.ts";
import {
  type InputData,
  namedPlace,
  openNamedFiles,
  openVariantFile,
  readVariantFile,
  readWhole,
  type VariantFiles,
} from "../../lib/services/variant-files.ts";
import { findBatches } from "../../lib/services/input-batches.ts";
import { type Log, noLog } from "../../lib/base/log.ts";
import { toPathPattern } from "../../lib/config/periods.ts";
import { retry } from "../../lib/base/retry.ts";
import { toVariant } from "../../lib/config/variant.ts";
import { setEnvironment } from "../support/environment.ts";
import { answer, type Fault, s3Error, startFaults } from "../support/faults.ts";
import { freePort, tempFolder } from "../support/servers.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const sample = "data/churn/X_test_sample_2.json";
const local = "data/geography-us/churn/X_test_sample_2.json";

/** The variant's stores in folders: a bucket of the variant's own, and the project. */
function storesIn(
  folder: string,
  more: Partial<VariantFiles> = {},
): VariantFiles {
  return {
    variant: toVariant({ geography: "US" }),
    bucket: openLocal(`${folder}/bucket/geography-us`),
    project: openLocal(`${folder}/project`),
    embedded: false,
    withRetry: (_, step) => step(),
    ...more,
  };
}

/** A bucket whose every read fails so. */
function failing(error: Error): ArtifactStore {
  return {
    uri: "s3://bucket/geography-us",
    find: () => Promise.reject(error),
    open: () => Promise.reject(error),
    create: () => Promise.reject(error),
    checkCreate: () => Promise.reject(error),
    write: () => Promise.reject(error),
    list: () => Promise.reject(error),
  };
}

/** Reads new data and returns the warnings. */
async function read(stores: VariantFiles, fallback = true) {
  const warnings: string[] = [];
  const log = { warn: (text: string) => void warnings.push(text) };
  const { file, source } = await openNew(stores, { fallback, log });
  const { bytes } = await readWhole({ file, source });
  return { source, text: new TextDecoder().decode(bytes), warnings };
}

/** Opens the one file of the variant's inputs. */
async function openNew(
  stores: VariantFiles,
  options: { fallback: boolean; log: Pick<Log, "warn"> },
): Promise<InputData> {
  const inputs = toPathPattern(sample, "inputs");
  const [batch] = await findBatches(stores, {
    ...options,
    inputs,
    manifest: undefined,
  });
  const { parts: [part], source } = batch!;
  return { file: await part!.open(), source };
}

Deno.test("findBatches() reads the bucket's object even if there is a local file", async () => {
  await using folder = await tempFolder();
  const stores = storesIn(folder.path);
  await stores.bucket!.write(sample, encode("bucket"));
  await stores.project.write(local, encode("local"));
  deepStrictEqual(await read(stores), {
    source: "s3",
    text: "bucket",
    warnings: [],
  });
});

Deno.test("findBatches() falls back with a warning only if the object is missing or S3 is unavailable", async () => {
  await using folder = await tempFolder();
  const stores = storesIn(folder.path);
  await stores.project.write(local, encode("local"));
  const away = failing(
    new TransientError("S3 is unavailable", { outage: "unreachable" }),
  );
  for (const bucket of [stores.bucket, away]) {
    const { source, text, warnings } = await read({ ...stores, bucket });
    deepStrictEqual([source, text, warnings.length], [
      "local-fallback",
      "local",
      1,
    ]);
    match(
      warnings[0]!,
      /Falling back to .*; the ledger and the MLflow run record this/,
    );
  }
  const others = [
    new UsageError("refused"),
    new InputError("a bad request"),
    new TransientError("a wrong checksum"),
    new TypeError("a defect"),
  ];
  for (const error of others) {
    await rejects(read({ ...stores, bucket: failing(error) }), error);
  }
  const noBucket = { ...stores, bucket: undefined };
  await rejects(read(noBucket), {
    name: "UsageError",
    message: /MLFLOW_S3_BUCKET/,
  });
});

/** What S3 does that lets the local folder stand in for it. Nothing else does. */
const fallbacks: Record<string, Fault> = {
  "no such object": { bytes: s3Error(404, "NoSuchKey") },
  "an internal error": { bytes: s3Error(500, "InternalError") },
  "a throttled request": { bytes: s3Error(503, "SlowDown") },
  "a gateway's page": {
    bytes: answer(502, "<html>Bad Gateway", { type: "text/html" }),
  },
  "silence": { bytes: "", thenSilent: true },
};

const page = { type: "text/html" };

/** What S3 does, or somebody in its place, and the error that ends the run although the local folder has the file. */
const refusals: Record<string, [Fault, new (message: string) => Error]> = {
  "a redirect": [{ bytes: s3Error(301, "PermanentRedirect") }, UsageError],
  "an empty redirect": [{ bytes: answer(301, "") }, UsageError],
  "a temporary redirect": [
    { bytes: s3Error(307, "TemporaryRedirect") },
    UsageError,
  ],
  "another region": [
    { bytes: s3Error(400, "AuthorizationHeaderMalformed") },
    UsageError,
  ],
  "a disabled key": [
    { bytes: s3Error(400, "KMS.DisabledException") },
    UsageError,
  ],
  "a bad request": [{ bytes: s3Error(400, "InvalidRequest") }, InputError],
  "a bad request's page": [{ bytes: answer(400, "<html>", page) }, InputError],
  "a login that is missing": [{ bytes: answer(401, "") }, UsageError],
  "a refused right": [{ bytes: s3Error(403, "AccessDenied") }, AwsAccessError],
  "a proxy's refusal": [{ bytes: answer(403, "<html>", page) }, UsageError],
  "an archived object": [
    { bytes: s3Error(403, "InvalidObjectState") },
    InputError,
  ],
  "a missing bucket": [
    { bytes: s3Error(404, "NoSuchBucket") },
    UsageError,
  ],
  "a page that is not found": [
    { bytes: answer(404, "<html>Not found</html>", page) },
    InputError,
  ],
  "a page that says NoSuchKey": [
    { bytes: answer(404, "<html><Code>NoSuchKey</Code></html>", page) },
    InputError,
  ],
  "an empty 404": [{ bytes: answer(404, "") }, InputError],
  "malformed XML": [
    { bytes: answer(404, "<Error><Code>NoSuchKey</Co") },
    InputError,
  ],
  "a method that is not allowed": [
    { bytes: s3Error(405, "MethodNotAllowed") },
    InputError,
  ],
  "too many requests": [
    { bytes: s3Error(429, "TooManyRequests") },
    TransientError,
  ],
  "a page in place of the object": [
    { bytes: answer(200, "<html>Welcome</html>", page) },
    TransientError,
  ],
  "bytes that are not the object's": [
    {
      bytes: answer(200, "cut\n", {
        headers: { etag: '"25f9e794323b453885f5181f1b624d0b"' },
      }),
    },
    TransientError,
  ],
  "a wrong checksum": [
    {
      bytes: answer(200, "x", {
        headers: { etag: '"x-2"', "x-amz-checksum-crc32": "AAAAAA==" },
      }),
    },
    TransientError,
  ],
  "a body that is cut short": [
    { bytes: answer(200, "half", { length: 1000 }) },
    TransientError,
  ],
  "a connection that ends at once": [{ bytes: "" }, TransientError],
  "something that is no HTTP": [
    { bytes: "SSH-2.0-OpenSSH_9.6\r\n" },
    TransientError,
  ],
};

/** Reads new data from S3 at an endpoint; the local folder has the file, and services try twice. */
async function readFrom(endpoint: string) {
  await using folder = await tempFolder();
  const stores = storesIn(folder.path);
  await stores.project.write(local, encode("local"));
  const long = new Date(Date.now() - 60_000); // a file just written would be waited for
  await Deno.utime(`${folder.path}/project/${local}`, long, long);
  const s3 = { region: "us-east-1", endpoint, silenceMs: 300 };
  const policy = { retries: 1, delaySeconds: 0, log: noLog };
  return await read({
    ...stores,
    bucket: openArtifacts("s3://bucket/geography-us", { s3 }),
    withRetry: (what, step) => retry(what, policy, step),
  });
}

const keys = {
  AWS_ACCESS_KEY_ID: "testing",
  AWS_SECRET_ACCESS_KEY: "testing",
};

Deno.test("findBatches() falls back for a closed list of S3 failures", async (t) => {
  using _ = setEnvironment(keys);
  for (const [what, fault] of Object.entries(fallbacks)) {
    await t.step(what, async () => {
      await using s3 = startFaults(fault);
      const { source, warnings } = await readFrom(s3.endpoint);
      deepStrictEqual([source, warnings.length], ["local-fallback", 1]);
    });
  }
  const nobody = {
    "a refused connection": `http://127.0.0.1:${freePort()}`,
    "a name that is not there": "http://no-such-host.invalid",
  };
  for (const [what, endpoint] of Object.entries(nobody)) {
    await t.step(what, async () => {
      strictEqual((await readFrom(endpoint)).source, "local-fallback");
    });
  }
});

Deno.test("findBatches() does not fall back for other S3 failures", async (t) => {
  using _ = setEnvironment(keys);
  for (const [what, [fault, kind]] of Object.entries(refusals)) {
    await t.step(what, async () => {
      await using s3 = startFaults(fault);
      await rejects(readFrom(s3.endpoint), (error) => {
        strictEqual((error as Error).constructor, kind, String(error));
        match((error as Error).message, /^Cannot read s3:\/\/bucket/);
        return true;
      });
    });
  }
});

Deno.test("findBatches() never falls back if a login is rejected or missing", async (t) => {
  await using folder = await tempFolder();
  await Deno.writeTextFile(`${folder.path}/token`, "a.web.identity");
  await using s3 = startFaults({ bytes: s3Error(404, "NoSuchKey") });
  const none = {
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SECRET_ACCESS_KEY: undefined,
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_SHARED_CREDENTIALS_FILE: `${folder.path}/absent`,
    AWS_CONFIG_FILE: `${folder.path}/absent`,
  };
  const stsError = (status: number, code: string) =>
    answer(
      status,
      `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>no</Message></Error></ErrorResponse>`,
      { type: "text/xml" },
    );
  const cases: Record<
    string,
    [Fault | undefined, new (message: string) => Error, RegExp]
  > = {
    "a refused token": [
      { bytes: stsError(400, "InvalidIdentityToken") },
      AwsAccessError,
      /InvalidIdentityToken/,
    ],
    "a refused claim": [
      { bytes: stsError(403, "IDPRejectedClaim") },
      AwsAccessError,
      /IDPRejectedClaim/,
    ],
    "an expired token": [
      { bytes: stsError(400, "ExpiredTokenException") },
      AwsAccessError,
      /ExpiredTokenException/,
    ],
    "a role that trusts others": [
      { bytes: stsError(403, "AccessDenied") },
      AwsAccessError,
      /AccessDenied/,
    ],
    "STS that answers 503": [
      { bytes: stsError(503, "ServiceUnavailable") },
      TransientError,
      /ServiceUnavailable/,
    ],
    "STS that is away": [undefined, TransientError, /ECONNREFUSED/],
  };
  for (const [what, [fault, kind, message]] of Object.entries(cases)) {
    await t.step(what, async () => {
      await using sts = fault && startFaults(fault);
      using _ = setEnvironment({
        ...none,
        AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/churn",
        AWS_WEB_IDENTITY_TOKEN_FILE: `${folder.path}/token`,
        AWS_ENDPOINT_URL_STS: sts?.endpoint ?? `http://127.0.0.1:${freePort()}`,
      });
      await rejects(readFrom(s3.endpoint), (error) => {
        strictEqual((error as Error).constructor, kind, String(error));
        match((error as Error).message, /Cannot get AWS credentials: /);
        match((error as Error).message, message);
        return true;
      });
    });
  }
  await t.step("no credentials at all", async () => {
    using _ = setEnvironment(none);
    await rejects(readFrom(s3.endpoint), {
      name: "UsageError",
      message: /Cannot get AWS credentials: .*check the AWS credentials/,
    });
  });
  strictEqual(s3.requests, 0);
});

Deno.test("findBatches() without fallback keeps the error's class", async () => {
  await using folder = await tempFolder();
  const stores = storesIn(folder.path);
  await stores.project.write(local, encode("local"));
  const says = {
    message: /and the local folder is not used because of --no-fallback/,
  };
  await rejects(read(stores, false), { name: "InputError", ...says });
  const bucket = failing(
    new TransientError("S3 is unavailable", { outage: "unavailable" }),
  );
  await rejects(read({ ...stores, bucket }, false), {
    name: "TransientError",
    ...says,
  });
});

Deno.test("findBatches() never falls back to the shipped sample or to a missing file", async () => {
  await using folder = await tempFolder();
  const stores = storesIn(folder.path);
  await rejects(read(stores), {
    name: "InputError",
    message: new RegExp(`there is no ${local} to fall back to`),
  });
  const manifest = { files: { sample: { sha256: sha256(encode("shipped")) } } };
  await stores.project.write(
    "models/geography-us/churn/manifest.json",
    encode(JSON.stringify(manifest)),
  );
  await stores.project.write(local, encode("shipped"));
  await rejects(read(stores), /only the shipped synthetic data/);
  await stores.project.write(local, encode("of the user"));
  strictEqual((await read(stores)).source, "local-fallback");
});

Deno.test("readVariantFile() reads the local folder when embedded, and names the location of a missing file", async () => {
  await using folder = await tempFolder();
  const stores = storesIn(folder.path, { embedded: true, bucket: undefined });
  await rejects(readVariantFile(stores, sample), (error) => {
    ok(error instanceof InputError);
    ok(
      error.message.includes(`${folder.path}/project/${local}`),
      error.message,
    );
    return true;
  });
  await stores.project.write(local, encode("local"));
  const { source, uri } = await readVariantFile(stores, sample);
  deepStrictEqual([source, uri], ["local", `${folder.path}/project/${local}`]);
});

Deno.test("openNamedFiles() opens one file, or all that match a pattern, sorted by name", async () => {
  await using folder = await tempFolder();
  const store = openLocal(folder.path);
  const paths = [
    "w2/b.jsonl",
    "w1/a.jsonl",
    "w1/c.json",
    "w1/x/d.jsonl",
    "top.jsonl",
    "a+b (1).jsonl",
  ];
  for (const path of paths) await store.write(path, encode(path));
  const named = async (pattern: string) =>
    (await openNamedFiles(`${folder.path}/${pattern}`, openLocal))
      .map(({ file }) => file.uri.slice(folder.path.length + 1));
  deepStrictEqual(await named("w1/a.jsonl"), ["w1/a.jsonl"]);
  deepStrictEqual(await named("w1/*.jsonl"), ["w1/a.jsonl"]);
  deepStrictEqual(await named("*/*.jsonl"), ["w1/a.jsonl", "w2/b.jsonl"]);
  deepStrictEqual(await named("w1/**"), [
    "w1/a.jsonl",
    "w1/c.json",
    "w1/x/d.jsonl",
  ]);
  deepStrictEqual(await named("**/*.jsonl"), [
    "a+b (1).jsonl",
    "top.jsonl",
    "w1/a.jsonl",
    "w1/x/d.jsonl",
    "w2/b.jsonl",
  ]);
  deepStrictEqual(await named("a+b (1)*"), ["a+b (1).jsonl"]);
  for (const pattern of ["w1", "w3/*.jsonl", "w1/a.jsonll", "W1/a.jsonl"]) {
    await rejects(named(pattern), {
      name: "InputError",
      message: /no such file/,
    });
  }
});

Deno.test("namedPlace() names a file below any folder", async () => {
  await using folder = await tempFolder();
  {
    const { store, path } = namedPlace(
      `${folder.path}/new/scores.csv`,
      openLocal,
    );
    await using file = await store.create(path);
    await file.write(encode("x"));
    await file.finish();
  }
  strictEqual(await Deno.readTextFile(`${folder.path}/new/scores.csv`), "x");
});

/** Writes `text` in two halves, the second after a while; the first ends at a line. */
async function writeSlowly(path: string, text: string): Promise<void> {
  const middle = text.indexOf("\n", text.length / 2) + 1;
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(path, text.slice(0, middle));
  await new Promise((resolve) => setTimeout(resolve, 1200));
  await Deno.writeTextFile(path, text.slice(middle), { append: true });
}

Deno.test("files that are still being written are read completely", async () => {
  await using folder = await tempFolder();
  const text = Array.from({ length: 1000 }, (_, at) => `{"id":${at}}\n`).join(
    "",
  );
  const stores = storesIn(folder.path, { embedded: true, bucket: undefined });
  const own = `${folder.path}/project/${local}`;
  const cases: [string, () => Promise<InputData>][] = [
    [own, () => openVariantFile(stores, sample)],
    [own, () => openNew(stores, { fallback: true, log: noLog })],
    [
      `${folder.path}/weekly.jsonl`,
      async () =>
        (await openNamedFiles(`${folder.path}/weekly.jsonl`, openLocal))[0]!,
    ],
    [
      `${folder.path}/weeks/1.jsonl`,
      async () =>
        (await openNamedFiles(`${folder.path}/weeks/*.jsonl`, openLocal))[0]!,
    ],
  ];
  for (const [path, readIt] of cases) {
    const writing = writeSlowly(path, text);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { bytes } = await readWhole(await readIt());
    strictEqual(new TextDecoder().decode(bytes), text);
    await writing;
  }
});
