/** Scores models of old and new library versions as those versions did; `golden/make_models.py` made them. */
import { ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { evaluate } from "../../lib/model/evaluate.ts";
import { toOnnx } from "../../lib/model/onnx/write.ts";
import { openOnnx } from "../../lib/model/onnx/session.ts";
import { parseModel } from "../../lib/model/formats/detect.ts";
import { differences, largestError } from "../parity/compare.ts";

interface Golden {
  readonly library: "xgboost" | "lightgbm";
  readonly version: string;
  readonly models: readonly {
    readonly name: string;
    readonly file: string;
    readonly rows: string;
    readonly margins: string;
    readonly predictions: string;
  }[];
}

const folder = fileURLToPath(new URL("../golden/models/", import.meta.url));

function numbers(base64: string): ArrayBuffer {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer;
}

for (const { name: version } of [...Deno.readDirSync(folder)].sort(byName)) {
  const golden = JSON.parse(
    Deno.readTextFileSync(`${folder}${version}/expected.json`),
  ) as Golden;
  for (const expected of golden.models) {
    Deno.test(`parseModel() ${version} ${expected.name}`, async () => {
      const bytes = await Deno.readFile(`${folder}${version}/${expected.file}`);
      const model = parseModel(bytes);
      const matrix = new Float32Array(numbers(expected.rows));
      const rows = matrix.length / model.features.count;
      const Margins = golden.library === "xgboost"
        ? Float32Array
        : Float64Array;
      const margins = new Margins(numbers(expected.margins));
      const predictions = new Float32Array(numbers(expected.predictions));
      const found = evaluate(model, matrix, { rows });
      strictEqual(differences(margins, found.margins), 0, "in bits");
      ok(largestError(predictions, found.predictions) <= 1e-6);
      await using session = await openOnnx(toOnnx(model));
      const onnx = await session.predict(matrix, rows);
      ok(largestError(predictions, onnx) <= 1e-6);
    });
  }
}

function byName(a: Deno.DirEntry, b: Deno.DirEntry): number {
  return a.name < b.name ? -1 : 1;
}
