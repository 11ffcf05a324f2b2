/** Intervals, paired and pooled AUCs against statsmodels 0.15.0, scikit-learn 1.9.1, scipy and lifelines 0.30.3 (`tests/peers/survival.txt`). */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import {
  areaDifference,
  pooledArea,
  type ScoredPlayers,
} from "../../lib/statistics/area-comparison.ts";
import {
  areaInfluence,
  areaUnderCurve,
} from "../../lib/statistics/classification.ts";
import {
  captureError,
  meanInterval,
  metricIntervals,
  proportionInterval,
} from "../../lib/statistics/intervals.ts";
import {
  concordance,
  concordancePairs,
  topDecile,
} from "../../lib/statistics/ranking.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { randomFrom } from "../support/random.ts";

interface Case {
  readonly probabilities: number[];
  readonly other: number[];
  readonly outcomes: number[];
  readonly durations: number[];
  readonly players: string[];
  readonly threshold: number;
}

/** 240 sets of 40 to 200 rows; in every third the scores, and in every second the durations, have many ties; in every fourth some scores are 0 or 1. */
function generateCases(): Case[] {
  const random = randomFrom(1515);
  return Array.from({ length: 240 }, (_, index) => {
    const rows = 40 + 10 * (index % 17);
    const digits = index % 3 === 0 ? 1 : 12;
    const round = (value: number) =>
      Number(Math.min(1, Math.max(0, value)).toFixed(digits));
    const wide = index % 4 === 0 ? 1.2 : 0.9;
    const truth = Array.from({ length: rows }, random);
    return {
      probabilities: truth.map((p) => round(0.5 + wide * (p - 0.5))),
      other: truth.map((p) => round(p + 0.4 * (random() - 0.5))),
      outcomes: truth.map((p) => Number(random() < p)),
      durations: truth.map((p) => {
        const duration = -Math.log(random() + 1e-9) / (0.1 + p);
        return index % 2 === 0 ? Math.ceil(duration) : duration;
      }),
      // Some players occur in several sets, and some twice in one.
      players: truth.map(() => `P-${Math.floor(2 * rows * random())}`),
      threshold: index % 5 === 0 ? 0.3 : 0.5,
    };
  });
}

interface Expected {
  readonly log_loss: number[];
  readonly brier: number[];
  readonly precision: number[] | null;
  readonly recall: number[];
  readonly difference: number;
  readonly difference_error: number;
  readonly index: number;
  readonly index_error: number;
  readonly without: number[];
  readonly pooled: number;
  readonly pooled_error: number;
}

const code = `import json, sys
from collections import defaultdict
import numpy as np
from scipy import stats
from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score
from statsmodels.stats.proportion import proportion_confint
from lifelines.utils import concordance_index
cases = json.load(open(sys.argv[1]))
def mean_interval(values):
    return stats.norm.interval(0.95, np.mean(values), stats.sem(values))
def components(p, y):
    m, n = p[y == 1], p[y == 0]
    psi = (m[:, None] > n[None, :]) + 0.5 * (m[:, None] == n[None, :])
    return psi.mean(axis=1), psi.mean(axis=0)
found = []
for at, case in enumerate(cases):
    p, q, y, t = (np.array(case[name], dtype=float) for name in ("probabilities", "other", "outcomes", "durations"))
    losses = -np.log(np.clip(np.where(y == 1, p, 1 - p), np.finfo(float).eps, 1 - np.finfo(float).eps))
    assert abs(losses.mean() - log_loss(y, p)) < 1e-9
    (tn, fp), (fn, tp) = confusion_matrix(y, p > case["threshold"], labels=[0, 1])
    # DeLong's covariance matrix of two AUCs.
    a10, a01 = components(p, y); b10, b01 = components(q, y)
    cov = np.cov(a10, b10) / len(a10) + np.cov(a01, b01) / len(a01)
    # All pairs: row i has the event before row j's time ends.
    before = (t[:, None] < t[None, :]) | ((t[:, None] == t[None, :]) & (y[None, :] == 0))
    pairs = before & (y[:, None] == 1) & ~np.eye(len(t), dtype=bool)
    agree = pairs * ((p[:, None] > p[None, :]) + 0.5 * (p[:, None] == p[None, :]))
    index = agree.sum() / pairs.sum()
    slopes = (agree.sum(0) + agree.sum(1) - index * (pairs.sum(0) + pairs.sum(1))) / pairs.sum()
    without = [concordance_index(np.delete(t, row), -np.delete(p, row), np.delete(y, row)) for row in (0, 7, len(t) - 1)]
    # This set and the three before it: weights, and one sum per player.
    sums, weights, areas = defaultdict(float), [], []
    group = cases[max(0, at - 3):at + 1]
    for each in group:
        labels = np.array(each["outcomes"]); weights.append(labels.sum() * (1 - labels).sum() / len(labels))
    for each, weight in zip(group, np.array(weights) / sum(weights)):
        scores, labels, names = np.array(each["probabilities"]), np.array(each["outcomes"]), np.array(each["players"])
        areas.append(weight * roc_auc_score(labels, scores))
        v10, v01 = components(scores, labels)
        for values, names in ((v10, names[labels == 1]), (v01, names[labels == 0])):
            for value, name in zip(values, names):
                sums[name] += weight * (value - values.mean()) / np.sqrt(len(values) * (len(values) - 1))
    found.append(dict(
        log_loss=mean_interval(losses), brier=mean_interval((p - y) ** 2),
        precision=proportion_confint(tp, tp + fp, method="wilson") if tp + fp else None,
        recall=proportion_confint(tp, tp + fn, method="wilson"),
        difference=roc_auc_score(y, q) - roc_auc_score(y, p),
        difference_error=np.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]),
        index=concordance_index(t, -p, y), index_error=np.sqrt((slopes ** 2).sum()), without=without,
        pooled=sum(areas), pooled_error=np.sqrt(sum(value ** 2 for value in sums.values()))))
json.dump(found, sys.stdout)`;

