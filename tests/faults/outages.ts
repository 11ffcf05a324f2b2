/** S3 and Secrets Manager behind a proxy that fails as networks do, and a password that is rotated in mid-run. */
import { readDatabaseSecret } from "../../lib/aws/secrets.ts";
import { TransientError } from "../../lib/base/errors.ts";
import { retry } from "../../lib/base/retry.ts";
import { openS3 } from "../../lib/storage/s3.ts";
import {
  deleteObject,
  makeBucket,
  putObject,
  putSecret,
  rotateSecret,
  uploadParts,
} from "../support/aws.ts";
import { seededNumbers } from "../support/ensembles.ts";
import { setEnvironment } from "../support/environment.ts";
import { startHttpProxy } from "../support/http_proxy.ts";
import { openDatabase } from "../support/mlflow_stores.ts";
import { type MotoServer, startMoto } from "../support/servers.ts";
import { prepareBatch } from "./batch.ts";
import { type Damage, damages, throttle } from "./damages.ts";
import { lastWords, sleep, startPredict } from "./process.ts";
import {
  type FaultFamily,
  type FaultOptions,
  type FaultResult,
  isClean,
  reproOf,
} from "./result.ts";
import { borrowPostgresStore } from "./store.ts";
import { checkScores, recover, startTally, type Tally } from "./tally.ts";

/** A second in place of half a minute, so that silence costs less time here. */
const limits = { region: "us-east-1", silenceMs: 1_000 };

/** As `predict` retries, without its pauses. */
const policy = { retries: 3, delaySeconds: 0, log: { warn() {} } };

/** Longer than any read may take: four attempts, each of up to three requests that the SDK makes three times. */
const deadlineMs = 60_000;

const credentials = {
  AWS_ACCESS_KEY_ID: "testing",
  AWS_SECRET_ACCESS_KEY: "testing",
};

/** Returns bytes that differ everywhere, determined by `seed`. */
function contentOf(length: number, seed: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    { length },
    (_, at) => ((at + seed) * 2_654_435_761) >>> 24,
  );
}

const small = contentOf(40_000, 1);
const large = contentOf((8 << 20) + 300_000, 2);
const replacement = contentOf((8 << 20) + 300_000, 3);

/** How S3 protects an object: by a CRC-32, by an ETag that is an MD5, or, after an upload in parts, by neither. */
const protections = ["crc", "md5", "parts"];

/** One object in fifty is read by ranges. */
const shareOfLarge = 0.02;

/** Stores a small and a large object of each protection. */
async function putObjects(moto: MotoServer): Promise<void> {
  await makeBucket(moto, "faults");
  const settings = { ...limits, endpoint: moto.endpoint };
  for (const [size, bytes] of Object.entries({ small, large })) {
    await openS3("s3://faults", settings).write(`${size}/crc`, bytes);
    await putObject(moto, `faults/${size}/md5`, bytes);
    const parts = [bytes.slice(0, 6 << 20), bytes.slice(6 << 20)];
    await uploadParts(
      moto,
      `faults/${size}/parts`,
      parts.filter((part) => part.length > 0),
    );
  }
}

/** One read of an object whose answers are damaged. */
interface Read {
  readonly moto: MotoServer;
  readonly path: string;
  /** The versions of the object, each whole. */
  readonly versions: readonly Uint8Array[];
  /** Returns what happens to the next answer. */
  readonly next: () => Damage | undefined;
  /** Called before a request is passed on. */
  readonly before?: () => Promise<void>;
  readonly random: () => number;
}

/** What a fault did in all its tries. */
interface Counts {
  requests: number;
  damaged: number;
  gaveUp: number;
  slowestMs: number;
}

/** Reads once through a proxy and counts what is wrong. */
async function readOnce(
  { moto, path, versions, next, before, random }: Read,
  { seed, tally, counts }: { seed: number; tally: Tally; counts: Counts },
): Promise<void> {
  let calm = false;
  await using proxy = startHttpProxy(moto, async (request, forward) => {
    if (calm) return await forward(request.path);
    counts.requests++;
    await before?.();
    const answer = await forward(request.path);
    const damage = next();
    const damaged = damage?.({ request, answer, random }) ?? answer;
    if (damaged !== answer) counts.damaged++;
    return damaged;
  });
  const store = openS3("s3://faults", { ...limits, endpoint: proxy.endpoint });
  const read = () =>
    retry(`read ${path}`, policy, async () => {
      await using file = await store.open(path);
      if (!file) return undefined;
      // Copies, because a piece is only valid until the next one is asked for.
      const copy = (piece: Uint8Array<ArrayBuffer>) => piece.slice();
      return await new Blob(await Array.fromAsync(file.stream(), copy)).bytes();
    });
  const check = (bytes: Uint8Array | undefined) => {
    if (versions.some((version) => isSame(version, bytes))) return;
    const what = `${path}: ${bytes?.length ?? "no"} bytes of no version`;
    tally.fail("wrong", { seed, what });
  };
  const startMs = performance.now();
  try {
    check(await read());
  } catch (error) {
    counts.gaveUp++;
    if (!(error instanceof TransientError)) {
      tally.fail("wrong", { seed, what: `${path}: ${error}` });
    }
  }
  const ms = performance.now() - startMs;
  counts.slowestMs = Math.max(counts.slowestMs, ms);
  if (ms > deadlineMs) {
    tally.fail("unfinished", { seed, what: `${path} took ${ms} ms` });
  }
  calm = true;
  try {
    check(await read());
  } catch (error) {
    tally.fail("unfinished", { seed, what: `${path}, then: ${error}` });
  }
}

