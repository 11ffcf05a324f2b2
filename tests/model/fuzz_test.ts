/**
 * Broken model files, 200,000 of them from one seed: each is refused with an
 * InputError, or read as the model that it now is, never anything else.
 *
 * A changed threshold makes another valid model, which no reader can tell from
 * the one that was meant (the digests of the registry can). So what is asked of
 * a file that is accepted is that it means to us what it means to the library:
 * XGBoost and LightGBM themselves score a sample of them, and must agree to the
 * last bit. Our own ONNX files carry a digest, so of those none may be accepted
 * with another score.
 *
 * `FUZZ_FILES` and `FUZZ_SEED` change the number of files and the seed; files
 * that once were read wrongly are kept in `golden/fuzz/found/`.
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

/** A file to break. */
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

Deno.test("parseModel() refuses or reads broken files, and does nothing else", () => {
  const random = seededNumbers(seed);
  const files = Math.round(total * 0.9);
  let accepted = 0;
  for (let i = 0; i < files; i++) {
    const bytes = broken(seeds[i % seeds.length] as Seed, random);
    const model = readOrRefuse(bytes);
    if (model === undefined) continue;
    accepted++;
    checkScores(model, bytes, accepted % 10 === 0);
  }
  // Neither all nor none: otherwise the mutations would prove nothing.
  ok(accepted > files / 100 && accepted < files / 2, `${accepted} accepted`);
});

/** Half of the changes are to bytes, half to the values that the bytes mean. */
function broken(file: Seed, random: Random): Uint8Array {
  if (file.document === undefined || random() < 0.5) {
    return mutate(file.bytes, random, allBytes);
  }
  let document = changeDocument(file.document, random);
  if (random() < 0.3) document = changeDocument(document, random);
  return random() < 0.5 ? encodeUbjson(document) : encodeJson(document);
}

function readOrRefuse(bytes: Uint8Array): Model | undefined {
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

/** Scoring ends, two readings score alike, and the kernel agrees. */
function checkScores(
  model: Model,
  bytes: Uint8Array,
  withKernel: boolean,
): void {
  if (model.features.count > 10_000) return; // a valid file; only the matrix would be large
  const matrix = rowsFor(model);
  const first = evaluate(model, matrix, { rows: scoredRows }).margins;
  const again = evaluate(parseModel(bytes), matrix, { rows: scoredRows });
  strictEqual(differences(first, again.margins), 0);
  if (!withKernel || model.kind !== "trees") return;
  const fast = openKernel(model).margins(matrix, scoredRows);
  strictEqual(differences(first, fast), 0, bytes.toBase64());
}

for (const { name } of [...Deno.readDirSync(`${folder}found`)]) {
  Deno.test(`parseModel() refuses ${name}, which was once read wrongly`, () => {
    const bytes = Deno.readFileSync(`${folder}found/${name}`);
    strictEqual(readOrRefuse(bytes), undefined);
  });
}

/** What a library made of a file. */
type Verdict =
  | { readonly margins: string }
  | { readonly refused: string }
  | { readonly crashed: number };

testWithPython(
  "parseModel() reads broken files as XGBoost and LightGBM do",
  async () => {
    const random = seededNumbers(seed + 1);
    const temp = await Deno.makeTempDir({ prefix: "fuzz-" });
    try {
      const ours = new Map<string, Float32Array | Float64Array>();
      const index = [];
      for (let i = 0; i < total / 4 && ours.size < 600; i++) {
        const file = seeds[i % seeds.length] as Seed;
        const bytes = broken(file, random);
        const model = readOrRefuse(bytes);
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
        // Where a library refuses or crashes there is no other meaning to give.
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

Deno.test("openOnnx() rejects or scores a broken graph, and does nothing else", async () => {
  const random = seededNumbers(seed + 2);
  const graphs = onnxSeeds();
  const files = graphs.map(({ bytes }) => bytes);
  let accepted = 0;
  for (let i = 0; i < total * 0.05; i++) {
    const { bytes, model } = graphs[i % graphs.length] as Graph;
    const found = await scoreOrRefuse(mutate(bytes, random, files), model);
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

async function scoreOrRefuse(
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
