/** The page of `monitor`: what a browser, a screen reader and a reader find on it. */
import {
  deepStrictEqual,
  doesNotMatch,
  match,
  ok,
  strictEqual,
} from "node:assert/strict";
import { compareWith } from "../../lib/monitoring/columns.ts";
import { toHeadline } from "../../lib/monitoring/headline.ts";
import {
  type OverviewEntry,
  toHtmlOverview,
} from "../../lib/monitoring/overview.ts";
import { toHtmlReport } from "../../lib/monitoring/page.ts";
import type { MonitoringResult } from "../../lib/monitoring/result.ts";
import { countBatch, toBins } from "../../lib/statistics/batch-profile.ts";
import { toProfile } from "../../lib/statistics/profile.ts";
import { findChromium, inspectPages, type View } from "../support/browser.ts";
import {
  monitorWeeks,
  quietWeeks,
  type Week,
} from "../support/monitoring_history.ts";
import { tempFolder } from "../support/servers.ts";

const quiet = quietWeeks();

/** Three groups and the months fail in the last of 27 weeks, and failed in the week before. */
const drifting: readonly Week[] = [
  ...quiet.slice(0, 25),
  { rows: 1040, gm: 0.25, traffic: 0.3, poker: 0.25, months: 1.5 },
  { rows: 1010, gm: 0.3, traffic: 0.3, poker: 0.25, months: 1.6 },
];
const broken: readonly Week[] = [
  ...quiet.slice(0, 25),
  { rows: 150, missing: 1 },
];
const fallen: readonly Week[] = [
  ...quiet.slice(0, 25),
  { rows: 1000, noise: 0.6, churn: 0.6, matured: true },
];

Deno.test("the first sentence names state, cause and action", () => {
  const sentenceOf = (weeks: readonly Week[]) =>
    toHeadline(monitorWeeks(weeks)).sentence;
  match(
    sentenceOf(quiet.map((week) => ({ ...week, matured: false }))),
    /^base for 2026-11-23 \(model version 3\) is fine: data and drift are within the limits, performance is not known yet; nothing to do\.$/,
  );
  match(
    sentenceOf(quiet),
    /is fine: data, drift and performance are within the limits; nothing to do\.$/,
  );
  match(
    sentenceOf(drifting),
    /^The players of base for 2026-11-30 \(model version 3\) differ from the model's reference: brand_id \(GM from [\d.]+ % to [\d.]+ %\), .* and \d more; retrain the model\.$/,
  );
  match(
    sentenceOf([...quiet.slice(0, 25), { rows: 1000, gm: 0.3 }]),
    /differ from the model's reference: brand_id \(GM .*\); do not retrain yet\.$/,
  );
  match(
    sentenceOf(broken),
    /^The data of base for 2026-11-23 \(model version 3\) is broken: (.*, |.* and )?total_ngr \(missing [\d.]+ % before, 100\.0 % now\).*; repair it at its source and score the period again\.$/,
  );
  match(
    sentenceOf(fallen),
    /^The performance of base for 2026-11-23 \(model version 3\) failed: AUC is 0\.\d{3}, 0\.\d{3} when the model was logged and the churn rate is [\d.]+ points above the expected one; retrain the model\.$/,
  );
  match(
    sentenceOf([...fallen, { rows: 1000, matured: false }]),
    /^The performance of base for 2026-11-30 \(model version 3\) failed on the latest outcomes, those of 2026-11-23: AUC is 0\.\d{3}, 0\.\d{3} when/,
  );
  match(
    sentenceOf([{ rows: 60 }]),
    /has too few rows for a verdict: 60 rows, at least 100 are needed; monitor a larger run\.$/,
  );
  const unknown = monitorWeeks([{ rows: 1000 }]);
  match(
    toHeadline({
      ...unknown,
      verdict: { ...unknown.verdict, data: "unknown", drift: "unknown" },
      comparisons: [],
      notes: ["the model was logged without a reference profile"],
    }).sentence,
    /cannot be judged: the model was logged without a reference profile; the notes say what is missing\.$/,
  );
});

Deno.test("a failure that only an earlier run's outcomes show is the first sentence, too", () => {
  const result = monitorWeeks([{ rows: 1000 }]);
  const { state, sentence } = toHeadline({
    ...result,
    verdict: { ...result.verdict, retrain: true, reason: "performance fell" },
    earlier_performance: {
      scoring_run_id: 4,
      severity: "fail",
      auc: 0.61,
      outcomes_uri: "x.jsonl",
      monitored_at: "2026-06-01T00:00:00.000Z",
    },
  });
  strictEqual(state, "fail");
  match(
    sentence,
    /^The performance of base .* failed on the latest outcomes, those of scoring run 4: AUC is 0\.610; retrain the model\.$/,
  );
});

