/** One contract over every place of artifacts, and what S3 does when the network or the rights fail. */
import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
  throws,
} from "node:assert/strict";
import { Buffer } from "node:buffer";
import { AwsAccessError } from "../../lib/aws/client.ts";
import { openLocal } from "../../lib/storage/local.ts";
import { openArtifacts } from "../../lib/storage/open.ts";
import { openS3 } from "../../lib/storage/s3.ts";
import { parseS3Uri } from "../../lib/storage/s3-uri.ts";
import {
  type ArtifactStore,
  readArtifact,
  uriOf,
} from "../../lib/storage/store.ts";
import {
  InputError,
  type Outage,
  TransientError,
  UsageError,
} from "../../lib/base/errors.ts";
import { openHttp } from "../../lib/mlflow/http.ts";
import { redact } from "../../lib/base/redact.ts";
import { pathsOf } from "../support/listing.ts";
import { makeBucket, putObject, uploadParts } from "../support/aws.ts";
import { setEnvironment } from "../support/environment.ts";
import { answer, type Fault, s3Error, startFaults } from "../support/faults.ts";
import { startMlflowServer } from "../support/mlflow.ts";
import { testWithPython } from "../support/python.ts";
import { startMoto, tempFolder } from "../support/servers.ts";

/** A place of one kind: opens the store below any folder of it. */
type Open = (folder: string) => ArtifactStore;

const bytesOf = (text: string) => new TextEncoder().encode(text);
const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);

/** What every place must do; each test has a folder of its own. */
const contract: Record<string, (open: Open) => Promise<void>> = {
  "find() gives back what write() stored, byte for byte": async (open) => {
    const store = open("bytes");
    const large = Uint8Array.from({ length: 3_000_000 }, (_, at) => at * 31);
    for (const bytes of [everyByte, new Uint8Array(), large]) {
      await store.write("folder/file.bin", bytes);
      deepStrictEqual(await store.find("folder/file.bin"), bytes);
    }
  },

  "checkCreate() accepts what create() can write, and leaves nothing": async (
    open,
  ) => {
    const store = open("checked");
    await store.write("old.csv", bytesOf("old"));
    for (const path of ["old.csv", "new.csv", "a/b/new.csv"]) {
      await store.checkCreate(path);
    }
    deepStrictEqual(pathsOf(await store.list("")), ["old.csv"]);
    deepStrictEqual(await store.find("old.csv"), bytesOf("old"));
  },

  "write() replaces what was there, longer or shorter": async (open) => {
    const store = open("replaced");
    for (const text of ["first", "the second, longer one", "3rd"]) {
      await store.write("file", bytesOf(text));
      deepStrictEqual(await store.find("file"), bytesOf(text));
    }
    deepStrictEqual(pathsOf(await store.list("")), ["file"]);
  },

  "find() gives undefined for what is not there, and for a folder": async (
    open,
  ) => {
    const store = open("absent");
    strictEqual(await store.find("file"), undefined);
    await store.write("folder/file", everyByte);
    strictEqual(await store.find("folder"), undefined);
    strictEqual(await store.find("folder/other"), undefined);
    strictEqual(await store.find("folder/file/below"), undefined);
  },

  "readArtifact() names the URI of what is not there": async (open) => {
    const store = open("named");
    await rejects(readArtifact(store, "models/a.bin"), (error) => {
      ok(error instanceof InputError);
      strictEqual(error.message, `Cannot find ${store.uri}/models/a.bin`);
      return true;
    });
  },

  "list() gives the files below a folder, sorted, and not its namesakes":
    async (
      open,
    ) => {
      const store = open("listed");
      deepStrictEqual(pathsOf(await store.list("")), []);
      const paths = ["b", "a/2", "a/1", "a/sub/deep/3", "ab/4", "a.txt"];
      for (const path of paths) await store.write(path, everyByte);
      deepStrictEqual(pathsOf(await store.list("")), [...paths].sort());
      for (const folder of ["a", "a/"]) {
        deepStrictEqual(pathsOf(await store.list(folder)), [
          "a/1",
          "a/2",
          "a/sub/deep/3",
        ]);
      }
      deepStrictEqual(pathsOf(await store.list("a/sub")), ["a/sub/deep/3"]);
      deepStrictEqual(pathsOf(await store.list("none")), []);
    },

  "names may hold spaces, plus, percent and any letter": async (open) => {
    const store = open("names");
    const paths = [
      "with space/a b.txt",
      "a+b=c&d.txt",
      "100%/50%.txt",
      "quote's (1) [x] {y} !.txt",
      "é ø 日本 😀.txt",
      "colon:semi;comma,at@.txt",
    ];
    for (const path of paths) await store.write(path, bytesOf(path));
    for (const path of paths) {
      deepStrictEqual(await store.find(path), bytesOf(path), path);
    }
    deepStrictEqual(pathsOf(await store.list("")), [...paths].sort());
    deepStrictEqual(pathsOf(await store.list("with space")), [
      "with space/a b.txt",
    ]);
  },

  "no path leaves its folder": async (open) => {
    await open("fence").write("outside", everyByte);
    const store = open("fence/inside");
    const paths = [
      "../outside",
      "a/../../outside",
      "/etc/passwd",
      "..",
      ".",
      "./file",
      "a//b",
      "a/",
      "",
      "a\0b",
      "..\\outside",
    ];
    for (const path of paths) {
      const refused = { name: "InputError", message: /leaves its folder/ };
      await rejects(async () => await store.find(path), refused, path);
      await rejects(
        async () => await store.write(path, everyByte),
        refused,
        path,
      );
    }
    for (const folder of ["..", "../..", "/etc"]) {
      await rejects(
        async () => pathsOf(await store.list(folder)),
        InputError,
        folder,
      );
    }
    deepStrictEqual(pathsOf(await store.list("")), []);
  },

  "uri and uriOf() name what can be opened again": async (open) => {
    const store = open("again");
    await store.write("folder/file", everyByte);
    strictEqual(open("again").uri, store.uri);
    strictEqual(uriOf(store, "folder"), open("again/folder").uri);
    deepStrictEqual(await open("again/folder").find("file"), everyByte);
  },

  "two writers at once leave one of the two files, whole": async (open) => {
    const store = open("race");
    const versions = [1, 2, 3, 4].map((byte) =>
      new Uint8Array(200_000).fill(byte)
    );
    await Promise.all(versions.map((bytes) => store.write("file", bytes)));
    const found = await store.find("file");
    ok(
      versions.some((bytes) => bytes.every((byte, at) => byte === found?.[at])),
    );
    deepStrictEqual(pathsOf(await store.list("")), ["file"]);
  },
};