testWithPython(
  "intervals, the paired and the pooled AUC and the C-index's error equal their definitions in the peers on 240 generated sets",
  async () => {
    const cases = generateCases();
    const file = await Deno.makeTempFile({ suffix: ".json" });
    await Deno.writeTextFile(file, JSON.stringify(cases));
    const { stdout } = await runPython("survival", code, { args: [file] });
    await Deno.remove(file);
    const all: Expected[] = JSON.parse(stdout);
    strictEqual(all.length, 240);
    for (const [index, each] of cases.entries()) {
      const { probabilities, outcomes, durations, other, threshold } = each;
      const expected = all[index]!;
      const close = (found: number, wanted: number, name: string) =>
        ok(
          Math.abs(found - wanted) < 1e-9,
          `set ${index}, ${name}: ${found}, expected ${wanted}`,
        );
      const found = metricIntervals({ probabilities, outcomes }, { threshold });
      for (
        const name of ["log_loss", "brier", "precision", "recall"] as const
      ) {
        strictEqual(name in found, expected[name] !== null, name);
        for (const [end, value] of (expected[name] ?? []).entries()) {
          close(found[name]![end]!, value, `${name}, end ${end}`);
        }
      }
      const difference = areaDifference({ probabilities, outcomes }, other)!;
      close(difference.value, expected.difference, "difference");
      close(
        difference.standardError,
        expected.difference_error,
        "its error",
      );
      const data = { risks: probabilities, durations, events: outcomes };
      const c = concordance(data)!;
      close(c.value, expected.index, "C-index");
      close(c.standardError, expected.index_error, "its error");
      const { concordant, comparable } = concordancePairs(data);
      const total = (values: Float64Array) =>
        values.reduce((sum, value) => sum + value, 0) / 2;
      for (const [at, row] of [0, 7, outcomes.length - 1].entries()) {
        close(
          (total(concordant) - concordant[row]!) /
            (total(comparable) - comparable[row]!),
          expected.without[at]!,
          `C-index without row ${row}`,
        );
      }
      const pooled = pooledArea(
        cases.slice(Math.max(0, index - 3), index + 1),
      )!;
      close(pooled.value, expected.pooled, "pooled AUC");
      close(pooled.standardError, expected.pooled_error, "its error");
    }
  },
);

Deno.test("intervals and comparisons are undefined where they have no value", () => {
  strictEqual(proportionInterval(0, 0), undefined);
  strictEqual(meanInterval([1]), undefined);
  deepStrictEqual(
    Object.keys(
      metricIntervals({ probabilities: [0.2, 0.1], outcomes: [0, 0] }, {
        threshold: 0.5,
      }),
    ),
    ["log_loss", "brier"],
  );
  const one = { probabilities: [0.2, 0.1, 0.3], outcomes: [0, 0, 1] };
  strictEqual(areaDifference(one, [0.1, 0.2, 0.3]), undefined);
  strictEqual(pooledArea([{ ...one, players: ["a", "b", "c"] }]), undefined);
  strictEqual(pooledArea([]), undefined);
  strictEqual(captureError({ probabilities: [], outcomes: [] }), undefined);
  throws(() => areaDifference(one, [0.1]), RangeError);
});

