/** The shipped models and data are what models/README.md says of them. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { toVariants, type VariantSettings } from "../../lib/config/variants.ts";
import { parseYaml } from "../../lib/base/yaml.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { tempFolder } from "../support/servers.ts";

type Row = Record<string, unknown>;

interface Manifest {
  variant: string;
  geography: string | null;
  company: string | null;
  training_date: string;
  training: { rows: number; base_rate: number };
  metrics: { rows: number; base_rate: number };
  files: Record<
    "model" | "features" | "sample" | "evaluation",
    { name: string; bytes: number; sha256: string }
  >;
  weekly: { name: string; bytes: number; sha256: string }[];
}

const root = new URL("../../", import.meta.url);
const seedNames = new URL("../shared/seed/feature_names_3.json", root);
/** Of `feature_names_3.json` as the earlier Python version of this project has it. */
const seedNamesDigest =
  "961694d4125262b65e28f2a1aadcf004f1fdaeca96affd1fbb78a4b7635f99ae";

const money = ["total_deposit", "total_handle", "total_ngr"];
const groups = ["brand_id_", "ben_login_id_", "player_reg_product_"];

const { listed } = toVariants(
  parseYaml(await read("variants.yaml"), { file: "variants.yaml" }),
);

for (const settings of listed) {
  const { variant, files, label, idColumn = "" } = settings;
  const title = `shipped data of ${variant.title}`;

  Deno.test(`${title} has the digests in its manifest and in the README`, async () => {
    const manifest = await readManifest(settings);
    const readme = await read("models/README.md");
    for (const [role, stated] of Object.entries(manifest.files)) {
      const path = shippedPath(files[role as keyof typeof files], settings);
      const bytes = await Deno.readFile(new URL(path, root));
      strictEqual(path.split("/").at(-1), stated.name);
      strictEqual(bytes.length, stated.bytes, path);
      strictEqual(sha256(bytes), stated.sha256, path);
      ok(
        readme.includes(`\`${stated.sha256}\``),
        `${path} in models/README.md`,
      );
    }
  });

  Deno.test(`${title} has three weeks with the digests in its manifest, each with every player once`, async () => {
    const { weekly } = await readManifest(settings);
    deepStrictEqual(
      weekly.map(({ name }) => name),
      ["2026-11-09.jsonl", "2026-11-16.jsonl", "2026-11-23.jsonl"],
    );
    for (const { name, bytes: size, sha256: digest } of weekly) {
      const path = shippedPath(`data/churn/weekly/${name}`, settings);
      const bytes = await Deno.readFile(new URL(path, root));
      strictEqual(bytes.length, size, path);
      strictEqual(sha256(bytes), digest, path);
      const players = new TextDecoder().decode(bytes).trim().split("\n")
        .map((line) => JSON.parse(line)[idColumn]);
      strictEqual(new Set(players).size, 400, path);
    }
  });

  Deno.test(`${title} has a manifest for its variant with a training date`, async () => {
    const manifest = await readManifest(settings);
    strictEqual(manifest.variant, variant.key);
    strictEqual(manifest.geography, variant.geography ?? null);
    strictEqual(manifest.company, variant.company ?? null);
    const date = new Date(manifest.training_date);
    strictEqual(date.toISOString().slice(0, 10), manifest.training_date);
  });

  Deno.test(`${title} has the 45 features of the earlier Python version`, async () => {
    const names = await readNames(settings);
    strictEqual(names.length, 45);
    strictEqual(sha256(JSON.stringify(names)), seedNamesDigest);
  });

  Deno.test(`${title} has an id and every feature in each row, and a label where labelled`, async () => {
    const names = await readNames(settings);
    for (const row of await readRows(files.sample, settings)) {
      deepStrictEqual(Object.keys(row), [idColumn, ...names]);
      checkValues(row, names);
    }
    for (const row of await readRows(files.evaluation, settings)) {
      deepStrictEqual(Object.keys(row), [idColumn, ...names, label]);
      ok(row[label] === 0 || row[label] === 1, String(row[idColumn]));
      checkValues(row, names);
    }
  });

  Deno.test(`${title} has each player once`, async () => {
    const ids = (await readAllRows(settings)).map((row) => row[idColumn]);
    ok(ids.every((id) => /^P-[A-Z-]+-\d{6}$/.test(String(id))));
    strictEqual(new Set(ids).size, ids.length);
  });

  Deno.test(`${title} has the documented shares of churn, gaps and unknown categories`, async () => {
    const { training, metrics } = await readManifest(settings);
    const labelled = await readRows(files.evaluation, settings);
    const churned = labelled.filter((row) => row[label] === 1).length;
    strictEqual(metrics.rows, labelled.length);
    ok(Math.abs(metrics.base_rate - churned / labelled.length) < 1e-9);
    for (const { base_rate: rate } of [training, metrics]) {
      ok(rate >= 0.33 && rate <= 0.39, `base rate ${rate}`);
    }
    const rows = await readAllRows(settings);
    const documented = await readShares();
    deepStrictEqual([...documented.keys()].sort(), [
      "ben_login_id",
      "brand_id",
      "player_reg_product",
      ...money,
    ]);
    for (const [column, share] of documented) {
      const found = rows.filter((row) => isUnknown(row, column)).length;
      // Five standard deviations of a binomial count.
      const allowed = 5 * Math.sqrt(rows.length * share * (1 - share));
      const off = Math.abs(found - rows.length * share);
      ok(off <= allowed, `${column}: ${found} of ${rows.length}`);
    }
  });
}

