import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import {
  countBatch,
  mergeBatches,
  parseBatchProfile,
  toBins,
} from "../../lib/statistics/batch-profile.ts";
import {
  ColumnCounter,
  type ColumnCounts,
  meanOf,
  mergeColumn,
  rowsOf,
} from "../../lib/statistics/column-counts.ts";
import { toProfile } from "../../lib/statistics/profile.ts";
import { randomFrom } from "../support/random.ts";

/** Columns as models have them: money with many zeros, a flag, a flag that is no longer one, all missing, negative values. */
function columnsOf(random: () => number): number[] {
  return [
    random() < 0.6 ? 0 : Math.fround(random() * 1000),
    Number(random() < 0.3),
    random() < 0.01 ? 2 : Number(random() < 0.5),
    NaN,
    random() < 0.1 ? NaN : Math.fround(random() - 0.5),
  ];
}

/** Counts one column by its definition. */
function countPlainly(
  values: readonly number[],
  { edges, min = -Infinity, max = Infinity }: {
    edges: readonly number[];
    min?: number | undefined;
    max?: number | undefined;
  },
): ColumnCounts {
  const known = values.filter((value) => !Number.isNaN(value));
  const counts = [...edges, Infinity].map((edge, bin) =>
    known.filter((value) =>
      value <= edge && (bin === 0 || value > edges[bin - 1]!)
    ).length
  );
  return {
    counts,
    missing: values.length - known.length,
    zeros: known.filter((value) => value === 0).length,
    outOfRange: known.filter((value) => value < min || value > max).length,
    sum: known.reduce((sum, value) => sum + value, 0),
    ...known.length === 0
      ? {}
      : { min: Math.min(...known), max: Math.max(...known) },
  };
}

Deno.test("ColumnCounter counts what a plain loop counts, however the rows are cut, on 200 generated sets", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = randomFrom(seed);
    const rows = 1 + Math.floor(random() * 700);
    const names = ["money", "flag", "odd", "empty", "signed"];
    const width = names.length;
    const matrixOf = (count: number) =>
      Float32Array.from(
        Array.from({ length: count }, () => columnsOf(random)).flat(),
      );
    const reference = toProfile({
      names,
      matrix: matrixOf(300),
      rows: 300,
      scores: undefined,
    });
    const matrix = matrixOf(rows);
    const { features: bins } = toBins(reference, { sha256: "" });
    const cut = width * Math.floor(random() * (rows + 1));
    const counter = new ColumnCounter(bins);
    counter.add(matrix.subarray(0, cut));
    counter.add(matrix.subarray(cut));
    const found = counter.columns();
    const parts = [matrix.subarray(0, cut), matrix.subarray(cut)].map(
      (part) => {
        const own = new ColumnCounter(bins);
        own.add(part);
        return own.columns();
      },
    );
    const merged = parts[0]!.map((column, index) =>
      mergeColumn(column, parts[1]![index]!)
    );
    for (const [index, bin] of bins.entries()) {
      const values = Array.from(
        { length: rows },
        (_, row) => matrix[row * width + index]!,
      );
      const { sum, ...expected } = countPlainly(values, bin);
      for (const column of [found[index]!, merged[index]!]) {
        const { sum: ownSum, ...own } = column;
        deepStrictEqual(own, expected, `seed ${seed}, ${names[index]}`);
        ok(Math.abs(ownSum - sum) <= 1e-9 * Math.max(1, Math.abs(sum)));
        strictEqual(rowsOf(column), rows);
      }
    }
    strictEqual(meanOf(found[3]!), undefined);
  }
});

Deno.test("ColumnCounter without columns counts nothing", () => {
  const counter = new ColumnCounter([]);
  counter.add(new Float32Array(4));
  deepStrictEqual(counter.columns(), []);
});

Deno.test("parseBatchProfile() reads what was counted, and refuses another version", () => {
  const data = {
    names: ["a"],
    matrix: new Float32Array([1, 2, 3, 0]),
    rows: 4,
    scores: new Float32Array([0.1, 0.6, 0.5, 0.9]),
  };
  const bins = toBins(toProfile(data), { sha256: "digest" });
  const counts = countBatch(bins, data);
  strictEqual(counts.aboveHalf, 2);
  const profile = {
    version: 1,
    reference: bins.reference,
    ...mergeBatches(counts, counts),
    unknownCategories: { brand: 3 },
  };
  const stored = JSON.parse(JSON.stringify(profile));
  deepStrictEqual(parseBatchProfile(stored, { file: "run 1" }), profile);
  strictEqual(parseBatchProfile(null, { file: "run 1" }), undefined);
  throws(
    () => parseBatchProfile({ ...stored, version: 2 }, { file: "run 1" }),
    { name: "InputError", message: /run 1/ },
  );
});
