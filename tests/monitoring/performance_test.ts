/** The verdict on performance, on simulated weeks of a model that is right, and of players that changed. */
import { match, ok, strictEqual, throws } from "node:assert/strict";
import type {
  LoggedPerformance,
  PeriodSample,
} from "../../lib/monitoring/judge-performance.ts";
import {
  measurePerformance,
  type Performance,
} from "../../lib/monitoring/performance.ts";
import {
  areaUnderCurve,
  evaluationMetrics,
} from "../../lib/statistics/classification.ts";
import { toProfile } from "../../lib/statistics/profile.ts";
import { randomFrom } from "../support/random.ts";

const logistic = (logit: number) => 1 / (1 + Math.exp(-logit));

/** Scored players whose outcomes follow the scores, in log-odds: `shift` + `slope` × (logit + 1) - 1. */
function drawWeek(
  random: () => number,
  { rows, shift = 0, slope = 1 }: {
    rows: number;
    shift?: number;
    slope?: number;
  },
) {
  // Bell-shaped log-odds around -1 give an AUC of 0.74, as the shipped models have.
  const logits = Array.from({ length: rows }, () => {
    let sum = -6;
    for (let term = 0; term < 12; term++) sum += random();
    return sum - 1;
  });
  const outcomes = logits.map((logit) =>
    Number(random() < logistic(shift + slope * (logit + 1) - 1))
  );
  return { probabilities: logits.map(logistic), outcomes };
}

type Week = ReturnType<typeof drawWeek>;

function toReference({ probabilities, outcomes }: Week): LoggedPerformance {
  const { score } = toProfile({
    names: [],
    matrix: new Float32Array(),
    rows: probabilities.length,
    scores: probabilities,
  });
  return { score, metrics: evaluationMetrics({ probabilities, outcomes }) };
}

function measure(
  { probabilities, outcomes }: Week,
  reference: LoggedPerformance | undefined,
  isKnown: (row: number) => boolean = () => true,
): Performance {
  const ids = probabilities.map((_, row) => `P-${row}`);
  const known = outcomes.flatMap((outcome, row): [string, number][] =>
    isKnown(row) ? [[`P-${row}`, outcome]] : []
  );
  return measurePerformance({ ids, scores: probabilities }, {
    outcomes: new Map(known),
    reference,
    file: "outcomes.jsonl",
  });
}

/** Draws weeks, each with a reference of its own, and returns the share of weeks per verdict. */
function simulate(
  seed: number,
  { weeks, ...drawn }: {
    weeks: number;
    rows: number;
    shift?: number;
    slope?: number;
  },
) {
  const random = randomFrom(seed);
  const severities = Array.from({ length: weeks }, () => {
    const reference = toReference(drawWeek(random, { rows: 1500 }));
    return measure(drawWeek(random, drawn), reference).severity;
  });
  const share = (severity: string) =>
    severities.filter((each) => each === severity).length / weeks;
  const [warn, fail] = [share("warn"), share("fail")];
  return { warn, fail, ok: share("ok") };
}

Deno.test("measurePerformance() rarely warns of a model that is right, and hardly ever fails it", () => {
  for (const rows of [300, 1000]) {
    const { warn, fail, ok: quiet } = simulate(rows, { weeks: 400, rows });
    // By construction 2.5 % and 0.5 % for AUC, and 0.3 % for calibration.
    ok(warn <= 0.05 && fail <= 0.01, `${rows} rows: ${warn}, ${fail}`);
    ok(Math.abs(warn + fail + quiet - 1) < 1e-9);
  }
});

Deno.test("measurePerformance() fails when churn rises by one in log-odds, although AUC stays", () => {
  for (const rows of [300, 1000]) {
    strictEqual(simulate(1, { weeks: 50, rows, shift: 1 }).fail, 1);
    strictEqual(simulate(2, { weeks: 50, rows, shift: -1 }).fail, 1);
  }
});