Deno.test("a changed correlation is named in the sentence and among what failed", () => {
  const result = monitorWeeks(quiet);
  const [main, ...others] = result.comparisons;
  const changed: MonitoringResult = {
    ...result,
    verdict: { ...result.verdict, drift: "fail" },
    comparisons: [{
      ...main!,
      severity: "fail",
      associations: [{
        columns: ["total_deposit", "total_handle"],
        severity: "fail",
        correlation_ref: 0.91,
        correlation_cur: 0.03,
        reason: "rank correlation 0.91 before, 0.03 now",
      }],
    }, ...others],
  };
  match(
    toHeadline(changed).sentence,
    /differ from the model's reference: total_deposit with total_handle \(correlation from 0\.91 to 0\.03\); do not retrain yet\.$/,
  );
  match(
    toHtmlReport(changed),
    /<h3>total_deposit with total_handle .*rank correlation 0\.91 before, 0\.03 now/,
  );
});

Deno.test("a page with 45 features, three failing groups and 27 periods is small, and each of its ids and labels is unique", () => {
  const page = toHtmlReport(monitorWeeks(drifting));
  ok(new TextEncoder().encode(page).length < 500_000, `${page.length}`);
  const all = (pattern: RegExp) =>
    [...page.matchAll(pattern)].map(([, found]) => found);
  for (
    const pattern of [
      / id="([^"]*)"/g,
      /<title id="[^"]*">([^<]*)</g,
      /<caption[^>]*>([^<]*)</g,
      /<summary>(.*?)<\/summary>/g,
    ]
  ) {
    const found = all(pattern);
    ok(found.length > 5, String(pattern));
    deepStrictEqual(found.length, new Set(found).size, found.join("\n"));
  }
  // Every chart names texts that exist.
  const ids = new Set(all(/ id="([^"]*)"/g));
  for (const labels of all(/aria-labelledby="([^"]*)"/g)) {
    ok(labels?.split(" ").every((id) => ids.has(id)), labels ?? "");
  }
  strictEqual(
    all(/<svg ([^>]*)>/g).length,
    all(/<svg [^>]*(role="img")/g).length,
  );
});

Deno.test("what failed stands before what is fine, and what is fine is folded", () => {
  const page = toHtmlReport(monitorWeeks(drifting));
  const at = (part: string) => {
    const found = page.indexOf(part);
    ok(found > 0, part);
    return found;
  };
  const order = [
    "<h1>",
    "Performance over time",
    "Score distribution",
    "Volume",
    "What failed or warned",
    "<h3>brand_id ",
    "All periods",
    "3 columns and groups within the limits",
    "Technical facts",
  ].map(at);
  deepStrictEqual(order, order.toSorted((a, b) => a - b));
  // One chart per one-hot group, none per one-hot column.
  strictEqual(page.match(/<h3>brand_id/g)?.length, 1);
  doesNotMatch(page, /brand_id_GM/);
  // Of the columns without an alarm there is no chart, only a row.
  strictEqual(page.match(/total_handle/g)?.length, 2); // here and against the previous run
});

Deno.test("a result of an earlier release is rendered, without what it lacks", () => {
  const result = monitorWeeks(drifting);
  const { data: _, ...rest } = result;
  const { data: __, ...verdict } = result.verdict;
  const old: MonitoringResult = {
    ...rest,
    verdict,
    comparisons: result.comparisons.map(({ groups: _, ...each }) => ({
      ...each,
      features: each.features?.map((
        { group: _, min: __, max: ___, ...column },
      ) => ({ ...column, severity: "ok" as const, reasons: [] })) ?? [],
    })),
    history: result.history.map((past) => ({
      scoring_run_id: past.scoring_run_id,
      finished_at: past.finished_at,
      model_version: past.model_version,
      rows: past.rows,
      drift: past.drift,
      performance: past.performance,
      drifted_share: past.drifted_share,
      score_psi: past.score_psi,
      auc: past.auc,
    })),
  };
  const page = toHtmlReport(old);
  match(page, /46 columns and groups|45 columns and groups/);
  match(page, /Performance over time/);
  doesNotMatch(page, /undefined|NaN|Infinity/);
});

