/** The batches of a call: by period in the bucket or the folder, and by name. */
import {
  deepStrictEqual,
  match,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  InputError,
  TransientError,
  UsageError,
} from "../../lib/base/errors.ts";
import { toPathPattern } from "../../lib/config/periods.ts";
import { toVariant } from "../../lib/config/variant.ts";
import {
  findBatches,
  findDefaultBatches,
  findNamedBatch,
  type InputBatch,
} from "../../lib/services/input-batches.ts";
import type { VariantFiles } from "../../lib/services/variant-files.ts";
import { openLocal } from "../../lib/storage/local.ts";
import type { ArtifactStore } from "../../lib/storage/store.ts";
import { tempFolder } from "../support/servers.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** A bucket and a project in folders. */
async function startPlaces() {
  const folder = await tempFolder();
  const bucket = openLocal(`${folder.path}/bucket/geography-us`);
  const project = openLocal(`${folder.path}/project`);
  const files: VariantFiles = {
    variant: toVariant({ geography: "US" }),
    bucket,
    project,
    embedded: false,
    withRetry: (_, step) => step(),
  };
  return {
    path: folder.path,
    bucket,
    project,
    files,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function search(inputs: string, { fallback = true } = {}) {
  const warnings: string[] = [];
  return {
    warnings,
    inputs: toPathPattern(inputs, "inputs"),
    manifest: undefined,
    fallback,
    log: { warn: (text: string) => void warnings.push(text) },
  };
}

/** Period, source and file names of each batch. */
const shapeOf = (batches: readonly InputBatch[]) =>
  batches.map(({ period, source, parts }) => [
    period,
    source,
    parts.map(({ uri }) => uri.slice(uri.lastIndexOf("/") + 1)),
  ]);

const away: ArtifactStore = {
  uri: "s3://bucket/geography-us",
  find: () => Promise.reject(outage()),
  open: () => Promise.reject(outage()),
  create: () => Promise.reject(outage()),
  checkCreate: () => Promise.reject(outage()),
  write: () => Promise.reject(outage()),
  list: () => Promise.reject(outage()),
};

const outage = () =>
  new TransientError("S3 is unavailable", { outage: "unreachable" });

Deno.test("findBatches() returns one batch per period, oldest first, its files by name", async () => {
  await using places = await startPlaces();
  const { bucket, files } = places;
  for (
    const path of [
      "weekly/2026-W48/b.parquet",
      "weekly/2026-W48/a.parquet",
      "weekly/2026-W47/a.parquet",
      "weekly/2026-W47/_SUCCESS",
      "weekly/2026-W47.manifest.json",
      "weekly/latest/a.parquet",
      "weekly/2026-W47/deep/a.parquet",
    ]
  ) await bucket.write(path, encode(path));
  const found = await findBatches(files, search("weekly/{period}/*.parquet"));
  deepStrictEqual(shapeOf(found), [
    ["2026-11-16", "s3", ["a.parquet"]],
    ["2026-11-23", "s3", ["a.parquet", "b.parquet"]],
  ]);
  match(found[1]!.uri, /weekly\/2026-W48\/\*\.parquet$/);
  const manifest = await found[0]!.readManifest();
  match(manifest?.uri ?? "", /weekly\/2026-W47\.manifest\.json$/);
  strictEqual(await found[1]!.readManifest(), undefined);

  // A file that is written again, added or removed changes the version; nothing else does.
  const again = await findBatches(files, search("weekly/{period}/*.parquet"));
  deepStrictEqual(
    again.map(({ version }) => version),
    found.map(({ version }) => version),
  );
  await new Promise((resolve) => setTimeout(resolve, 10));
  await bucket.write(
    "weekly/2026-W48/a.parquet",
    encode("WEEKLY/2026-W48/A.PARQUET"),
  );
  const changed = await findBatches(files, search("weekly/{period}/*.parquet"));
  deepStrictEqual(
    changed.map(({ version }, index) => version === found[index]!.version),
    [true, false],
  );
});

Deno.test("findBatches() finds the side file by its pattern, wherever the period is spelled", async () => {
  await using places = await startPlaces();
  const { bucket, files } = places;
  for (
    const path of [
      "in/eu/2026-11-23.jsonl",
      "in/us/2026-11-23.jsonl",
      "in/us/2026-W48.manifest.json",
      "sides/2026-W48.json",
    ]
  ) await bucket.write(path, encode(path));
  const options = search("in/*/{period}.jsonl");
  const sideOf = async (manifest?: string) => {
    const [batch] = await findBatches(files, {
      ...options,
      manifest: manifest === undefined
        ? undefined
        : toPathPattern(manifest, "expect.manifest"),
    });
    return (await batch!.readManifest())?.uri.split("/").slice(-2).join("/");
  };
  strictEqual(await sideOf(), "us/2026-W48.manifest.json");
  strictEqual(await sideOf("sides/{period}.json"), "sides/2026-W48.json");
  await bucket.write("in/eu/2026-W48.manifest.json", encode("{}"));
  await rejects(sideOf(), /Cannot tell which side file belongs to 2026-11-23/);
});

Deno.test("findBatches() falls back to the folder if the bucket has no such file or is away, and never to shipped data", async () => {
  await using places = await startPlaces();
  const { project, files } = places;
  const pattern = "data/churn/weekly/{period}.jsonl";
  await rejects(findBatches(files, search(pattern)), InputError);
  const text = encode("rows");
  await project.write("data/geography-us/churn/weekly/2026-11-23.jsonl", text);
  for (const bucket of [files.bucket, away]) {
    const options = search(pattern);
    const found = await findBatches({ ...files, bucket }, options);
    deepStrictEqual(shapeOf(found), [
      ["2026-11-23", "local-fallback", ["2026-11-23.jsonl"]],
    ]);
    match(options.warnings.join(), /Falling back to .*2026-11-23\.jsonl/);
    await rejects(
      findBatches({ ...files, bucket }, search(pattern, { fallback: false })),
      /--no-fallback/,
    );
  }
  const digest = createHash("sha256").update(text).digest("hex");
  await project.write(
    "models/geography-us/churn/manifest.json",
    encode(JSON.stringify({ weekly: [{ sha256: digest }] })),
  );
  await rejects(
    findBatches(files, search(pattern)),
    /only the shipped synthetic data/,
  );
  const refused = {
    ...files,
    bucket: {
      ...away,
      list: () => Promise.reject(new UsageError("access denied")),
    },
  };
  await rejects(findBatches(refused, search(pattern)), /access denied/);
});

Deno.test("findBatches() finds the variant's files in a folder at the top of the project", async () => {
  await using places = await startPlaces();
  const { project, files } = places;
  await project.write("exports/geography-us/2026-W48/a.csv", encode("a"));
  await project.write("exports/geography-us/2026-W48.csv", encode("b"));
  await project.write(
    "exports/geography-us/2026-W48.manifest.json",
    encode("{}"),
  );
  for (const pattern of ["exports/{period}/*.csv", "exports/{period}.csv"]) {
    const [batch] = await findBatches(
      { ...files, embedded: true },
      search(pattern),
    );
    strictEqual(batch?.period, "2026-11-23");
    match((await batch.readManifest())?.uri ?? "", /2026-W48\.manifest\.json$/);
  }
});

Deno.test("findBatches() warns of newer files that do not match, which would be missed without a word", async () => {
  await using places = await startPlaces();
  const { bucket, files } = places;
  await bucket.write("in/2026-11-23.jsonl", encode("a"));
  const warningsOf = async (pattern = "in/{period}.jsonl") => {
    const options = search(pattern);
    await findBatches(files, options);
    return options.warnings.join();
  };
  for (
    const path of [
      "in/2026-11-16.csv", // older
      "in/2026-11-30.manifest.json", // the side file comes first
      "in/_2026-11-30.jsonl",
      "in/2026-11-30/_SUCCESS",
      "in/part-12345678.jsonl",
      "in/readme.md",
      "other/2026-11-30.jsonl",
    ]
  ) await bucket.write(path, encode(path));
  strictEqual(await warningsOf(), "");
  for (
    const path of [
      "in/2026-11-30.csv",
      "in/2026-11-31.jsonl", // no such day
      "in/2026-W54.jsonl",
      "in/2026_11_30.jsonl",
      "in/2026-W49/a.jsonl",
      "in/20261130.jsonl.gz",
    ]
  ) {
    await using other = await startPlaces();
    await other.bucket.write("in/2026-11-23.jsonl", encode("a"));
    await other.bucket.write(path, encode(path));
    const options = search("in/{period}.jsonl");
    await findBatches(other.files, options);
    match(
      options.warnings.join(),
      new RegExp(
        `Not scored: [^ ]*${path}: the name has a period after 2026-11-23, but inputs are in/`,
      ),
    );
  }
});

Deno.test("findDefaultBatches() takes weekly files where there are any, otherwise the documented key", async () => {
  await using places = await startPlaces();
  const { bucket, project, files } = places;
  const sample = "data/churn/X_test_sample_2.json";
  const warnings: string[] = [];
  const find = async (stores: VariantFiles = files) => {
    const { inputs: _, ...found } = search("unused");
    const options = {
      ...found,
      log: { warn: (text: string) => void warnings.push(text) },
    };
    return shapeOf(await findDefaultBatches(stores, { ...options, sample }));
  };
  await bucket.write(sample, encode("rows"));
  // Weekly files that are shipped in the folder do not replace the bucket's key.
  await project.write(
    "data/geography-us/churn/weekly/2026-11-23.jsonl",
    encode("x"),
  );
  deepStrictEqual(await find(), [[undefined, "s3", ["X_test_sample_2.json"]]]);
  // A login that may read but not list.
  const readOnly = {
    ...bucket,
    list: () => Promise.reject(new UsageError("access denied")),
  };
  deepStrictEqual(await find({ ...files, bucket: readOnly }), [
    [undefined, "s3", ["X_test_sample_2.json"]],
  ]);
  match(warnings.join(), /Cannot look for weekly files.*access denied/);
  // S3 that is away when it is listed is not asked for the sample afterwards.
  const reads: string[] = [];
  const half = {
    ...bucket,
    list: () => Promise.reject(outage()),
    open: (path: string) => {
      reads.push(path);
      return bucket.open(path);
    },
  };
  await rejects(
    find({ ...files, bucket: half }),
    /there is no .* to fall back to/,
  );
  await project.write(
    "data/geography-us/churn/X_test_sample_2.json",
    encode("local rows"),
  );
  deepStrictEqual(await find({ ...files, bucket: half }), [
    [undefined, "local-fallback", ["X_test_sample_2.json"]],
  ]);
  deepStrictEqual(reads, []);
  await bucket.write("data/churn/weekly/2026-11-30.jsonl", encode("y"));
  deepStrictEqual(await find(), [["2026-11-30", "s3", ["2026-11-30.jsonl"]]]);
  deepStrictEqual(await find({ ...files, embedded: true }), [
    ["2026-11-23", "local", ["2026-11-23.jsonl"]],
  ]);
});

Deno.test("findNamedBatch() makes one batch of files and patterns, in the order of the flags", async () => {
  await using places = await startPlaces();
  const { bucket, path } = places;
  for (const name of ["b", "a", "c"]) {
    await bucket.write(`${name}.jsonl`, encode(name));
  }
  const folder = `${path}/bucket/geography-us`;
  const options = {
    open: openLocal,
    stdin: undefined,
    period: "2026-11-23",
  };
  await using batch = await findNamedBatch([
    `${folder}/c.jsonl`,
    `${folder}/*.jsonl`,
  ], options);
  deepStrictEqual(shapeOf([batch]), [
    ["2026-11-23", "local", ["c.jsonl", "a.jsonl", "b.jsonl", "c.jsonl"]],
  ]);
  strictEqual(batch.uri, `${folder}/c.jsonl and 2 more`);
  await rejects(
    findNamedBatch([`${folder}/*.csv`], options),
    /Cannot find .*\*\.csv: there is no such file/,
  );
});