Deno.test("measurePerformance() finds an AUC that falls from 0.74 to 0.68", () => {
  const random = randomFrom(4);
  const large = drawWeek(random, { rows: 200_000, slope: 0.68 });
  strictEqual(areaUnderCurve(large).toFixed(2), "0.68");
  const before = drawWeek(random, { rows: 200_000 });
  strictEqual(areaUnderCurve(before).toFixed(2), "0.74");
  const { warn, fail } = simulate(5, { weeks: 100, rows: 1000, slope: 0.68 });
  // 39 % of weeks failed while the logged AUC counted as exact and warnings had no limit of chance.
  ok(fail >= 0.3 && warn + fail >= 0.7, `${warn}, ${fail}`);
  const more = simulate(6, { weeks: 50, rows: 3000, slope: 0.68 });
  ok(more.warn + more.fail >= 0.9, `${more.warn}, ${more.fail}`);
});

Deno.test("measurePerformance() judges calibration against that of the logged model", () => {
  const random = randomFrom(7);
  // A model that was always wrong by 0.8 in log-odds has not changed.
  const reference = toReference(drawWeek(random, { rows: 1500, shift: 0.8 }));
  const same = measure(drawWeek(random, { rows: 1000, shift: 0.8 }), reference);
  strictEqual(same.severity, "ok");
  ok(Math.abs(same.metrics["calibration_shift"]!) < 0.2);
  const right = measure(drawWeek(random, { rows: 1000 }), reference);
  strictEqual(right.severity, "fail");
  match(
    right.reasons.join("; "),
    /calibration: .*shift -\d\.\d\d log-odds, z -/,
  );
});

Deno.test("measurePerformance() warns of a drop of AUC only beyond the errors of both AUCs", () => {
  const random = randomFrom(9);
  const week = drawWeek(random, { rows: 2000 });
  const { metrics, score } = toReference(week);
  const auc = metrics!["auc"]!;
  const against = (drop: number, rows: number) =>
    measure(week, { score, metrics: { ...metrics!, auc: auc + drop, rows } })
      .severity;
  // DeLong's error of the week is about 0.012; Hanley and McNeil's is 0.012 on 2,000 rows, 0.05 on 120.
  strictEqual(against(0, 2000), "ok");
  strictEqual(against(0.04, 2000), "warn");
  strictEqual(against(0.06, 2000), "fail");
  strictEqual(against(0.06, 120), "ok");
  strictEqual(against(0.015, 1e9), "ok"); // certain by now, but too small
});