Deno.test("every shipped model is listed in variants.yaml", async () => {
  const found = (await walk("models"))
    .filter((path) => path.endsWith("/manifest.json")).sort();
  const expected = listed.map(manifestPath).sort();
  deepStrictEqual(found, expected);
});

Deno.test("shipped models differ from variant to variant", async () => {
  const manifests = await Promise.all(listed.map(readManifest));
  const digests = manifests.map(({ files }) => files.model.sha256);
  strictEqual(new Set(digests).size, listed.length);
});

Deno.test("tests/golden/shipped_scores.json has 50 exact 32-bit scores of each variant", async () => {
  const golden: { rows: number; scores: Record<string, number[]> } = JSON.parse(
    await read("tests/golden/shipped_scores.json"),
  );
  deepStrictEqual(
    Object.keys(golden.scores),
    listed.map(({ variant }) => variant.key),
  );
  for (const scores of Object.values(golden.scores)) {
    strictEqual(scores.length, golden.rows);
    ok(scores.every((score) => score === Math.fround(score)));
    ok(scores.every((score) => score > 0 && score < 1));
  }
});

testWithSeed(
  "feature_names_3.json equals the seed's, name by name",
  async () => {
    const expected: unknown = JSON.parse(await Deno.readTextFile(seedNames));
    for (const settings of listed) {
      deepStrictEqual(await readNames(settings), expected);
    }
  },
);

if (Deno.build.os === "linux" && Deno.build.arch === "x86_64") {
  testWithPython(
    "models/train.py reproduces a shipped model from a file of its players",
    async () => {
      await using folder = await tempFolder();
      const training = `${folder.path}/labelled.jsonl`;
      const common = ["--variant", "geography-us", "--training", training];
      await runModels("generate.py", common);
      await runModels("train.py", [
        ...common,
        "--training-date=2026-12-07",
        `--output=${folder.path}`,
      ]);
      const made = await Deno.readFile(`${folder.path}/xgb_churn_model_2.bin`);
      const shipped = "models/geography-us/churn/xgb_churn_model_2.bin";
      strictEqual(
        sha256(made),
        sha256(await Deno.readFile(new URL(shipped, root))),
      );
      const manifest: Row = JSON.parse(
        await Deno.readTextFile(`${folder.path}/manifest.json`),
      );
      strictEqual(manifest.training_date, "2026-12-07");
      strictEqual(manifest.metrics, undefined); // no evaluation set was given
    },
  );
}

