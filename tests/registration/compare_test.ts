import { strictEqual, throws } from "node:assert/strict";
import { compareMetrics } from "../../lib/registration/compare.ts";
import { InputError } from "../../lib/base/errors.ts";

const champion = { auc: 0.75, log_loss: 0.5 };
const thresholds = { minAucGain: 0.125, maxLogLossIncrease: 0.25 };

/** The thresholds are sums of powers of two, so that their edges are exact. */
const verdicts: [string, number, number, "better" | "worse"][] = [
  ["gains exactly enough", 0.875, 0.5, "better"],
  ["gains too little", 0.8749, 0.5, "worse"],
  ["loses exactly as much as it may", 0.875, 0.75, "better"],
  ["loses too much", 0.99, 0.7501, "worse"],
  ["is better in both", 0.9, 0.4, "better"],
];

for (const [what, auc, log_loss, expected] of verdicts) {
  Deno.test(`compareMetrics() returns ${expected} for a candidate that ${what}`, () => {
    const candidate = { auc, log_loss };
    const { status, reasons } = compareMetrics(candidate, {
      champion,
      thresholds,
    });
    strictEqual(status, expected);
    strictEqual(reasons.length, 2);
  });
}

Deno.test("compareMetrics() allows a loss if the threshold is negative", () => {
  const { status } = compareMetrics({ auc: 0.74, log_loss: 0.5 }, {
    champion,
    thresholds: { minAucGain: -0.02, maxLogLossIncrease: 0 },
  });
  strictEqual(status, "better");
});

Deno.test("compareMetrics() rejects a labelled set without a defined AUC", () => {
  throws(
    () => compareMetrics({ log_loss: 0.5 }, { champion, thresholds }),
    (error) => error instanceof InputError && /without auc/.test(error.message),
  );
});
