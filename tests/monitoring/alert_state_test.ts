/** Which results raise an alert: the expected alerts follow from the rules in docs/monitoring.md. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import {
  type AlertDecision,
  decideAlert,
  type VerdictState,
} from "../../lib/monitoring/alert-state.ts";
import type { MonitoringResult } from "../../lib/monitoring/result.ts";
import { resultOf, type ResultParts } from "../support/monitoring.ts";

/** A variant whose results are given one call after another. */
function follow(reminderDays = 28) {
  let states: readonly VerdictState[] = [];
  let alertedAt: string | undefined;
  const give = (...results: MonitoringResult[]): AlertDecision | undefined => {
    const decided = decideAlert(states, results, { reminderDays, alertedAt });
    states = decided.states;
    alertedAt = decided.alert?.raisedAt ?? alertedAt;
    return decided.alert;
  };
  return {
    give,
    /** The alert of one result in a line; empty for none. */
    line: (parts: ResultParts) => toLine(give(resultOf(parts))),
    severity: (verdict: VerdictState["verdict"]) =>
      states.find((state) => state.verdict === verdict)?.severity,
    since: (verdict: VerdictState["verdict"]) =>
      states.find((state) => state.verdict === verdict)?.since,
  };
}

function toLine(alert: AlertDecision | undefined): string {
  if (!alert) return "";
  const { kind, status, changes } = alert;
  return [
    kind,
    ...changes.map(({ verdict, from, to }) => `${verdict} ${from}>${to}`),
    `now ${status}`,
  ].join(", ");
}

/** The Monday of a week, from 2026-10-05. */
function week(index: number): string {
  return new Date(Date.UTC(2026, 9, 5 + 7 * index)).toISOString().slice(0, 10);
}

Deno.test("decideAlert() alerts on a change of a verdict, and only then", () => {
  const { line } = follow();
  const found = ([
    "ok",
    "ok",
    "warn",
    "warn",
    "fail",
    "fail",
    "warn",
    "ok",
    "fail",
    "ok",
    "ok",
  ] as const).map((drift, index) => line({ period: week(index), drift }));
  deepStrictEqual(found, [
    "",
    "",
    "change, drift ok>warn, now warn",
    "",
    "change, drift warn>fail, now fail",
    "",
    "change, drift fail>warn, now warn",
    "change, drift warn>ok, now ok",
    "change, drift ok>fail, now fail",
    "change, drift fail>ok, now ok",
    "",
  ]);
});

for (const severity of ["unknown", "not-enough-data"] as const) {
  Deno.test(`decideAlert(): ${severity} is neither a failure nor a recovery`, () => {
    const { line, severity: severityOf, since } = follow();
    strictEqual(line({ period: week(0), drift: severity }), "");
    line({ period: week(1), drift: "fail" });
    strictEqual(line({ period: week(2), drift: severity }), "");
    strictEqual(severityOf("drift"), "fail");
    strictEqual(line({ period: week(3), drift: "fail" }), "");
    strictEqual(since("drift"), `${week(1)}T00:00:00.000Z`);
    strictEqual(
      line({ period: week(4), drift: "ok" }),
      "change, drift fail>ok, now ok",
    );
  });
}

Deno.test("decideAlert(): one alert for all verdicts that changed; the status is the worst of all", () => {
  const { line } = follow();
  strictEqual(
    line({ period: week(0), data: "fail", drift: "warn" }),
    "change, data ok>fail, drift ok>warn, now fail",
  );
  strictEqual(
    line({ period: week(1), data: "ok", drift: "warn" }),
    "change, data fail>ok, now warn",
  );
  strictEqual(
    line({ period: week(2), drift: "ok", performance: "fail", retrain: true }),
    "change, drift warn>ok, performance ok>fail, retrain ok>warn, now fail",
  );
});

Deno.test("decideAlert() considers a result once, also when other runs were looked at in between", () => {
  const { give } = follow();
  const failed = resultOf({ period: week(1), drift: "fail" });
  strictEqual(toLine(give(failed)), "change, drift ok>fail, now fail");
  strictEqual(toLine(give(failed)), "");
  const fine = resultOf({ period: week(2) });
  strictEqual(toLine(give(fine)), "change, drift fail>ok, now ok");
  strictEqual(toLine(give(failed)), "");
  strictEqual(toLine(give(fine)), "");
});

