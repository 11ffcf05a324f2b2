/** What an alert says, and that nothing in it acts on the receiver. Markdown is rendered by marked 18.2.1. */
import {
  deepStrictEqual,
  doesNotMatch,
  match,
  ok,
  strictEqual,
} from "node:assert/strict";
// deno-lint-ignore no-import-prefix -- only this test needs it
import { marked } from "npm:marked@18.2.1";
import { toVariant } from "../../lib/config/variant.ts";
import {
  type AlertMessage,
  toAlertMessage,
} from "../../lib/monitoring/alert-message.ts";
import { decideAlert } from "../../lib/monitoring/alert-state.ts";
import type { ColumnDrift } from "../../lib/monitoring/column-drift.ts";
import type { MonitoringResult } from "../../lib/monitoring/result.ts";
import { resultOf } from "../support/monitoring.ts";

const us = toVariant({ geography: "US" });

/** The message of the alert that the last of some results raises, each given in a call of its own. */
function messageOf(
  results: readonly MonitoringResult[],
  options: Partial<Parameters<typeof toAlertMessage>[1]> = {},
): AlertMessage {
  let states: ReturnType<typeof decideAlert>["states"] = [];
  let alertedAt: string | undefined;
  let message: AlertMessage | undefined;
  for (const result of results) {
    const decided = decideAlert(states, [result], {
      reminderDays: 28,
      alertedAt,
    });
    states = decided.states;
    alertedAt = decided.alert?.raisedAt ?? alertedAt;
    message = decided.alert && toAlertMessage(decided.alert, {
      variant: us,
      hasPeriods: true,
      results: [{ result, report: "/reports/scoring-run-2.html" }],
      states,
      jobUrl: undefined,
      ...options,
    });
  }
  ok(message);
  return message;
}

function column(
  name: string,
  psi: number,
  severity: "fail" | "warn" | "ok" = "fail",
): ColumnDrift {
  return {
    name,
    kind: "numeric",
    severity,
    reasons: [`PSI ${psi.toFixed(3)} (noise limit 0.041)`],
    n_ref: 1500,
    n_cur: 1000,
    psi,
    psi_noise: 0.02,
    psi_noise_limit: 0.041,
    missing_ref: 0,
    missing_cur: 0,
    edges: [],
    counts_ref: [],
    counts_cur: [],
  };
}

function drifted(
  features: readonly ColumnDrift[],
  parts: Partial<Parameters<typeof resultOf>[0]> = {},
): MonitoringResult {
  const reasons = ["3 of 45 features drifted", "score fail: PSI 6.139"];
  return resultOf({
    period: "2026-11-23",
    run: 2,
    drift: "fail",
    ...parts,
    more: {
      comparisons: [
        { comparison: "baseline", severity: "fail", reasons, features },
      ],
    },
  });
}

Deno.test("an alert names variant, period, model version, change, numbers, limits, the worst three features and the next command", () => {
  const { title, text, markdown, slack } = messageOf([
    drifted([
      column("age", 0.3, "warn"),
      column("total_ngr", 9.805),
      column("fine", 0.01, "ok"),
      column("sessions", 0.4),
      column("months_active", 7.951),
      column("deposits", 0.26),
    ]),
  ]);
  strictEqual(title, "geography US: drift fails");
  strictEqual(
    text,
    `geography US: drift fails
drift: ok → fail
  period 2026-11-23, scoring run 2, 1000 players, churn-prediction-model version 1
  3 of 45 features drifted
  score fail: PSI 6.139
  limits: PSI above its noise limit warns at 0.1 and fails at 0.25; missing shares that change by 2.0 % warn, by 10.0 % fail
worst features
  total_ngr: fail: PSI 9.805 (noise limit 0.041)
  months_active: fail: PSI 7.951 (noise limit 0.041)
  sessions: fail: PSI 0.400 (noise limit 0.041)
next: show all figures and write the report again: deno task monitor --geography US --run 2
report: /reports/scoring-run-2.html`,
  );
  match(markdown, /- `total_ngr`: fail: PSI 9\.805/);
  match(markdown, /```sh\ndeno task monitor --geography US --run 2\n```/);
  strictEqual(slack.text, text);
});

Deno.test("the next command follows from the worst state", () => {
  const command = (
    result: MonitoringResult,
    options?: Parameters<typeof messageOf>[1],
  ) => /^next: .*?: (.*)$/m.exec(messageOf([result], options).text)?.[1];
  const jobUrl = "https://github.com/acme/churn/actions/runs/7";
  const retrain = drifted([], { retrain: true });
  strictEqual(
    command(retrain, { jobUrl }),
    "gh workflow run retrain.yml --field geography=US --field company=-",
  );
  strictEqual(
    command(retrain),
    "deno task log-model --geography US --alias challenger",
  );
  const broken = drifted([], { data: "fail", retrain: true });
  strictEqual(
    command(broken),
    "deno task predict --geography US --force --period 2026-11-23",
  );
  strictEqual(
    command(broken, { hasPeriods: false }),
    "deno task predict --geography US --force",
  );
  const base = toVariant({});
  strictEqual(
    command(retrain, { jobUrl, variant: base }),
    "gh workflow run retrain.yml --field geography=- --field company=-",
  );
});