Deno.test("hostile names and ten thousand failing columns leave the page small and escaped", () => {
  const names = Array.from(
    { length: 10_000 },
    (_, index) => `<script>alert(${index})</script>"${"x".repeat(300)}`,
  );
  const rows = 120;
  const matrix = Float32Array.from(
    { length: rows * names.length },
    (_, index) => (index * 7919) % 101,
  );
  const scores = Float64Array.from({ length: rows }, (_, row) => row / rows);
  const profile = toProfile({ names, matrix, rows, scores });
  const counted = countBatch(toBins(profile, { sha256: "" }), {
    rows,
    matrix: matrix.map((value) => value * 3),
    scores: scores.map((score) => score / 4),
  });
  const baseline = compareWith(profile, counted, { comparison: "baseline" });
  strictEqual(baseline.severity, "fail");
  const result = monitorWeeks([{ rows: 1000 }, { rows: 1000 }], {
    title: '<img src=x onerror="alert(1)">',
  });
  const page = toHtmlReport({
    ...result,
    notes: ["</ul><script>alert(2)</script>"],
    scoring_run: {
      ...result.scoring_run,
      model_version: "<b>",
      period: "<i>2026</i>",
      input_uri: 's3://bucket/"><script>',
    },
    unseen_categories: { "<u>": 0.5 },
    comparisons: [baseline, { ...baseline, comparison: "consecutive" }],
  });
  ok(new TextEncoder().encode(page).length < 500_000, `${page.length}`);
  doesNotMatch(page, /<script|<img|<u>|<b>|<i>/);
  match(page, /\d+ more columns are in the JSON report/);
});

const entries: readonly OverviewEntry[] = [
  ...Object.entries({ quiet, broken, fallen, drifting }).map((
    [title, weeks],
  ) => ({
    key: title,
    title,
    result: monitorWeeks(weeks, { title }),
    link: `${title}/scoring-run-27.html`,
    command: "deno task monitor",
  })),
  {
    key: "geography-us",
    title: "<US>",
    result: undefined,
    link: undefined,
    command: "deno task monitor --geography US",
  },
];

Deno.test("the page over all variants states each in a sentence, worst first, and links to its page", () => {
  const page = toHtmlOverview(entries);
  match(
    page,
    /<h1>Of 5 variants, 3 failed \(broken, fallen, drifting\), 1 not monitored yet \(&lt;US&gt;\)\.<\/h1>/,
  );
  deepStrictEqual(
    [...page.matchAll(/<article class="card variant ([a-z-]+)">/g)]
      .map(([, state]) => state),
    ["fail", "fail", "fail", "unknown", "ok"],
  );
  match(page, /<a href="drifting\/scoring-run-27\.html">drifting<\/a>/);
  match(
    page,
    /The data of broken for 2026-11-23 \(model version 3\) is broken/,
  );
  match(page, /run `deno task monitor --geography US`/);
  const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
  ok(ids.length > 10);
  strictEqual(new Set(ids).size, ids.length);
  match(
    toHtmlOverview(entries.slice(0, 1)),
    /None of 1 variant failed or warned\./,
  );
});

Deno.test("in a browser, the page fits a phone, breaks no rule of axe-core in light and dark, opens by keyboard and asks for nothing", async () => {
  const executablePath = findChromium();
  if (executablePath === undefined) return; // checked where there is a browser
  await using folder = await tempFolder();
  const write = async (file: string, page: string) => {
    const path = `${folder.path}/${file}`;
    await Deno.writeTextFile(path, page);
    return `file://${path}`;
  };
  const drift = await write(
    "drift.html",
    toHtmlReport(monitorWeeks(drifting)),
  );
  const fall = await write("fall.html", toHtmlReport(monitorWeeks(fallen)));
  const all = await write("all.html", toHtmlOverview(entries));
  const views: readonly View[] = [
    { url: drift, width: 390 },
    { url: drift, width: 1280, dark: true },
    { url: fall, width: 390, dark: true },
    { url: all, width: 390 },
    { url: all, width: 1280, dark: true },
  ];
  const found = await inspectPages({ executablePath, views });
  for (const [index, inspection] of found.entries()) {
    const { url, width } = views[index]!;
    strictEqual(inspection.scrollWidth, width, url);
    deepStrictEqual(inspection.violations, [], url);
    deepStrictEqual(inspection.requests, [], url);
    strictEqual(inspection.opened.length, inspection.foldedParts);
    ok(inspection.opened.every((summary) => summary !== ""), url);
  }
});
