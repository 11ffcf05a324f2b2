import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { ScoreCollector } from "../../lib/statistics/distribution.ts";

/** More scores than are kept one by one. */
const many = 300_000;

/** Width of a bin of quantiles, relative to the score. */
const binWidth = 2 ** -13;

/** Scores of a run: skewed, some of them negative, with zeros of both signs. */
function toScores(seed: number, lowest: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: many }, (_, row) => {
    if (row % 50 < 2) return row % 50 === 0 ? 0 : -0;
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return lowest + (1 - lowest) * (state / 2 ** 32) ** 3;
  });
}

for (const lowest of [0, -1]) {
  Deno.test(`Quantiles of ${many} scores from ${lowest} are within a bin of the sorted scores, also after a merge`, () => {
    const parts = [toScores(1, lowest), toScores(2, lowest)];
    const merged = new ScoreCollector();
    for (const part of parts) {
      const collected = new ScoreCollector();
      for (let row = 0; row < many; row += 10_000) {
        collected.add(part.subarray(row, row + 10_000));
      }
      merged.merge(collected);
    }
    const sorted = Float32Array.from(parts.flatMap((part) => [...part]))
      .sort();
    const found = merged.distribution();
    const shares = { p10: 0.1, p25: 0.25, p50: 0.5, p75: 0.75, p90: 0.9 };
    for (const [name, share] of Object.entries(shares)) {
      const exact = sorted[Math.ceil(share * sorted.length) - 1]!;
      const quantile = found[name as keyof typeof shares];
      const distance = Math.abs(quantile - exact);
      strictEqual(
        distance <= Math.abs(exact) * binWidth,
        true,
        `${name}: ${quantile}, expected ${exact}`,
      );
    }
    strictEqual(found.min === sorted[0], true);
    strictEqual(found.max, sorted.at(-1));
  });
}

Deno.test("Quantiles of zeros of both signs are zero", () => {
  for (const first of [0, -0]) {
    const collected = new ScoreCollector();
    collected.add(new Float32Array(many).fill(first));
    collected.add(new Float32Array(many).fill(-first));
    const { p10, p50, p90 } = collected.distribution();
    deepStrictEqual([p10, p50, p90].map(Math.abs), [0, 0, 0]);
  }
});