Deno.test("a failure of data lists its findings, one of performance its numbers, limits and outcomes", () => {
  const data = resultOf({
    period: "2026-11-23",
    data: "fail",
    more: {
      data: {
        severity: "fail",
        findings: [{
          check: "missing",
          column: "total_ngr",
          severity: "fail",
          reason: "missing 5.5 % before, 100.0 % now (warns at 2.0 %)",
        }, {
          check: "rows",
          severity: "warn",
          reason: "10 rows, 1000 in the median of 4 earlier runs",
        }],
      },
    },
  });
  const { text } = messageOf([data]);
  match(text, /^data: ok → fail$/m);
  match(text, /^ {2}total_ngr: fail: missing 5\.5 % before, 100\.0 % now/m);
  match(text, /^ {2}warn: 10 rows, 1000 in the median/m);

  const performance = resultOf({
    period: "2026-10-26",
    performance: "warn",
    more: {
      outcomes: { uri: "s3://acme/outcomes.jsonl", sha256: "b".repeat(64) },
      performance: {
        severity: "warn",
        reasons: [
          "AUC 0.7000 (95 % interval 0.68 to 0.72), 0.7400 when logged",
        ],
        rows: 1000,
        matured: 900,
        coverage: 0.9,
        metrics: {},
      },
    },
  });
  const found = messageOf([performance]).text;
  match(found, /AUC 0\.7000 .* 0\.7400 when logged/);
  match(found, /a drop of AUC warns at 0\.02 and fails at 0\.05/);
  match(found, /outcomes of 900 players \(90\.0 %\), s3:\/\/acme\/outcomes/);
});

Deno.test("a recovery says what recovered, and what is still not ok since when", () => {
  const failing = { data: "fail", drift: "fail" } as const;
  const first = resultOf({ period: "2026-11-02", run: 1, ...failing });
  const half = resultOf({ period: "2026-11-09", run: 2, drift: "fail" });
  const { title, text } = messageOf([first, half]);
  strictEqual(title, "geography US: data is ok again");
  match(text, /^data: fail → ok$/m);
  match(text, /^drift: fail since 2026-11-02$/m);
  const whole = resultOf({ period: "2026-11-16", run: 3 });
  strictEqual(
    messageOf([first, half, whole]).title,
    "geography US has recovered: drift is ok again",
  );
  const later = resultOf({ period: "2026-12-14", run: 4, drift: "fail" });
  strictEqual(
    messageOf([first, half, later]).title,
    "geography US: drift still fails",
  );
});

/** Names and texts as somebody could write them into a file, to act on whoever reads the alert. */
const hostile = [
  "<!channel> <@U123> <https://evil.example|click> &amp;",
  "@channel @here @octocat #12 owner/repo#3",
  "</code><img src=x onerror=alert(1)><script>alert(1)</script>",
  "[click](https://evil.example) ![x](https://evil.example/x.png) https://evil.example www.evil.example",
  "a`b``c```d",
  "line\n::error::break\r\n# heading\u202e",
  "*bold* _it_ ~gone~ | cell | **x**",
];

Deno.test("hostile names and texts are shown as they are: no link, mention, tag or line break", () => {
  for (const text of hostile) {
    const result = drifted([{
      ...column(text, 1),
      reasons: [text],
    }]);
    const { markdown, slack } = messageOf([result]);
    const html = marked.parse(markdown, { async: false, gfm: true });
    const tags = new Set(html.match(/<\/?[a-z]+/g));
    for (const tag of tags) {
      match(tag, /^<\/?(p|strong|ul|li|code|pre)$/, `${text}: ${html}`);
    }
    // GitHub looks for mentions outside of code.
    const outside = html.replace(/<code[\s\S]*?<\/code>/g, "");
    doesNotMatch(outside, /@\w|#\d/, text);
    strictEqual(
      [...markdown.matchAll(/^- `+/gm)].length,
      1,
      "one line for the feature",
    );

    const sent = JSON.stringify(slack);
    doesNotMatch(sent.replaceAll(/&(amp|lt|gt);/g, ""), /[<>&]/, text);
    doesNotMatch(sent, /@(channel|here|octocat)/, text);
  }
});

Deno.test("the limits of Slack and GitHub hold for texts of any length", () => {
  const long = "&<`@".repeat(5000);
  const result = resultOf({
    period: "2026-11-23",
    data: "fail",
    drift: "fail",
    performance: "fail",
    retrain: true,
    more: {
      comparisons: [{
        comparison: "baseline",
        severity: "fail",
        reasons: Array(20).fill(long),
        features: Array.from({ length: 5 }, (_, index) => ({
          ...column(`${index}${long}`, 1),
          reasons: [long, long],
        })),
      }],
      data: {
        severity: "fail",
        findings: Array(9).fill({
          check: "missing",
          column: long,
          severity: "fail",
          reason: long,
        }),
      },
    },
  });
  const variant = toVariant({
    geography: "G".repeat(48),
    company: "C".repeat(48),
  });
  const { title, markdown, slack } = messageOf([result], { variant });
  ok([...title].length <= 150, title);
  ok(markdown.length < 65_536);
  ok(slack.text.length <= 40_000);
  ok(slack.blocks.length <= 50);
  const texts = JSON.stringify(slack.blocks, (key, value) => {
    if (key === "text" && typeof value === "string") {
      ok(value.length > 0 && value.length <= 3000, `${value.length}`);
    }
    return value;
  });
  ok(texts.includes("worst features"));
  deepStrictEqual(
    slack.blocks[0],
    { type: "header", text: { type: "plain_text", text: title, emoji: false } },
  );
});

Deno.test("in GitHub Actions, an alert links to the run", () => {
  const jobUrl = "https://github.com/acme/churn/actions/runs/7";
  const { text, markdown, slack } = messageOf([drifted([])], { jobUrl });
  match(text, /^run: https:\/\/github\.com\/acme\/churn\/actions\/runs\/7$/m);
  match(
    markdown,
    /\[Run\]\(https:\/\/github\.com\/acme\/churn\/actions\/runs\/7\)$/,
  );
  match(JSON.stringify(slack.blocks), /<https:[^|>]*\/runs\/7\|Run>/);
});