async function fulfil(t: Deno.TestContext, open: Open): Promise<void> {
  for (const [name, body] of Object.entries(contract)) {
    await t.step(name, () => body(open));
  }
}

/** The AWS SDK finds its credentials in the environment. */
function setCredentials(): void {
  Deno.env.set("AWS_ACCESS_KEY_ID", "testing");
  Deno.env.set("AWS_SECRET_ACCESS_KEY", "testing");
}

const noS3 = { s3: { region: "us-east-1" } };

/** Names that MLflow's server refuses, or decodes once too often, and the others must not. */
async function takeUriMarks(store: ArtifactStore): Promise<void> {
  const paths = ["50%25.txt", "a%2Fb", "hash#/question?.txt"];
  for (const path of paths) await store.write(path, bytesOf(path));
  for (const path of paths) {
    deepStrictEqual(await store.find(path), bytesOf(path));
  }
  deepStrictEqual(pathsOf(await store.list("")), paths);
}

Deno.test("openLocal() fulfils the contract of artifact stores", async (t) => {
  await using folder = await tempFolder();
  await fulfil(t, (below) => openArtifacts(`${folder.path}/${below}`, noS3));
  await t.step(
    "accepts special URI characters in names",
    () => takeUriMarks(openLocal(`${folder.path}/marks`)),
  );
  await t.step("accepts file:// for the same folder", async () => {
    const uri = `file://${encodeURI(folder.path)}/again%20here`;
    await openArtifacts(uri, noS3).write("file", everyByte);
    const plain = openLocal(`${folder.path}/again here`);
    deepStrictEqual(await plain.find("file"), everyByte);
  });
  await t.step("checkCreate() refuses what create() refuses", async () => {
    await using folder = await tempFolder();
    await Deno.writeTextFile(`${folder.path}/file`, "");
    await Deno.mkdir(`${folder.path}/scores.csv`);
    using _socket = Deno.listen({
      transport: "unix",
      path: `${folder.path}/socket.csv`,
    });
    const before = [...Deno.readDirSync(folder.path)];
    const store = openLocal(folder.path);
    for (const path of ["file/scores.csv", "scores.csv", "socket.csv"]) {
      await rejects(store.checkCreate(path), UsageError);
      await rejects(store.create(path), UsageError);
    }
    await store.checkCreate("new/below/scores.csv");
    deepStrictEqual([...Deno.readDirSync(folder.path)], before);
  });
  await t.step("leaves nothing behind after a failed write", async () => {
    const store = openLocal(`${folder.path}/full`);
    await store.write("taken/file", everyByte);
    await rejects(store.write("taken", everyByte));
    deepStrictEqual(
      [...Deno.readDirSync(`${folder.path}/full`)].map(({ name }) => name),
      ["taken"],
    );
  });
});