/** Registers a test that reads the seed; without it the digest above stands alone, and stderr says so. */
function testWithSeed(name: string, body: () => Promise<void>): void {
  if (exists(seedNames)) return Deno.test(name, body);
  const line = `SKIPPED ${name}: ${seedNames.pathname} is not there\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
  Deno.test({ name, ignore: true, fn: body });
}

function exists(url: URL): boolean {
  try {
    return Deno.statSync(url).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Types as the README documents them, and at most one true column a group. */
function checkValues(row: Row, names: readonly string[]): void {
  for (const name of names) {
    const value = row[name];
    if (money.includes(name)) {
      ok(value === null || isCents(value), `${name}: ${value}`);
    } else if (name === "months_active") {
      ok(Number.isInteger(value) && Number(value) >= 1, `${name}: ${value}`);
    } else strictEqual(typeof value, "boolean", name);
  }
  for (const group of groups) ok(trueColumns(row, group) <= 1, group);
}

function isCents(value: unknown): boolean {
  return typeof value === "number" && Number(value.toFixed(2)) === value &&
    !Object.is(value, -0);
}

function trueColumns(row: Row, prefix: string): number {
  return Object.keys(row)
    .filter((name) => name.startsWith(prefix) && row[name] === true).length;
}

function isUnknown(row: Row, column: string): boolean {
  return money.includes(column)
    ? row[column] === null
    : trueColumns(row, `${column}_`) === 0;
}

/** The table of shares in models/README.md: column → share. */
async function readShares(): Promise<Map<string, number>> {
  const table = (await read("models/README.md"))
    .split("<!-- shares -->")[1]?.split("<!-- /shares -->")[0] ?? "";
  const rows = table.matchAll(/^\| (\w+) +\|.*\| (\d+)% +\|$/gm);
  return new Map(
    [...rows].map(([, name = "", share]) => [name, Number(share) / 100]),
  );
}

/** The repository keeps `geography-us/models/churn/x` at `models/geography-us/churn/x`. */
function shippedPath(
  file: string | undefined,
  { variant }: VariantSettings,
): string {
  ok(file !== undefined, `${variant.title} has such a file`);
  const [top, ...rest] = file.split("/");
  return `${top}/${variant.prefix}${rest.join("/")}`;
}

function manifestPath(settings: VariantSettings): string {
  const model = shippedPath(settings.files.model, settings);
  return model.replace(/[^/]+$/, "manifest.json");
}

async function readManifest(settings: VariantSettings): Promise<Manifest> {
  return JSON.parse(await read(manifestPath(settings)));
}

async function readNames(settings: VariantSettings): Promise<string[]> {
  return JSON.parse(await read(shippedPath(settings.files.features, settings)));
}

async function readRows(
  file: string | undefined,
  settings: VariantSettings,
): Promise<Row[]> {
  const lines = (await read(shippedPath(file, settings))).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line));
}

async function readAllRows(settings: VariantSettings): Promise<Row[]> {
  const { sample, evaluation } = settings.files;
  return [
    ...await readRows(sample, settings),
    ...await readRows(evaluation, settings),
  ];
}

function read(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, root));
}

/** Every file below a folder of the repository, as paths from its root. */
async function walk(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const entry of Deno.readDir(new URL(folder, root))) {
    const path = `${folder}/${entry.name}`;
    paths.push(...entry.isDirectory ? await walk(path) : [path]);
  }
  return paths;
}

async function runModels(script: string, args: string[]): Promise<void> {
  const path = fileURLToPath(new URL(`models/${script}`, root));
  const env = { PYTHONDONTWRITEBYTECODE: "1" };
  await runPython("xgboost", path, { args, env });
}

function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
