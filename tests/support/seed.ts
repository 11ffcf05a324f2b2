/** The files that the project's users came with: read where they are, never copied into the project. */
import { fileURLToPath } from "node:url";

/** Folder of the user's own model, names and sample, beside the checkout. */
export const seedFolder: string = fileURLToPath(
  new URL("../../../shared/seed", import.meta.url),
);

/** What XGBoost itself gives for the ten rows of the sample (the user's documents). */
export const seedProbabilities: readonly number[] = [
  0.6345393657684326,
  0.5011822581291199,
  0.731168806552887,
  0.5888879299163818,
  0.39145025610923767,
  0.8395617604255676,
  0.4179559350013733,
  0.8778798580169678,
  0.40717557072639465,
  0.7822437286376953,
];

/** True where the folder is there; a public clone does not have it. */
export const hasSeed: boolean = await Deno.stat(seedFolder).then(
  () => true,
  () => false,
);

/** Registers a test that reads the user's own files; without them it is skipped, and stderr says so. */
export function testWithSeed(
  name: string,
  body: (t: Deno.TestContext) => Promise<void>,
): void {
  if (hasSeed) return Deno.test(name, body);
  const line =
    `SKIPPED ${name}: the user's own files are not beside this checkout\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
  Deno.test({ name, ignore: true, fn: body });
}

/** The bytes of one of the seed's files. */
export function readSeed(name: string): Promise<Uint8Array<ArrayBuffer>> {
  return Deno.readFile(`${seedFolder}/${name}`);
}

/** The ten rows of the sample as a model reads them: 10 × 45, in the order of the seed's feature names. */
export async function readSeedMatrix(): Promise<Float32Array> {
  const text = async (name: string) =>
    new TextDecoder().decode(await readSeed(name));
  const names: string[] = JSON.parse(await text("feature_names_3.json"));
  const lines = (await text("X_test_sample_2.json")).trim().split("\n");
  const rows: Record<string, unknown>[] = lines.map((line) => JSON.parse(line));
  return Float32Array.from(
    rows.flatMap((row) => names.map((name) => Number(row[name]))),
  );
}