function isSame(a: Uint8Array, b: Uint8Array | undefined): boolean {
  if (a.length !== b?.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** Runs tries, eight at a time. */
async function runTries(
  tries: number,
  run: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < tries) await run(next++);
  };
  await Promise.all(Array.from({ length: 8 }, work));
}

/** Reads objects while each answer is damaged with probability `rate`. */
async function damageAnswers(
  moto: MotoServer,
  { seed, tries }: FaultOptions,
  options: { fault: string; rate: number; kinds: readonly Damage[] },
): Promise<FaultResult> {
  const { fault, rate, kinds } = options;
  const tally = startTally("s3", { fault, seed });
  const counts = { requests: 0, damaged: 0, gaveUp: 0, slowestMs: 0 };
  await runTries(tries, async (index) => {
    const random = seededNumbers(seed + index);
    const isLarge = random() < shareOfLarge;
    const path = `${isLarge ? "large" : "small"}/${
      protections[(seed + index) % protections.length]
    }`;
    await readOnce({
      moto,
      path,
      versions: [isLarge ? large : small],
      next: () =>
        random() < rate
          ? kinds[Math.floor(random() * kinds.length)]
          : undefined,
      random,
    }, { seed: seed + index, tally, counts });
  });
  return tally.toResult({ tries, remark: remarkOf(counts) });
}

/** Reads large objects that are replaced before some of the requests. */
async function replaceObjects(
  moto: MotoServer,
  { seed, tries }: FaultOptions,
): Promise<FaultResult> {
  const fault = "S3: object replaced between ranges";
  const tally = startTally("s3", { fault, seed });
  const counts = { requests: 0, damaged: 0, gaveUp: 0, slowestMs: 0 };
  const versions = [large, replacement];
  await runTries(tries, async (index) => {
    const random = seededNumbers(seed + index);
    const path = `replaced/${index}`; // of this try alone: eight run at once
    let current = 0;
    await putObject(moto, `faults/${path}`, large);
    await readOnce({
      moto,
      path,
      versions,
      next: () => undefined,
      async before() {
        if (random() >= 0.3) return;
        counts.damaged++;
        current = 1 - current;
        await putObject(moto, `faults/${path}`, versions[current]!);
      },
      random,
    }, { seed: seed + index, tally, counts });
    await deleteObject(moto, `faults/${path}`);
  });
  return tally.toResult({ tries, remark: remarkOf(counts) });
}

function remarkOf({ requests, damaged, gaveUp, slowestMs }: Counts): string {
  return `${damaged} of ${requests} requests damaged; ${gaveUp} reads gave up after 4 attempts, as exit code 75; slowest read ${
    (slowestMs / 1000).toFixed(1)
  } s`;
}

const { fail, cutKeepingLength, cutWithoutLength, shorten } = damages;
const { stall, drip, flip, misstate, page, pageWithHeaders } = damages;

/** The faults of S3, each with its share of the tries. */
const faultsOfS3: readonly {
  readonly fault: string;
  readonly share: number;
  readonly rate: number;
  readonly kinds: readonly Damage[];
}[] = [
  { fault: "S3: 30 % 5xx", share: 0.2, rate: 0.3, kinds: [fail] },
  {
    fault: "S3: body cut, Content-Length kept",
    share: 0.12,
    rate: 0.3,
    kinds: [cutKeepingLength],
  },
  {
    fault: "S3: body cut, Content-Length shortened or absent",
    share: 0.15,
    rate: 0.3,
    kinds: [cutWithoutLength, shorten],
  },
  {
    fault: "S3: body that stalls or drips",
    share: 0.05,
    rate: 0.3,
    kinds: [stall, drip],
  },
  { fault: "S3: flipped byte", share: 0.15, rate: 0.3, kinds: [flip] },
  {
    fault: "S3: wrong checksum or ETag",
    share: 0.1,
    rate: 0.3,
    kinds: [misstate],
  },
  {
    fault: "S3: HTML page with status 200",
    share: 0.1,
    rate: 0.3,
    kinds: [page, pageWithHeaders],
  },
  {
    fault: "S3: all of these at once",
    share: 0.12,
    rate: 0.5,
    kinds: [
      ...[fail, fail, fail, cutKeepingLength, cutWithoutLength, shorten],
      ...[flip, misstate, page, pageWithHeaders, stall],
    ],
  },
];

const shareOfReplaced = 0.01;

