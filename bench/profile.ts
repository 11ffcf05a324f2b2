// deno-lint-ignore-file no-console -- a program for a terminal
/**
 * What the profile that `monitor` needs costs `predict`: the same blocks of JSON
 * Lines are parsed, encoded and scored with and without it, in turn, in one
 * thread. Storing the scores is not part of it, so that of a whole run the
 * profile is a smaller share. Run with `deno task bench-profile`.
 */
import { loadavg } from "node:os";
import { toCandidate } from "../lib/registration/candidate.ts";
import { openBlockScorer } from "../lib/scoring/score-block.ts";
import { openPredict } from "../lib/scoring/score-block.ts";
import { toBins } from "../lib/statistics/batch-profile.ts";
import { withRows } from "../lib/registration/candidate-files.ts";
import { plainRecipe } from "../lib/rows/recipe.ts";

const rounds = 30;
const wantedRows = 20_000;

const folder = new URL("../", import.meta.url).pathname;
const read = async (uri: string) => ({
  uri,
  source: "local" as const,
  bytes: await Deno.readFile(`${folder}${uri}`),
});
const options = { idColumn: "player_id", temporary: "" };
const model = await read("models/churn/xgb_churn_model_2.bin");
const sample = await read("data/churn/X_test_sample_2.json");
const candidate = await toCandidate({
  model,
  features: await read("data/churn/feature_names_3.json"),
  sample: await withRows(sample, options),
  evaluation: await withRows(
    await read("data/churn/evaluation.jsonl"),
    options,
  ),
  manifest: undefined,
}, {
  positiveClass: undefined,
  modelOutput: undefined,
  recipe: plainRecipe,
  idColumn: "player_id",
  label: "churned",
});

const copies = Math.ceil(wantedRows / candidate.sample.rows);
const buffer = new Uint8Array(copies * sample.bytes.length);
for (let copy = 0; copy < copies; copy++) {
  buffer.set(sample.bytes, copy * sample.bytes.length);
}
const block = {
  format: { kind: "json-lines" },
  buffer,
  start: 0,
  end: buffer.length,
} as const;

const features = {
  columns: candidate.columns.map(({ name = "", type }) => ({ name, type })),
  recipe: candidate.recipe,
  idColumn: "player_id",
  file: sample.uri,
};
const bins = toBins(candidate.reference, { sha256: "" });
const predict = openPredict(model.bytes);
await using counting = openBlockScorer(predict, {
  features,
  setAside: false,
  bins,
});
await using plain = openBlockScorer(predict, { features, setAside: false });

const seconds = { counting: [] as number[], plain: [] as number[] };
let rows = 0;
for (let round = 0; round < rounds; round++) {
  for (
    const [name, scorer] of [["counting", counting], ["plain", plain]] as const
  ) {
    const startMs = performance.now();
    const reply = await scorer.score(block);
    seconds[name].push((performance.now() - startMs) / 1000);
    if (!("scored" in reply)) throw new Error("the sample cannot be scored");
    rows = reply.scored.rows;
  }
}
const [withProfile, without] = [
  median(seconds.counting),
  median(seconds.plain),
];
const perMillion = (value: number) => (value / rows * 1e6).toFixed(2);
console.log(
  `${rows} rows × ${features.columns.length} columns, medians of ${rounds} rounds in turn, load ${
    loadavg()[0]?.toFixed(1)
  }
parse, encode and score: ${perMillion(without)} s per million rows
with the profile:        ${perMillion(withProfile)} s (${
    (100 * (withProfile / without - 1)).toFixed(1)
  } % more)`,
);

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}