/** Churn with the score as its probability; a player's own tendency is that of the scores and of a part that they do not know. */
function drawPeriods(
  random: () => number,
  { players, hidden }: { players: number; hidden: number },
): ScoredPlayers[] {
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const own = Array.from({ length: players }, () => [normal(), normal()]);
  const logistic = (logit: number) => 1 / (1 + Math.exp(-logit));
  return Array.from({ length: 4 }, () => ({
    players: own.map((_, player) => `P-${player}`),
    probabilities: own.map(([known]) => logistic(known! - 0.5)),
    outcomes: own.map(([known, unknown]) =>
      Number(random() < logistic(known! - 0.5 + hidden * unknown!))
    ),
  }));
}

/** DeLong's standard error of one AUC. */
function areaError(period: Parameters<typeof areaInfluence>[0]): number {
  return Math.hypot(...areaInfluence(period)!);
}

Deno.test("pooledArea()'s error is that of repeated draws, also if the same players occur in every period", () => {
  const random = randomFrom(4);
  const found = Array.from({ length: 400 }, () => {
    const periods = drawPeriods(random, { players: 250, hidden: 2 });
    const { value, standardError } = pooledArea(periods)!;
    const apart = Math.sqrt(
      periods.reduce((sum, each) => sum + areaError(each) ** 2, 0),
    ) / periods.length;
    return { value, standardError, apart };
  });
  const meanOf = (numbers: number[]) =>
    numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
  const mean = meanOf(found.map(({ value }) => value));
  const spread = Math.sqrt(
    meanOf(found.map(({ value }) => (value - mean) ** 2)),
  );
  const stated = meanOf(found.map(({ standardError }) => standardError));
  const apart = meanOf(found.map((each) => each.apart));
  ok(Math.abs(stated / spread - 1) < 0.1, `${stated} for ${spread}`);
  ok(apart / spread < 0.75, `${apart}: as if the players were others`);
});

Deno.test("pooledArea() of one period is AUC with DeLong's error, and of other players that of independent AUCs", () => {
  const [first, ...more] = drawPeriods(randomFrom(9), {
    players: 200,
    hidden: 0,
  });
  const one = pooledArea([first!])!;
  ok(Math.abs(one.value - areaUnderCurve(first!)) < 1e-12);
  ok(Math.abs(one.standardError - areaError(first!)) < 1e-12);
  const apart = [first!, ...more].map((period, index) => ({
    ...period,
    players: period.players.map((player) => `${index} ${player}`),
  }));
  const weights = apart.map(({ outcomes }) => {
    const positives = Array.from(outcomes).reduce((sum, each) => sum + each, 0);
    return positives * (outcomes.length - positives) / outcomes.length;
  });
  const all = weights.reduce((sum, each) => sum + each, 0);
  const variance = apart.reduce(
    (sum, each, index) => sum + (weights[index]! / all * areaError(each)) ** 2,
    0,
  );
  ok(
    Math.abs(pooledArea(apart)!.standardError - Math.sqrt(variance)) < 1e-12,
  );
});

Deno.test("the intervals of capture and C-index cover the value of the whole population in 95 % of samples", () => {
  const random = randomFrom(6);
  const draw = (rows: number) => {
    const probabilities = Array.from(
      { length: rows },
      () => random() ** 2 * 0.8 + 0.05,
    );
    const outcomes = probabilities.map((p) => Number(random() < p));
    const durations = probabilities.map((p, row) =>
      outcomes[row] ? -Math.log(1 - random()) / p : 5 * random()
    );
    return {
      probabilities,
      outcomes,
      risks: probabilities,
      durations,
      events: outcomes,
    };
  };
  const population = draw(300_000);
  const capture = topDecile(population)!.capture;
  const index = concordance(population)!.value;
  let [captured, ranked] = [0, 0];
  const samples = 600;
  for (let sample = 0; sample < samples; sample++) {
    const rows = draw(400);
    const [low, high] = metricIntervals(rows, { threshold: 0.5 })
      .top_decile_capture!;
    captured += Number(low <= capture && capture <= high);
    const [from, to] = concordance(rows)!.interval;
    ranked += Number(from <= index && index <= to);
  }
  // Three standard errors of 95 % of 600.
  ok(Math.abs(captured / samples - 0.95) < 0.03, `capture ${captured}`);
  ok(Math.abs(ranked / samples - 0.95) < 0.03, `C-index ${ranked}`);
});
