import { match, ok, strictEqual } from "node:assert/strict";
import { toJobSummary, toRunSummary } from "../../lib/cli/github-summary.ts";
import { tempFolder } from "../support/servers.ts";
import { projectFolder, run } from "../support/tools.ts";

const scored = {
  status: "scored",
  variant: "geography-us",
  model_name: "churn-prediction-model-us",
  model_version: 3,
  rows: 1200,
  inputs: [{ input: "s3://b/x" }],
  score_distribution: {
    min: 0.01,
    p50: 0.25,
    max: 0.9,
    histogram: [600, 300, 150, 100, 20, 10, 10, 5, 4, 1],
  },
  seconds: 2.5,
  period: "2026-11-23",
  problems: [{ kind: "incomplete", period: "2026-11-23", reason: "3 rows" }],
};

Deno.test("toJobSummary() shows version, rows, seconds, and the scores as quantiles and bars", () => {
  const text = toJobSummary(scored);
  match(text, /^### geography-us: scored\n/);
  match(
    text,
    /\n#### problems\n\n\| kind \| period \| reason \|\n\|---\|---\|---\|\n\| incomplete \| 2026-11-23 \| 3 rows \|\n/,
  );
  match(
    text,
    /\n\| model version \| 3 \|\n\| rows \| 1,200 \|\n\| seconds \| 2.5 \|\n\| period \| 2026-11-23 \|\n/,
  );
  match(
    text,
    /\n\| min \| p50 \| max \|\n\|---\|---\|---\|\n\| 0.01 \| 0.25 \| 0.9 \|\n/,
  );
  match(
    text,
    /\n\| 0.0 – 0.1 \| 600 \| █{20} \|\n\| 0.1 – 0.2 \| 300 \| █{10} \|\n/,
  );
  match(text, /\n\| 0.9 – 1.0 \| 1 \| █ \|\n$/); // never an empty bar for a row that is there
});

Deno.test("toJobSummary() shows candidate and champion side by side, and other objects in their own tables", () => {
  const text = toJobSummary({
    status: "better",
    comparison: {
      candidate: { auc: 0.75 },
      champion: { auc: 0.7, brier: 0.2 },
    },
    parity: { rows: 5, largest: { kernel: 0 } },
  });
  match(
    text,
    /\n\| {2}\| candidate \| champion \|\n\|---\|---\|---\|\n\| auc \| 0.75 \| 0.7 \|\n\| brier \| {2}\| 0.2 \|/,
  );
  match(
    text,
    /\n\| parity \| {2}\|\n\|---\|---\|\n\| rows \| 5 \|\n\| largest kernel \| 0 \|/,
  );
});

Deno.test("toJobSummary() escapes values that would break the table or become HTML", () => {
  const text = toJobSummary({
    status: "failed",
    error: "a|b\n<img src=x> & c",
  });
  match(text, /\| error \| a&#124;b &#60;img src=x> &#38; c \|/);
});

Deno.test("toRunSummary() has a row for each variant, with the error of one that failed", () => {
  const text = toRunSummary([
    scored,
    { variant: "base", status: "failed", error: "S3 is unavailable" },
  ]);
  match(
    text,
    /\| geography-us \| scored \| 2026-11-23 \| 3 \| 1,200 \| {2}\| 0.25 \| 2.5 \|/,
  );
  match(
    text,
    /\| base \| failed: S3 is unavailable \| {2}\| {2}\| {2}\| {2}\| {2}\| {2}\|/,
  );
});

Deno.test("summary reads the last line of each result, and reports missing ones", async () => {
  // Its only permission is to read the project.
  await using folder = await tempFolder();
  const local = `${projectFolder}.local/${folder.path.split("/").at(-1)}`;
  await Deno.mkdir(local, { recursive: true });
  try {
    await Deno.writeTextFile(
      `${local}/us.json`,
      `noise\n${JSON.stringify(scored)}\n`,
    );
    await Deno.writeTextFile(`${local}/eu.json`, "");
    const { stdout, code } = await run("deno", [
      "task",
      "--quiet",
      "summary",
      `${local}/us.json`,
      `${local}/eu.json`,
      `${local}/none.json`,
    ]);
    strictEqual(code, 0);
    match(stdout, /^### 3 variant\(s\)/);
    match(stdout, /\| geography-us \| scored \|/);
    match(stdout, /\| eu \| no result; see the job's log \|/);
    ok(stdout.includes("| none | no result"));
  } finally {
    await Deno.remove(local, { recursive: true });
  }
});