Deno.test("decideAlert(): a run of an earlier period changes nothing, a later attempt of the same period does", () => {
  const { line } = follow();
  line({ period: week(5), run: 7, drift: "fail" });
  const later = `${week(6)}T00:00:00.000Z`;
  strictEqual(line({ period: week(4), run: 9, at: later }), "");
  strictEqual(
    line({ period: week(5), run: 8, at: later }),
    "change, drift fail>ok, now ok",
  );
});

Deno.test("decideAlert(): outcomes of an earlier period change performance and not drift", () => {
  const { give, severity } = follow();
  give(resultOf({ period: week(4), drift: "fail" }));
  const matured = resultOf({
    period: week(0),
    at: `${week(5)}T00:00:00.000Z`,
    performance: "fail",
  });
  strictEqual(
    toLine(give(resultOf({ period: week(5), drift: "fail" }), matured)),
    "change, performance ok>fail, now fail",
  );
  strictEqual(severity("drift"), "fail");
  // The same run measured on more outcomes: a later result replaces the earlier one.
  const again = resultOf({
    period: week(0),
    at: `${week(6)}T00:00:00.000Z`,
    performance: "ok",
  });
  strictEqual(
    toLine(give(again)),
    "change, performance fail>ok, now fail",
  );
});

Deno.test("decideAlert(): several results in one call raise one alert, in whatever order they are given", () => {
  const results = [0, 1, 2].map((index) =>
    resultOf({
      period: week(index),
      performance: (["fail", "ok", "warn"] as const)[index]!,
    })
  );
  for (const order of [[0, 1, 2], [2, 0, 1]]) {
    const alert = follow().give(...order.map((index) => results[index]!));
    strictEqual(toLine(alert), "change, performance ok>warn, now warn");
    strictEqual(alert?.raisedAt, results[2]!.monitored_at);
  }
});

Deno.test("decideAlert() reminds after the set days while a failure lasts, and a recovery ends it", () => {
  const failing = (reminderDays: number, weeks: number) => {
    const { line } = follow(reminderDays);
    return Array.from(
      { length: weeks },
      (_, index) => line({ period: week(index), drift: "fail" }),
    ).flatMap((found, index) => found ? [`${index}: ${found}`] : []);
  };
  const reminder = "reminder, now fail";
  deepStrictEqual(failing(28, 10), [
    "0: change, drift ok>fail, now fail",
    `4: ${reminder}`,
    `8: ${reminder}`,
  ]);
  deepStrictEqual(failing(14, 4), [
    "0: change, drift ok>fail, now fail",
    `2: ${reminder}`,
  ]);
  deepStrictEqual(failing(0, 20).length, 1);

  const { line } = follow();
  line({ period: week(0), drift: "fail" });
  line({ period: week(1), drift: "ok" });
  strictEqual(line({ period: week(9), drift: "ok" }), "");
});

Deno.test("decideAlert(): the same result never raises a reminder", () => {
  const { give } = follow();
  const results = [0, 4].map((index) =>
    resultOf({ period: week(index), drift: "fail" })
  );
  give(results[0]!);
  strictEqual(toLine(give(results[1]!)), "reminder, now fail");
  strictEqual(toLine(give(results[1]!)), "");
  strictEqual(toLine(give(results[0]!)), "");
});

Deno.test("decideAlert(): the advice to retrain is a state of its own; broken data and unjudged runs do not withdraw it", () => {
  const { line } = follow();
  line({ period: week(0), drift: "fail" });
  strictEqual(
    line({ period: week(1), drift: "fail", retrain: true }),
    "change, retrain ok>warn, now fail",
  );
  strictEqual(
    line({ period: week(2), drift: "fail", data: "fail" }),
    "change, data ok>fail, now fail",
  );
  strictEqual(line({ period: week(3), data: "unknown", drift: "unknown" }), "");
  strictEqual(
    line({ period: week(4), drift: "fail", retrain: true }),
    "change, data fail>ok, now fail",
  );
  strictEqual(
    line({ period: week(5) }),
    "change, drift fail>ok, retrain warn>ok, now ok",
  );
});

Deno.test("decideAlert(): a cool-down is no recovery", () => {
  const { line } = follow();
  line({ period: week(0), drift: "fail", retrain: true });
  strictEqual(line({ period: week(1), drift: "fail", heldBack: true }), "");
  strictEqual(line({ period: week(2), drift: "fail", retrain: true }), "");
});
