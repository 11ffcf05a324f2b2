/** Calibration and ranking against statsmodels 0.15.0, scikit-learn 1.9.1 and lifelines 0.30.3 (`tests/peers/survival.txt`). */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import {
  calibrationInTheLarge,
  calibrationSlope,
  logOddsShift,
  reliabilityBins,
} from "../../lib/statistics/calibration.ts";
import { concordance, topDecile } from "../../lib/statistics/ranking.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { randomFrom } from "../support/random.ts";

interface Case {
  readonly probabilities: number[];
  readonly outcomes: number[];
  readonly durations: number[];
}

/** 240 sets of 40 to 300 rows, calibrated and not; in every third the scores, and in every second the durations, have many ties. */
function generateCases(): Case[] {
  const random = randomFrom(15);
  return Array.from({ length: 240 }, (_, index) => {
    const rows = 40 + 10 * (index % 27);
    const shift = 2 * random() - 1;
    const slope = 0.4 + random();
    const digits = index % 3 === 0 ? 1 : 12;
    const probabilities = Array.from(
      { length: rows },
      () => Math.min(0.95, Math.max(0.05, Number(random().toFixed(digits)))),
    );
    const outcomes = probabilities.map((probability) => {
      const logit = Math.log(probability / (1 - probability));
      return Number(random() < 1 / (1 + Math.exp(-shift - slope * logit)));
    });
    const durations = probabilities.map((probability) => {
      const duration = -Math.log(random() + 1e-9) / (0.1 + probability);
      return index % 2 === 0 ? Math.ceil(duration) : duration;
    });
    return { probabilities, outcomes, durations };
  });
}

interface Expected {
  readonly z: number;
  readonly slope: number;
  readonly slope_error: number;
  readonly intercept: number;
  readonly observed: number[];
  readonly expected: number[];
  readonly capture: number;
  readonly concordance: number;
}

const code = `import json, sys, warnings
import numpy as np, statsmodels.api as sm
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_curve
from lifelines.utils import concordance_index
found = []
for case in json.load(open(sys.argv[1])):
    p, y, t = (np.array(case[name], dtype=float) for name in ("probabilities", "outcomes", "durations"))
    logit = np.log(p / (1 - p))
    model = sm.Logit(y, np.ones((len(y), 1)), offset=logit)
    score, information = model.score(np.zeros(1))[0], -model.hessian(np.zeros(1))[0, 0]
    fit = sm.Logit(y, sm.add_constant(logit)).fit(disp=0, method="newton", maxiter=200, tol=1e-14)
    observed, expected = calibration_curve(y, p, n_bins=10, strategy="quantile")
    fpr, tpr, _ = roc_curve(y, p, drop_intermediate=False)
    tp, fp = tpr * y.sum(), fpr * (1 - y).sum()
    found.append(dict(
        z=score / np.sqrt(information), slope=fit.params[1], slope_error=fit.bse[1],
        intercept=model.fit(disp=0, method="newton", maxiter=200, tol=1e-14).params[0],
        observed=observed.tolist(), expected=expected.tolist(),
        capture=np.interp(len(y) / 10, tp + fp, tp) / y.sum(),
        concordance=concordance_index(t, -p, y)))
json.dump(found, sys.stdout)`;

testWithPython(
  "calibration, reliability bins, top decile and C-index equal statsmodels, scikit-learn and lifelines on 240 generated sets",
  async () => {
    const cases = generateCases();
    const file = await Deno.makeTempFile({ suffix: ".json" });
    await Deno.writeTextFile(file, JSON.stringify(cases));
    const { stdout } = await runPython("survival", code, { args: [file] });
    await Deno.remove(file);
    const all: Expected[] = JSON.parse(stdout);
    strictEqual(all.length, cases.length);
    for (
      const [index, { probabilities, outcomes, durations }] of cases.entries()
    ) {
      const expected = all[index]!;
      const scored = { probabilities, outcomes };
      const close = (found: number, wanted: number, name: string) =>
        ok(
          Math.abs(found - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted)),
          `set ${index}, ${name}: ${found}, expected ${wanted}`,
        );
      const large = calibrationInTheLarge(scored)!;
      close(large.z, expected.z, "z");
      const slope = calibrationSlope(scored)!;
      close(slope.slope, expected.slope, "slope");
      close(slope.standardError, expected.slope_error, "slope's error");
      close(
        logOddsShift(probabilities, large.observed)!,
        expected.intercept,
        "intercept",
      );
      const bins = reliabilityBins(scored);
      strictEqual(bins.length, expected.observed.length);
      for (const [bin, { observed, expected: mean }] of bins.entries()) {
        close(observed, expected.observed[bin]!, `observed in bin ${bin}`);
        close(mean, expected.expected[bin]!, `expected in bin ${bin}`);
      }
      const top = topDecile(scored)!;
      close(top.capture, expected.capture, "capture");
      close(top.lift, 10 * expected.capture, "lift");
      const c = concordance({
        risks: probabilities,
        durations,
        events: outcomes,
      })!;
      close(c.value, expected.concordance, "concordance");
    }
  },
);

Deno.test("calibration and ranking are undefined where they have no value", () => {
  const separated = {
    probabilities: [0.1, 0.5, 0.5, 0.9],
    outcomes: [0, 0, 1, 1],
  };
  strictEqual(calibrationSlope(separated), undefined);
  const constant = { probabilities: [0.5, 0.5], outcomes: [0, 1] };
  strictEqual(calibrationSlope(constant), undefined);
  const oneOutcome = { probabilities: [0.1, 0.9], outcomes: [0, 0] };
  strictEqual(calibrationSlope(oneOutcome), undefined);
  strictEqual(topDecile(oneOutcome), undefined);
  strictEqual(
    calibrationInTheLarge({ probabilities: [0, 1], outcomes: [0, 1] }),
    undefined,
  );
  strictEqual(logOddsShift([0.2, 0.3], 0), undefined);
  const none = { probabilities: [], outcomes: [] };
  strictEqual(calibrationInTheLarge(none), undefined);
  deepStrictEqual(reliabilityBins(none), []);
  const risks = [0.1, 0.9];
  strictEqual(
    concordance({ risks, durations: [1, 2], events: [0, 1] }),
    undefined,
  );
  strictEqual(
    concordance({ risks, durations: [1, 1], events: [1, 1] }),
    undefined,
  );
  throws(
    () => concordance({ risks, durations: [1], events: [1, 1] }),
    RangeError,
  );
});

Deno.test("calibrationSlope() takes scores of exactly 0 and 1, and all scores tiny", () => {
  const extreme = calibrationSlope({
    probabilities: [0, 1, 0, 1, 0.5, 0.5],
    outcomes: [0, 1, 1, 0, 0, 1],
  })!;
  ok(Math.abs(extreme.slope) < 1e-12, String(extreme.slope));
  const tiny = calibrationSlope({
    probabilities: [1e-9, 1e-8, 1e-9, 1e-8],
    outcomes: [0, 1, 1, 0],
  })!;
  ok(Math.abs(tiny.slope) < 1e-9, String(tiny.slope));
});
