/** The age of a model and the cool-down, which both bear on the advice to retrain. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { findCoolDown, toAge } from "../../lib/monitoring/model-age.ts";
import type { PastVerdict } from "../../lib/monitoring/result.ts";

const run = {
  finishedAt: new Date("2026-11-23T12:00:00Z"),
  period: "2026-11-23",
};

function past(period: string, retrain: boolean): PastVerdict {
  return {
    scoring_run_id: 1,
    period,
    finished_at: `${period}T12:00:00Z`,
    model_version: "1",
    rows: 1000,
    drift: "fail",
    performance: "unknown",
    drifted_share: null,
    score_psi: null,
    auc: null,
    retrain,
  };
}

Deno.test("toAge() counts from the training date, or from when the version was logged", () => {
  const createdMs = Date.parse("2026-11-13T12:00:00Z");
  const tags = { training_date: "2026-05-27" };
  deepStrictEqual(toAge({ tags, createdMs }, { run, maxModelAgeDays: 90 }), {
    days: 180,
    maxDays: 90,
  });
  deepStrictEqual(
    toAge({ tags: {}, createdMs }, { run, maxModelAgeDays: 90 }),
    {
      days: 10,
      maxDays: 90,
    },
  );
  strictEqual(
    toAge({ tags, createdMs }, { run, maxModelAgeDays: undefined }),
    undefined,
  );
  strictEqual(toAge(undefined, { run, maxModelAgeDays: 90 }), undefined);
});

Deno.test("findCoolDown() holds after a version was logged and after an advice, and ends on its last day", () => {
  const fresh = { version: 2, createdMs: Date.parse("2026-11-20T12:00:00Z") };
  const old = { version: 2, createdMs: Date.parse("2026-01-01T00:00:00Z") };
  const cases: [string | undefined, Parameters<typeof findCoolDown>][] = [
    ["version 2 was logged 3 days ago", [[], {
      run,
      version: fresh,
      coolDownDays: 14,
    }]],
    [undefined, [[], { run, version: fresh, coolDownDays: 3 }]],
    [undefined, [[], { run, version: fresh, coolDownDays: 0 }]],
    [
      "retraining was advised for 2026-11-16, 7 days before",
      [[past("2026-11-16", true)], { run, version: old, coolDownDays: 14 }],
    ],
    [
      "retraining was advised for 2026-11-16, 7 days before",
      [
        [past("2026-11-20", false), past("2026-11-16", true)],
        { run, version: undefined, coolDownDays: 8 },
      ],
    ],
    [undefined, [[past("2026-11-16", true)], {
      run,
      version: old,
      coolDownDays: 7,
    }]],
    // The advice of the run that this one rests on is no earlier one.
    [undefined, [[past("2026-11-16", true)], {
      run,
      version: old,
      coolDownDays: 14,
      basis: 1,
    }]],
    [undefined, [[past("2026-11-16", false)], {
      run,
      version: old,
      coolDownDays: 14,
    }]],
  ];
  for (const [expected, args] of cases) {
    strictEqual(findCoolDown(...args), expected);
  }
});