const s3: FaultFamily = {
  name: "s3",
  small: 100,
  full: 10_000,
  async run({ seed, tries }) {
    await using moto = await startMoto();
    using _ = setEnvironment(credentials);
    await putObjects(moto);
    const part = (share: number) => ({
      seed,
      tries: Math.max(1, Math.round(tries * share)),
    });
    const results: FaultResult[] = [];
    for (const { share, ...fault } of faultsOfS3) {
      results.push(await damageAnswers(moto, part(share), fault));
    }
    results.push(await replaceObjects(moto, part(shareOfReplaced)));
    const repro = reproOf("s3", { seed, tries });
    return results.map((result) =>
      isClean(result) ? { ...result, repro } : result
    );
  },
};

/** Reads a secret while half of the answers are throttled or 5xx, or never come. */
async function throttleSecrets(
  moto: MotoServer,
  { seed, tries }: FaultOptions,
): Promise<FaultResult> {
  const fault = "Secrets Manager throttled, 5xx or silent";
  const tally = startTally("secrets", { fault, seed });
  const counts = { requests: 0, damaged: 0, gaveUp: 0, slowestMs: 0 };
  const password = "faults";
  await putSecret(moto, "throttled", { username: "me", password });
  await runTries(tries, async (index) => {
    const each = { seed: seed + index };
    const random = seededNumbers(each.seed);
    await using proxy = startHttpProxy(moto, async (request, forward) => {
      counts.requests++;
      const answer = await forward(request.path);
      if (random() < 0.5) return answer;
      counts.damaged++;
      const kind = random();
      const damage = kind < 0.6 ? throttle : kind < 0.9 ? fail : stall;
      return damage({ request, answer, random });
    });
    const startMs = performance.now();
    try {
      const secret = await retry(
        "read a secret",
        policy,
        () =>
          readDatabaseSecret("throttled", {
            ...limits,
            endpoint: proxy.endpoint,
          }),
      );
      if (secret.password !== password) {
        tally.fail("wrong", { ...each, what: "another password" });
      }
    } catch (error) {
      counts.gaveUp++;
      if (!(error instanceof TransientError)) {
        tally.fail("wrong", { ...each, what: String(error) });
      }
    }
    const ms = performance.now() - startMs;
    counts.slowestMs = Math.max(counts.slowestMs, ms);
    if (ms > deadlineMs) {
      tally.fail("unfinished", { ...each, what: `it took ${ms} ms` });
    }
  });
  return tally.toResult({ tries, remark: remarkOf(counts) });
}

/** Rotates the password of the login at a random time of a run; in half of the tries its connections end, too. */
async function rotatePasswords(
  moto: MotoServer,
  { seed, tries }: FaultOptions,
): Promise<FaultResult> {
  const fault = "password rotated in mid-run";
  const tally = startTally("secrets", { fault, seed });
  await using store = await borrowPostgresStore();
  const batch = await prepareBatch(store, { rows: 20_000 });
  await using admin = await openDatabase(store.server, "postgres");
  const { host, port } = store.server;
  const secretOf = (dbname: string, password: string) => ({
    ...{ username: "rotated", password, host, port, dbname },
  });
  await admin.query("drop role if exists rotated");
  await admin.query("create role rotated superuser login password 'first'");
  await putSecret(moto, "mlflow", secretOf("mlflow_db", "first"));
  await putSecret(moto, "predictions", secretOf("predictions", "first"));
  const { MLFLOW_TRACKING_URI: _, PREDICTIONS_DATABASE_URL: __, ...env } =
    store.env;
  for (let index = 0; index < tries; index++) {
    const each = { seed: seed + index, tally };
    const random = seededNumbers(each.seed);
    const running = startPredict(
      [...batch.args, "--retries", "3", "--retry-delay", "0"],
      {
        env: {
          ...env,
          ...moto.env,
          MLFLOW_SECRET_NAME: "mlflow",
          PREDICTIONS_SECRET_NAME: "predictions",
        },
      },
    );
    await sleep(random() * batch.seconds * 1000);
    const password = `password-${index}`;
    await admin.query(`alter role rotated password '${password}'`);
    await Promise.all([
      rotateSecret(moto, "mlflow", secretOf("mlflow_db", password)),
      rotateSecret(moto, "predictions", secretOf("predictions", password)),
    ]);
    if (random() < 0.5) {
      await admin.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'rotated'",
      );
    }
    const ended = await running.ended;
    if (ended.code !== 0) {
      tally.fail("unfinished", { ...each, what: lastWords(ended) });
    } else await checkScores(store, batch, each);
    await recover(store, batch, each);
  }
  await admin.query("drop role rotated");
  return tally.toResult({
    tries,
    remark:
      "20 k rows; in half of the tries the server also ends the connections",
  });
}

const secrets: FaultFamily = {
  name: "secrets",
  small: 20,
  full: 500,
  async run({ seed, tries }) {
    await using moto = await startMoto();
    using _ = setEnvironment(credentials);
    return [
      await throttleSecrets(moto, { seed, tries }),
      await rotatePasswords(moto, {
        seed,
        tries: Math.max(2, Math.round(tries / 10)),
      }),
    ];
  },
};

export const outages: readonly FaultFamily[] = [s3, secrets];
