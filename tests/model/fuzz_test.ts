/**
 * Reads 200,000 corrupted model files from one seed: each must be rejected with
 * an InputError or scored like any model, without a crash or an endless loop.
 *
 * A changed threshold gives another valid model, which only a digest can detect.
 * So an accepted file must have the same meaning as in its library: XGBoost and
 * LightGBM score a sample of the files, and the margins must be equal bit for
 * bit.
 *
 * `FUZZ_FILES` and `FUZZ_SEED` set the number of files and the seed. Files that
 * were once read incorrectly are kept in `golden/fuzz/found/`.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { InputError } from "../../lib/base/errors.ts";
import { openUbjson } from "../../lib/model/formats/ubjson.ts";
import {
  type DecodedValue,
  valueOf,
} from "../../lib/model/formats/document.ts";
import type { Model } from "../../lib/model/ensemble.ts";
import { evaluate } from "../../lib/model/evaluate.ts";
import { openKernel } from "../../lib/model/kernel/kernel.ts";
import { toOnnx } from "../../lib/model/onnx/write.ts";
import { openOnnx } from "../../lib/model/onnx/session.ts";
import { parseModel } from "../../lib/model/formats/detect.ts";

import { differences } from "../parity/compare.ts";
import {
  changeDocument,
  encodeJson,
  encodeUbjson,
} from "../support/documents.ts";
import { seededNumbers } from "../support/ensembles.ts";
import { mutate, type Random } from "../support/mutate.ts";
import { runPython, testWithPython } from "../support/python.ts";

const total = Number(Deno.env.get("FUZZ_FILES") ?? 200_000);
const seed = Number(Deno.env.get("FUZZ_SEED") ?? 1);
const folder = fileURLToPath(new URL("../golden/fuzz/", import.meta.url));
const scorer = fileURLToPath(
  new URL("../parity/score_files.py", import.meta.url),
);

/** A file to corrupt. */
interface Seed {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly document?: DecodedValue;
}

const seeds: readonly Seed[] = [...Deno.readDirSync(folder)]
  .filter(({ isFile }) => isFile)
  .map(({ name }) => {
    const bytes = Deno.readFileSync(folder + name);
    return name.endsWith(".ubj")
      ? { name, bytes, document: valueOf(openUbjson(bytes)) }
      : { name, bytes };
  })
  .sort((a, b) => a.name < b.name ? -1 : 1);
const allBytes = seeds.map(({ bytes }) => bytes);

Deno.test("parseModel() rejects or reads corrupted files, and does nothing else", () => {
  const random = seededNumbers(seed);
  const files = Math.round(total * 0.9);
  let accepted = 0;
  for (let i = 0; i < files; i++) {
    const bytes = corrupt(seeds[i % seeds.length] as Seed, random);
    const model = readOrReject(bytes);
    if (model === undefined) continue;
    accepted++;
    checkScores(model, bytes, accepted % 10 === 0);
  }
  // If all or none were accepted, the mutations would be useless.
  ok(accepted > files / 100 && accepted < files / 2, `${accepted} accepted`);
});

/** Corrupts a file: in half of the cases its bytes, otherwise its values. */
function corrupt(file: Seed, random: Random): Uint8Array {
  if (file.document === undefined || random() < 0.5) {
    return mutate(file.bytes, random, allBytes);
  }
  let document = changeDocument(file.document, random);
  if (random() < 0.3) document = changeDocument(document, random);
  return random() < 0.5 ? encodeUbjson(document) : encodeJson(document);
}

function readOrReject(bytes: Uint8Array): Model | undefined {
  try {
    return parseModel(bytes);
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw new Error(`not an InputError, for the file ${bytes.toBase64()}`, {
      cause: error,
    });
  }
}

const scoredRows = 20;

function rowsFor(model: Model): Float32Array {
  const random = seededNumbers(5);
  return Float32Array.from(
    { length: model.features.count * scoredRows },
    () =>
      random() < 0.15
        ? NaN
        : random() < 0.2
        ? Math.floor(random() * 40)
        : random() * 4 - 2,
  );
}

/** Checks that scoring finishes, is deterministic, and that the kernel agrees. */
function checkScores(
  model: Model,
  bytes: Uint8Array,
  withKernel: boolean,
): void {
  if (model.features.count > 10_000) return; // valid, but the matrix would be large
  const matrix = rowsFor(model);
  const first = evaluate(model, matrix, { rows: scoredRows }).margins;
  const again = evaluate(parseModel(bytes), matrix, { rows: scoredRows });
  strictEqual(differences(first, again.margins), 0);
  if (!withKernel || model.kind !== "trees") return;
  const fast = openKernel(model).margins(matrix, scoredRows);
  strictEqual(differences(first, fast), 0, bytes.toBase64());
}

