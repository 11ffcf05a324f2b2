import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { openLocal } from "../lib/artifacts/local.ts";
import type { ArtifactStore } from "../lib/artifacts/store.ts";
import { sha256 } from "../lib/digest.ts";
import { InputError, TransientError, UsageError } from "../lib/errors.ts";
import {
  readNamedFiles,
  readNewData,
  readVariantFile,
  type VariantPlaces,
  writeNamedFile,
} from "../lib/inputs.ts";
import { toVariant } from "../lib/variant.ts";
import { tempFolder } from "./support/servers.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const sample = "data/churn/X_test_sample_2.json";
const local = "data/geography-us/churn/X_test_sample_2.json";

/** Configured places in folders: a bucket of the variant's own, and the project. */
function placesIn(
  folder: string,
  more: Partial<VariantPlaces> = {},
): VariantPlaces {
  return {
    variant: toVariant({ geography: "US" }),
    bucket: openLocal(`${folder}/bucket/geography-us`),
    project: openLocal(`${folder}/project`),
    embedded: false,
    attempt: (_, step) => step(),
    ...more,
  };
}

/** A bucket whose every read fails so. */
function failing(error: Error): ArtifactStore {
  return {
    uri: "s3://bucket/geography-us",
    find: () => Promise.reject(error),
    write: () => Promise.reject(error),
    list: () => Promise.reject(error),
  };
}

/** Reads new data and keeps what was said. */
async function read(places: VariantPlaces, fallback = true) {
  const said: string[] = [];
  const say = (text: string) => void said.push(text);
  const { source, bytes } = await readNewData(places, sample, {
    fallback,
    say,
  });
  return { source, text: new TextDecoder().decode(bytes), said };
}

Deno.test("readNewData() takes the bucket's object, whatever is local", async () => {
  await using folder = await tempFolder();
  const places = placesIn(folder.path);
  await places.bucket!.write(sample, encode("bucket"));
  await places.project.write(local, encode("local"));
  deepStrictEqual(await read(places), {
    source: "s3",
    text: "bucket",
    said: [],
  });
});

Deno.test("readNewData() falls back loudly when the object is missing or S3 is away, and only then", async () => {
  await using folder = await tempFolder();
  const places = placesIn(folder.path);
  await places.project.write(local, encode("local"));
  const away = failing(new TransientError("S3 is away"));
  for (const bucket of [places.bucket, away]) {
    const { source, text, said } = await read({ ...places, bucket });
    deepStrictEqual([source, text, said.length], [
      "local-fallback",
      "local",
      1,
    ]);
    match(said[0]!, /^FALLBACK: .*the ledger and the run record it/);
  }
  for (const error of [new UsageError("refused"), new TypeError("a defect")]) {
    await rejects(read({ ...places, bucket: failing(error) }), error);
  }
  const noBucket = { ...places, bucket: undefined };
  await rejects(read(noBucket), {
    name: "UsageError",
    message: /MLFLOW_S3_BUCKET/,
  });
});

Deno.test("readNewData() without fallback keeps the kind of the failure", async () => {
  await using folder = await tempFolder();
  const places = placesIn(folder.path);
  await places.project.write(local, encode("local"));
  const says = { message: /and --no-fallback keeps the local folder out/ };
  await rejects(read(places, false), { name: "InputError", ...says });
  const bucket = failing(new TransientError("S3 is away"));
  await rejects(read({ ...places, bucket }, false), {
    name: "TransientError",
    ...says,
  });
});

Deno.test("readNewData() never falls back to the shipped sample, nor to nothing", async () => {
  await using folder = await tempFolder();
  const places = placesIn(folder.path);
  await rejects(read(places), {
    name: "InputError",
    message: new RegExp(`there is no ${local} to fall back to`),
  });
  const manifest = { files: { sample: { sha256: sha256(encode("shipped")) } } };
  await places.project.write(
    "models/geography-us/churn/manifest.json",
    encode(JSON.stringify(manifest)),
  );
  await places.project.write(local, encode("shipped"));
  await rejects(read(places), /only the shipped synthetic sample/);
  await places.project.write(local, encode("of the user"));
  strictEqual((await read(places)).source, "local-fallback");
});

Deno.test("readVariantFile() reads the local folder when embedded, and names the place of what is missing", async () => {
  await using folder = await tempFolder();
  const places = placesIn(folder.path, { embedded: true, bucket: undefined });
  await rejects(readVariantFile(places, sample), (error) => {
    ok(error instanceof InputError);
    ok(
      error.message.includes(`${folder.path}/project/${local}`),
      error.message,
    );
    return true;
  });
  await places.project.write(local, encode("local"));
  const { source, uri } = await readVariantFile(places, sample);
  deepStrictEqual([source, uri], ["local", `${folder.path}/project/${local}`]);
});

Deno.test("readNamedFiles() takes one file, or all that a pattern matches, in order of name", async () => {
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
    (await readNamedFiles(`${folder.path}/${pattern}`, openLocal))
      .map(({ uri }) => uri.slice(folder.path.length + 1));
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

Deno.test("writeNamedFile() writes below any folder", async () => {
  await using folder = await tempFolder();
  await writeNamedFile(`${folder.path}/new/scores.csv`, encode("x"), openLocal);
  strictEqual(await Deno.readTextFile(`${folder.path}/new/scores.csv`), "x");
});