Deno.test("openS3() fulfils the contract of artifact stores", async (t) => {
  setCredentials();
  await using moto = await startMoto();
  await makeBucket(moto, "churn-models");
  const s3 = { region: "us-east-1", endpoint: moto.endpoint };
  await fulfil(
    t,
    (below) => openArtifacts(`s3://churn-models/a prefix/${below}`, { s3 }),
  );
  await t.step(
    "accepts special URI characters in names",
    () => takeUriMarks(openS3("s3://churn-models/marks", s3)),
  );
  await t.step("does the same at the bucket's root", async () => {
    await openS3("s3://churn-models", s3).write("at/root", everyByte);
    const all = pathsOf(await openS3("s3://churn-models/", s3).list(""));
    ok(
      all.includes("at/root") && all.includes("a prefix/bytes/folder/file.bin"),
    );
    const found = await openS3("s3://churn-models/at/", s3).find("root");
    deepStrictEqual(found, everyByte);
  });
  await t.step("reads multipart objects", async () => {
    const large = Uint8Array.from({ length: 6_000_000 }, (_, at) => at * 7);
    await uploadParts(moto, "churn-models/parts", [
      large.slice(0, 5_500_000),
      large.slice(5_500_000),
    ]);
    deepStrictEqual(await openS3("s3://churn-models", s3).find("parts"), large);
  });
  await t.step("lists more keys than one page has", async () => {
    const names = Array.from(
      { length: 1001 },
      (_, index) => `key-${String(index).padStart(4, "0")}`,
    );
    for (let at = 0; at < names.length; at += 50) {
      await Promise.all(
        names.slice(at, at + 50).map((name) =>
          putObject(moto, `churn-models/pages/${name}`, "x")
        ),
      );
    }
    const store = openS3("s3://churn-models/pages", s3);
    deepStrictEqual(pathsOf(await store.list("")), names);
  });
  await t.step(
    "treats a missing bucket as a wrong setting",
    async () => {
      const store = openS3("s3://no-such-bucket", s3);
      const calls = [
        () => store.find("a"),
        () => store.write("a", everyByte),
        () => store.list(""),
      ];
      for (const call of calls) {
        await rejects(call, (error) => {
          ok(error instanceof UsageError, String(error));
          match(error.message, /no bucket "no-such-bucket".*MLFLOW_S3_BUCKET/);
          return true;
        });
      }
    },
  );
  await t.step("treats an unavailable S3 as transient", async () => {
    await moto.stop();
    const store = openS3("s3://churn-models", s3);
    await rejects(store.find("a"), {
      name: "TransientError",
      message: /^Cannot read s3:\/\/churn-models\/a: .*ECONNREFUSED/,
    });
  });
});

testWithPython(
  "openServerArtifacts() fulfils the contract of artifact stores, behind MLflow 3.17.2",
  async (t) => {
    await using folder = await tempFolder();
    await using server = await startMlflowServer(
      "mlflow-3.17.2",
      `sqlite:///${folder.path}/mlflow.db`,
      { artifacts: `${folder.path}/artifacts` },
    );
    const settings = { ...noS3, server: openHttp({ uri: server.url }) };
    await fulfil(
      t,
      (below) => openArtifacts(`mlflow-artifacts:/base/${below}`, settings),
    );
  },
);

/** What S3 does, and the error it must become; `outage` says that S3 was away, so that the local folder may stand in. */
const faults: Record<
  string,
  [Fault, new (message: string) => Error, RegExp, outage?: Outage]