Deno.test("measurePerformance() reports unknown, with the reason, if the outcomes or the reference do not suffice", () => {
  const random = randomFrom(10);
  const week = drawWeek(random, { rows: 2000 });
  const reference = toReference(week);
  strictEqual(measure(week, reference).severity, "ok");

  const alone = measure(week, undefined);
  strictEqual(alone.severity, "unknown");
  strictEqual(alone.auc_reference, undefined);
  strictEqual("calibration_shift" in alone.metrics, false);

  const few = measure(week, reference, (row) => row < 99);
  strictEqual(few.severity, "not-enough-data");

  strictEqual(measure(week, reference, (row) => row < 1000).severity, "ok");
  const low = measure(week, reference, (row) => row < 999);
  strictEqual(low.severity, "unknown");
  match(
    low.reasons.join(),
    /^only 999 of 2000 scored players have an outcome, at least 50\.0 % are needed$/,
  );

  // All churners and 15 % of the others are less than half of the players.
  const churners = measure(
    week,
    reference,
    (row) => week.outcomes[row] === 1 || random() < 0.15,
  );
  strictEqual(churners.severity, "unknown");
  const worst = measure(
    week,
    reference,
    (row) => random() < 0.4 + week.probabilities[row]!,
  );
  strictEqual(worst.severity, "unknown");
  match(
    worst.reasons.join(),
    /^the share of players with an outcome depends on the score \(/,
  );

  throws(
    () => measure(week, reference, () => false),
    /none of the 0 outcomes of outcomes.jsonl belongs to a player/,
  );
});

/** Weeks of one model version, each judged with those before it. */
function simulateWeeks(
  random: () => number,
  { rows, slopes }: { rows: number; slopes: readonly number[] },
) {
  const reference = toReference(drawWeek(random, { rows: 1500 }));
  const before: PeriodSample[] = [];
  return slopes.map((slope, index) => {
    const { probabilities, outcomes } = drawWeek(random, { rows, slope });
    // A third of the players are the same in every week.
    const players = probabilities.map((_, row) =>
      row % 3 === 0 ? `P-${row}` : `${index} ${row}`
    );
    const measured = (more: { before?: PeriodSample[] }) =>
      measurePerformance({ ids: players, scores: probabilities }, {
        outcomes: new Map(outcomes.map((each, row) => [players[row]!, each])),
        reference,
        file: "o.jsonl",
        period: `week ${index}`,
        ...more,
      });
    const [alone, pooled] = [
      measured({}),
      measured({ before: before.slice(-3) }),
    ];
    before.push({ players, probabilities, outcomes, period: `week ${index}` });
    return { alone, pooled };
  });
}

Deno.test("measurePerformance() finds a slow fall over several periods that single weeks rarely show, and stays quiet without one", () => {
  const random = randomFrom(21);
  // From 0.74 to 0.68 within eight weeks, with 300 players each; then it stays there.
  const slopes = Array.from(
    { length: 16 },
    (_, week) => 1 - 0.32 * Math.min(8, Math.max(0, week - 3)) / 8,
  );
  const weeks = Array.from(
    { length: 40 },
    () => simulateWeeks(random, { rows: 300, slopes }).slice(8),
  ).flat();
  const bad = (severity: string) => severity === "fail" || severity === "warn";
  const alone = weeks.filter((each) => bad(each.alone.severity)).length;
  const pooled = weeks.filter((each) => bad(each.pooled.severity)).length;
  // 33 % alone, 65 % with the three weeks before.
  ok(alone / weeks.length < 0.4, `alone: ${alone} of ${weeks.length}`);
  ok(pooled / weeks.length > 0.55, `pooled: ${pooled} of ${weeks.length}`);

  for (const rows of [300, 1000]) {
    const quiet = Array.from(
      { length: 40 },
      () => simulateWeeks(random, { rows, slopes: Array(10).fill(1) }),
    ).flat();
    const share = (severity: string) =>
      quiet.filter((each) => each.pooled.severity === severity).length /
      quiet.length;
    ok(share("fail") <= 0.01, `${rows} rows: ${share("fail")} failed`);
    ok(share("warn") <= 0.06, `${rows} rows: ${share("warn")} warned`);
  }
});

Deno.test("measurePerformance() judges periods together that are too small alone, and says over which", () => {
  const random = randomFrom(5);
  const reference = toReference(drawWeek(random, { rows: 20_000 }));
  const week = (period: string) => {
    const drawn = drawWeek(random, { rows: 60, shift: 1.5 });
    return {
      ...drawn,
      period,
      players: drawn.outcomes.map((_, row) => `${period} ${row}`),
    };
  };
  const before = ["2026-01-05", "2026-01-12"].map(week);
  const now = week("2026-01-19");
  const found = measurePerformance({
    ids: now.players,
    scores: now.probabilities,
  }, {
    outcomes: new Map(now.players.map((id, row) => [id, now.outcomes[row]!])),
    reference,
    file: "o.jsonl",
    period: now.period,
    before,
  });
  strictEqual(found.severity, "fail");
  strictEqual(found.pooled!.matured, 180);
  match(
    found.reasons.join("; "),
    /^60 outcomes, at least 100 are needed; over 3 periods from 2026-01-05 on: AUC .*; over 3 periods from 2026-01-05 on: calibration: .* z \d/,
  );
});