for (const { name } of [...Deno.readDirSync(`${folder}found`)]) {
  Deno.test(`parseModel() rejects ${name}, which was once read incorrectly`, () => {
    const bytes = Deno.readFileSync(`${folder}found/${name}`);
    strictEqual(readOrReject(bytes), undefined);
  });
}

/** The result of a library for a file. */
type Verdict =
  | { readonly margins: string }
  | { readonly rejected: string }
  | { readonly crashed: number };

testWithPython(
  "parseModel() reads corrupted files as XGBoost and LightGBM do",
  async () => {
    const random = seededNumbers(seed + 1);
    const temp = await Deno.makeTempDir({ prefix: "fuzz-" });
    try {
      const ours = new Map<string, Float32Array | Float64Array>();
      const index = [];
      for (let i = 0; i < total / 4 && ours.size < 600; i++) {
        const file = seeds[i % seeds.length] as Seed;
        const bytes = corrupt(file, random);
        const model = readOrReject(bytes);
        if (model === undefined || model.features.count > 100) continue;
        const kind = model.library === "lightgbm"
          ? "txt"
          : bytes[1] === 0x22
          ? "json"
          : "ubj";
        const name = `${ours.size}.${kind}`;
        const matrix = rowsFor(model);
        const { margins } = evaluate(model, matrix, { rows: scoredRows });
        ours.set(name, margins);
        await Deno.writeFile(`${temp}/${name}`, bytes);
        await Deno.writeFile(
          `${temp}/${name}.rows`,
          new Uint8Array(matrix.buffer),
        );
        const features = model.features.count;
        index.push({ file: name, rows: scoredRows, features });
      }
      await Deno.writeTextFile(`${temp}/index.json`, JSON.stringify(index));
      const env = { PYTHONDONTWRITEBYTECODE: "1", OMP_NUM_THREADS: "1" };
      await runPython("parity", scorer, { args: [temp], env });
      const verdicts = JSON.parse(
        await Deno.readTextFile(`${temp}/verdicts.json`),
      ) as Record<string, Verdict>;
      let equal = 0;
      const wrong: string[] = [];
      for (const [name, verdict] of Object.entries(verdicts)) {
        // If the library rejects the file or crashes, there is nothing to compare.
        if (!("margins" in verdict)) continue;
        const found = ours.get(name) ?? new Float32Array();
        const theirs = Uint8Array.fromBase64(verdict.margins).buffer;
        const expected = found instanceof Float32Array
          ? new Float32Array(theirs)
          : new Float64Array(theirs);
        const bytes = await Deno.readFile(`${temp}/${name}`);
        if (differences(expected, found) === 0) equal++;
        else wrong.push(bytes.toBase64());
      }
      deepStrictEqual(wrong, []);
      ok(equal > ours.size / 3, `${equal} of ${ours.size} files compared`);
    } finally {
      await Deno.remove(temp, { recursive: true });
    }
  },
);

Deno.test("openOnnx() rejects or scores corrupted graphs, and does nothing else", async () => {
  const random = seededNumbers(seed + 2);
  const graphs = onnxSeeds();
  const files = graphs.map(({ bytes }) => bytes);
  let accepted = 0;
  for (let i = 0; i < total * 0.05; i++) {
    const { bytes, model } = graphs[i % graphs.length] as Graph;
    const found = await scoreOrReject(mutate(bytes, random, files), model);
    if (found !== undefined) accepted++;
  }
  ok(accepted > 0, "none was accepted");
});

interface Graph {
  readonly bytes: Uint8Array;
  readonly model: Model;
}

function onnxSeeds(): Graph[] {
  return seeds.filter(({ name }) => !name.endsWith(".json")).map(
    ({ bytes }) => {
      const model = parseModel(bytes);
      return { bytes: toOnnx(model), model };
    },
  );
}

async function scoreOrReject(
  bytes: Uint8Array,
  model: Model,
): Promise<Float32Array | undefined> {
  try {
    await using session = await openOnnx(bytes);
    return await session.predict(rowsFor(model), scoredRows);
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw new Error(`not an InputError, for the file ${bytes.toBase64()}`, {
      cause: error,
    });
  }
}