> = {
  "a throttled request": [
    { bytes: s3Error(503, "SlowDown") },
    TransientError,
    /SlowDown/,
    "unavailable",
  ],
  "an internal error": [
    { bytes: s3Error(500, "InternalError") },
    TransientError,
    /InternalError/,
    "unavailable",
  ],
  "a gateway's page": [
    { bytes: answer(502, "<html>Bad Gateway", { type: "text/html" }) },
    TransientError,
    /Cannot read/,
    "unavailable",
  ],
  "a body that is cut short": [
    {
      bytes: answer(200, "half", { length: 1000, type: "text/plain" }),
    },
    TransientError,
    /aborted|cut short/,
  ],
  "a chunked body that is cut short": [
    {
      bytes:
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    },
    TransientError,
    /aborted|cut short/,
  ],
  "a connection that ends at once": [
    { bytes: "" },
    TransientError,
    /socket hang up/,
  ],
  "something that is no HTTP": [
    { bytes: "SSH-2.0-OpenSSH_9.6\r\n" },
    TransientError,
    /Cannot read/,
  ],
  "silence": [
    { bytes: "", thenSilent: true },
    TransientError,
    /timed out/,
    "unreachable",
  ],
  "silence in the middle of a body": [
    { bytes: answer(200, "half", { length: 1000 }), thenSilent: true },
    TransientError,
    /timed out/,
    "unreachable",
  ],
  "a refused right": [
    { bytes: s3Error(403, "AccessDenied") },
    AwsAccessError,
    /access denied \(AccessDenied.*AWS credentials/,
  ],
  "an unknown key": [
    { bytes: s3Error(403, "InvalidAccessKeyId") },
    UsageError,
    /access denied/,
  ],
  "a wrong signature": [
    { bytes: s3Error(403, "SignatureDoesNotMatch") },
    UsageError,
    /access denied/,
  ],
  "an expired login": [
    { bytes: s3Error(400, "ExpiredToken") },
    UsageError,
    /access denied \(ExpiredToken/,
  ],
  "a redirect to another region": [
    { bytes: s3Error(301, "PermanentRedirect") },
    UsageError,
    /PermanentRedirect.*check AWS_REGION/,
  ],
  "a redirect without a body": [
    { bytes: answer(301, "") },
    UsageError,
    /HTTP 301; it belongs to another region.*check AWS_REGION/,
  ],
  "a temporary redirect": [
    { bytes: s3Error(307, "TemporaryRedirect") },
    UsageError,
    /TemporaryRedirect.*check AWS_REGION/,
  ],
  "a signature for another region": [
    { bytes: s3Error(400, "AuthorizationHeaderMalformed") },
    UsageError,
    /AuthorizationHeaderMalformed.*check AWS_REGION/,
  ],
  "a disabled key of KMS": [
    { bytes: s3Error(400, "KMS.DisabledException") },
    UsageError,
    /KMS\.DisabledException.*check the KMS key/,
  ],
  "a bad request": [
    { bytes: s3Error(400, "InvalidRequest") },
    InputError,
    /InvalidRequest/,
  ],
  "a method that is not allowed": [
    { bytes: s3Error(405, "MethodNotAllowed") },
    InputError,
    /MethodNotAllowed/,
  ],
  "an archived object": [
    { bytes: s3Error(403, "InvalidObjectState") },
    InputError,
    /archived: restore it/,
  ],
  "too many requests": [
    { bytes: s3Error(429, "TooManyRequests") },
    TransientError,
    /TooManyRequests/,
  ],
  "a refusal of a proxy": [
    { bytes: answer(403, "<html>no</html>", { type: "text/html" }) },
    UsageError,
    /access denied \(.*HTTP 403/,
  ],
  "a page that is not found": [
    { bytes: answer(404, "<html>no</html>", { type: "text/html" }) },
    InputError,
    /HTTP 404; the response is not from AWS; check the endpoint/,
  ],
  "a page that is not found and says NoSuchKey": [
    {
      bytes: answer(404, "<html><Code>NoSuchKey</Code></html>", {
        type: "text/html; charset=utf-8",
      }),
    },
    InputError,
    /HTTP 404; the response is not from AWS/,
  ],
  "an empty answer that is not found": [
    { bytes: answer(404, "") },
    InputError,
    /HTTP 404; the response is not from AWS/,
  ],
  "malformed XML": [
    { bytes: answer(404, "<Error><Code>NoSuchKey</Co") },
    InputError,
    /HTTP 404; the response is not from AWS/,
  ],
};

for (const [what, [fault, kind, message, outage]] of Object.entries(faults)) {
  Deno.test(`openS3() reports ${what} as ${kind.name}`, async () => {
    setCredentials();
    await using server = startFaults(fault);
    const store = openS3("s3://bucket/prefix", {
      region: "us-east-1",
      endpoint: server.endpoint,
      silenceMs: 300,
    });
    await rejects(store.find("file"), (error) => {
      strictEqual((error as Error).constructor, kind, String(error));
      match(
        (error as Error).message,
        /^Cannot read s3:\/\/bucket\/prefix\/file/,
      );
      match((error as Error).message, message);
      ok(!(error as Error).message.includes("\n"));
      strictEqual(
        error instanceof TransientError ? error.outage : undefined,
        outage,
      );
      return true;
    });
    // Only an expired login is asked again: it may have been renewed.
    const expected = what === "an expired login" ? 2 : 1;
    if (kind !== TransientError) strictEqual(server.requests, expected);
  });
}

/** The bytes of CRC catalogues' check values (https://reveng.sourceforge.io/crc-catalogue/): nine digits. */
const digits = "123456789";
const flipped = "123456780";
/** Of md5sum, sha1sum and sha256sum (coreutils 9.1); the CRCs are the catalogue's, of `CRC-32/ISO-HDLC`, `CRC-32/ISCSI`, `CRC-64/NVME`. */
const md5 = '"25f9e794323b453885f5181f1b624d0b"';
const checksums = {
  crc32: "cbf43926",
  crc32c: "e3069283",
  crc64nvme: "ae8b14860a799888",
  sha1: "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
  sha256: "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
};
const checksumHeaders = Object.entries(checksums).map(([name, hex]) => ({
  [`x-amz-checksum-${name}`]: Buffer.from(hex, "hex").toString("base64"),
}));
/** An ETag that is no MD5 of anything here: KMS encrypts, or the object has parts. */
const kms = {
  etag: '"00000000000000000000000000000000"',
  "x-amz-server-side-encryption": "aws:kms",
};
const parts = { etag: '"00000000000000000000000000000000-2"' };

/** S3 answers a GET so; a HEAD with the length and the headers of `head`. */
interface ObjectAnswer {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly head?: { length?: number; headers?: Record<string, string> };
}

async function findAnswered(object: ObjectAnswer) {
  setCredentials();
  const { body, headers, head = {} } = object;
  await using server = startFaults((request) => ({
    bytes: request.startsWith("HEAD")
      ? answer(200, "", {
        length: head.length ?? digits.length,
        headers: head.headers ?? headers,
      })
      : answer(200, body, { headers }),
  }));
  const store = openS3("s3://bucket/prefix", {
    region: "us-east-1",
    endpoint: server.endpoint,
  });
  const found = await store.find("weekly.jsonl");
  return { text: new TextDecoder().decode(found), requests: server.requests };
}

Deno.test("openS3() lists up to the page that is the last one, and refuses a listing that cannot go on", async () => {
  setCredentials();
  const page = (rest: string) =>
    answer(
      200,
      `<ListBucketResult><Contents><Key>a</Key><Size>1</Size><ETag>"x"</ETag></Contents>${rest}</ListBucketResult>`,
    );
  const list = async (rest: string) => {
    await using server = startFaults({ bytes: page(rest) });
    const store = openS3("s3://bucket", {
      region: "us-east-1",
      endpoint: server.endpoint,
    });
    const files = await store.list("");
    return { paths: pathsOf(files), requests: server.requests };
  };
  const token = "<NextContinuationToken>t</NextContinuationToken>";
  const one = { paths: ["a"], requests: 1 };
  deepStrictEqual(await list("<IsTruncated>false</IsTruncated>"), one);
  deepStrictEqual(await list(`<IsTruncated>false</IsTruncated>${token}`), one);
  for (
    const absent of ["", "<NextContinuationToken></NextContinuationToken>"]
  ) {
    await rejects(list(`<IsTruncated>true</IsTruncated>${absent}`), {
      name: "TransientError",
      message: /a truncated listing has no continuation token/,
    });
  }
});

Deno.test("openS3().checkCreate() refuses an absent bucket, and passes if only listing is denied", async () => {
  setCredentials();
  const check = async (bytes: string) => {
    await using server = startFaults({ bytes });
    await openS3("s3://bucket/prefix", {
      region: "us-east-1",
      endpoint: server.endpoint,
    }).checkCreate("scores.csv");
  };
  await rejects(check(s3Error(404, "NoSuchBucket")), (error) => {
    ok(error instanceof UsageError);
    match(
      error.message,
      /^Cannot write s3:\/\/bucket\/prefix\/scores\.csv: there is no bucket "bucket"/,
    );
    return true;
  });
  await check(s3Error(403, "AccessDenied"));
  await rejects(check(s3Error(403, "InvalidAccessKeyId")), UsageError);
});

Deno.test("openS3() accepts bytes that match their length, MD5 and checksums", async (t) => {
  const whole: Record<string, [ObjectAnswer["headers"], requests: number]> = {
    "the MD5 of an ETag": [{ etag: md5 }, 1],
    "a key of KMS, whose ETag is no MD5": [kms, 2],
    "a key of the client, whose ETag is no MD5": [{
      etag: kms.etag,
      "x-amz-server-side-encryption-customer-algorithm": "AES256",
    }, 2],
    "a directory bucket, whose ETag is no MD5": [{
      etag: kms.etag,
      "x-amz-storage-class": "EXPRESS_ONEZONE",
    }, 2],
    "several parts": [parts, 2],
    "the checksum of several parts": [
      { ...parts, "x-amz-checksum-crc32": "AAAAAA==-2" },
      2,
    ],
  };
  for (const [what, [headers, requests]] of Object.entries(whole)) {
    await t.step(what, async () => {
      const found = await findAnswered({ body: digits, headers });
      deepStrictEqual(found, { text: digits, requests });
    });
  }
  for (const header of checksumHeaders) {
    await t.step(`${Object.keys(header)}`, async () => {
      const headers = { ...kms, ...header };
      const found = await findAnswered({ body: digits, headers });
      deepStrictEqual(found, { text: digits, requests: 1 });
    });
  }
});

Deno.test("openS3() rejects wrong bytes as transient, without an outage", async (t) => {
  const cut = digits.slice(0, 6);
  const wrong: Record<string, [ObjectAnswer, RegExp]> = {
    "a flipped byte, MD5 ETag": [
      { body: flipped, headers: { etag: md5 } },
      /expected the MD5 25f9e794323b453885f5181f1b624d0b of its ETag, found 102a23a0e4661368943dacb516a18cc8/,
    ],
    "a cut body with its length shortened too, MD5 ETag": [
      { body: cut, headers: { etag: md5 } },
      /expected the MD5 25f9e7/,
    ],
    "an empty body, MD5 ETag": [
      { body: "", headers: { etag: md5 } },
      /expected the MD5 25f9e7.*found d41d8cd98f00b204e9800998ecf8427e/,
    ],
    "an MD5 that differs from a right checksum": [
      { body: digits, headers: { etag: kms.etag, ...checksumHeaders[0] } },
      /expected the MD5 0000/,
    ],
    "a cut body with its length shortened too, several parts": [
      { body: cut, headers: parts },
      /expected 9 bytes with the ETag "0+-2", found 6 with "0+-2"/,
    ],
    "a cut body with its length shortened too, KMS": [
      { body: cut, headers: kms },
      /expected 9 bytes.*found 6/,
    ],
    "an object of several parts that was replaced meanwhile": [
      {
        body: digits,
        headers: parts,
        head: { headers: { etag: '"11111111111111111111111111111111-2"' } },
      },
      /with the ETag "1+-2", found 9 with "0+-2"/,
    ],
    "a page in place of the object": [
      { body: "<html>Maintenance</html>", headers: {} },
      /not an S3 object: expected HTTP 200 with an ETag, found HTTP 200 without one/,
    ],
    "a page in place of the object, with its ETag": [
      { body: "<html>Maintenance</html>", headers: { etag: md5 } },
      /expected the MD5 25f9e7/,
    ],
    "a page in place of an object of several parts": [
      { body: "<html>Maintenance</html>", headers: parts },
      /expected 9 bytes.*found 24/,
    ],
  };
  for (const header of checksumHeaders) {
    for (const body of [flipped, cut]) {
      wrong[`${body} for ${digits}, ${Object.keys(header)}`] = [
        { body, headers: { ...kms, ...header } },
        /Checksum mismatch/,
      ];
    }
  }
  for (const [what, [object, message]] of Object.entries(wrong)) {
    await t.step(what, async () => {
      await rejects(findAnswered(object), (error) => {
        ok(error instanceof TransientError, String(error));
        match(error.message, message);
        match(error.message, /^Cannot read s3:\/\/bucket\/prefix\/weekly/);
        strictEqual(error.outage, undefined);
        return true;
      });
    });
  }
});

/** A profile as `aws configure` writes it. */
const profile = (word: string) =>
  `[default]\naws_access_key_id = AKIA${word}\naws_secret_access_key = secret/key+${word}\naws_session_token = session//token+${word}\n`;

Deno.test("openS3() reloads expired credentials once, and hides the contents of credential files", async (t) => {
  await using folder = await tempFolder();
  const file = `${folder.path}/credentials`;
  using _ = setEnvironment({
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SECRET_ACCESS_KEY: undefined,
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: `${folder.path}/absent`,
    AWS_SHARED_CREDENTIALS_FILE: file,
  });
  /** Expired is whoever does not send the token of `valid`; the first refusal renews the file with `next`. */
  const openWith = (valid: string, next: string) => {
    const answered: string[] = [];
    const server = startFaults(async (request) => {
      const token = /x-amz-security-token: .*\+(\w+)/i.exec(request)?.[1] ?? "";
      answered.push(token);
      if (answered.length === 1) await Deno.writeTextFile(file, profile(next));
      return {
        bytes: token === valid
          ? answer(200, digits, { headers: { etag: md5 } })
          : s3Error(400, "ExpiredToken"),
      };
    });
    return { server, answered };
  };
  const open = (endpoint: string) =>
    openS3("s3://bucket", { region: "us-east-1", endpoint });

  await t.step("a renewed file of credentials", async () => {
    await Deno.writeTextFile(file, profile("old"));
    const { server, answered } = openWith("new", "new");
    await using _ = server;
    const store = open(server.endpoint);
    deepStrictEqual(await store.find("a"), bytesOf(digits));
    deepStrictEqual(await store.find("a"), bytesOf(digits));
    deepStrictEqual(answered, ["old", "new", "new"]);
    for (const word of ["old", "new"]) {
      strictEqual(redact(`<secret/key+${word}>`), "<***>");
      strictEqual(redact(`<session//token+${word}>`), "<***>");
    }
  });

  await t.step("a file that was not renewed", async () => {
    await Deno.writeTextFile(file, profile("late"));
    const { server, answered } = openWith("never", "late");
    await using _ = server;
    await rejects(open(server.endpoint).find("a"), {
      name: "UsageError",
      message: /access denied \(ExpiredToken.*check the AWS credentials/,
    });
    deepStrictEqual(answered, ["late", "late"]);
  });
});

/** A file whose time of change is a minute ago. */
async function writeOld(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text);
  const then = new Date(Date.now() - 60_000);
  await Deno.utime(path, then, then);
}

const pause = (milliseconds: number) =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

Deno.test("openLocal() waits only for files that are still being written", async (t) => {
  await using folder = await tempFolder();
  const store = openLocal(folder.path);
  const path = `${folder.path}/weekly.jsonl`;
  const find = async () => {
    const startMs = performance.now();
    const bytes = await store.find("weekly.jsonl", { settled: true });
    const text = bytes && new TextDecoder().decode(bytes);
    return { text, ms: performance.now() - startMs };
  };

  await t.step("an old file is read at once", async () => {
    await writeOld(path, "old\n");
    const { text, ms } = await find();
    strictEqual(text, "old\n");
    ok(ms < 500, `${ms} ms`);
  });
  await t.step("a new file is read after two seconds", async () => {
    await Deno.writeTextFile(path, "new\n");
    const { text, ms } = await find();
    strictEqual(text, "new\n");
    ok(ms > 1500 && ms < 3500, `${ms} ms`);
    ok((await find()).ms < 500);
  });
  await t.step(
    "a file with a modification time in the future is read, too",
    async () => {
      const future = new Date(Date.now() + 3_600_000);
      await Deno.utime(path, future, future);
      const { text, ms } = await find();
      strictEqual(text, "new\n");
      ok(ms > 1500 && ms < 3500, `${ms} ms`);
    },
  );
  await t.step(
    "a file that grows line by line is read completely",
    async () => {
      const lines = ["1\n", "2\n", "3\n", "4\n", "5\n"];
      await Deno.writeTextFile(path, "0\n");
      const writing = (async () => {
        for (const line of lines) {
          await pause(700);
          await Deno.writeTextFile(path, line, { append: true });
        }
      })();
      strictEqual((await find()).text, ["0\n", ...lines].join(""));
      await writing;
    },
  );
  await t.step("an old file that grows during the wait", async () => {
    await writeOld(path, "0\n");
    await Deno.writeTextFile(path, "1\n", { append: true });
    const found = find();
    await pause(500);
    await writeOld(`${path}.new`, "renamed\n");
    await Deno.rename(`${path}.new`, path);
    strictEqual((await found).text, "renamed\n");
  });
  await t.step("a missing path or a folder is not a file", async () => {
    strictEqual(await store.find("absent", { settled: true }), undefined);
    await Deno.mkdir(`${folder.path}/made`);
    strictEqual(await store.find("made", { settled: true }), undefined);
  });
  await t.step(
    "a file that never stops changing is rejected as transient",
    async () => {
      await Deno.writeTextFile(path, "first\n");
      const timer = setInterval(
        () => Deno.writeTextFileSync(path, "more\n", { append: true }),
        300,
      );
      try {
        await rejects(find(), {
          name: "TransientError",
          message:
            /^Cannot read .*weekly\.jsonl: it is still being written .*write it under another name and rename it/,
        });
      } finally {
        clearInterval(timer);
      }
    },
  );
});

Deno.test("openS3() reports a missing object as absent, not as an error", async () => {
  setCredentials();
  await using server = startFaults({ bytes: s3Error(404, "NoSuchKey") });
  const store = openS3("s3://bucket", {
    region: "us-east-1",
    endpoint: server.endpoint,
  });
  strictEqual(await store.find("file"), undefined);
});

Deno.test("openArtifacts() rejects unsupported URIs, and lists the supported ones", () => {
  for (const uri of ["https://host/a", "gs://bucket/a", "dbfs:/a", "C:\\a"]) {
    throws(() => openArtifacts(uri, noS3), {
      name: "InputError",
      message: /expected s3:\/\/, mlflow-artifacts:\/, file:\/\/ or a folder/,
    });
  }
  throws(() => openArtifacts("mlflow-artifacts:/1/a", noS3), {
    name: "InputError",
    message: /set MLFLOW_TRACKING_URI/,
  });
});

Deno.test("parseS3Uri() strips slashes and rejects a URI without a bucket", () => {
  deepStrictEqual(parseS3Uri("s3://b"), {
    bucket: "b",
    prefix: "",
    root: "s3://b",
  });
  deepStrictEqual(parseS3Uri("s3a://b//x y//"), {
    bucket: "b",
    prefix: "x y",
    root: "s3://b/x y",
  });
  for (const uri of ["s3://", "s3:///key", "s3:b", "b/key"]) {
    throws(() => parseS3Uri(uri), InputError);
  }
});

Deno.test("openLocal().checkCreate() refuses nothing while others write the same file", async () => {
  await using folder = await tempFolder();
  const store = openLocal(folder.path);
  await Promise.all(
    Array.from(
      { length: 200 },
      (_, index) =>
        index % 2 === 0
          ? store.checkCreate("new/below/scores.csv")
          : store.write("new/below/scores.csv", everyByte),
    ),
  );
  deepStrictEqual(pathsOf(await store.list("")), ["new/below/scores.csv"]);
  deepStrictEqual(await store.find("new/below/scores.csv"), everyByte);
});

Deno.test("openLocal() writes one file concurrently, complete each time", async () => {
  await using folder = await tempFolder();
  const stores = Array.from({ length: 40 }, () => openLocal(folder.path));
  const bytes = new Uint8Array(10_000).fill(7);
  for (let round = 0; round < 5; round++) {
    await Promise.all(stores.map((store) => store.write("a/b", bytes)));
  }
  const found = await openLocal(folder.path).find("a/b");
  deepStrictEqual(found, bytes);
  const names = await Array.fromAsync(Deno.readDir(`${folder.path}/a`));
  deepStrictEqual(names.map(({ name }) => name), ["b"]);
});

Deno.test("a folder's listing shows another version of a file whose size and modification time are as before", async () => {
  await using folder = await tempFolder();
  const store = openLocal(folder.path);
  const path = `${folder.path}/week.jsonl`;
  const time = new Date("2026-11-23T00:00:00Z");
  const versionOf = async (text: string) => {
    await Deno.writeTextFile(path, text);
    await Deno.utime(path, time, time);
    const [file] = await store.list("");
    return file?.version;
  };
  const first = await versionOf("one");
  // Deno tells the time of change in whole seconds.
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  ok(first !== await versionOf("two"));
});
