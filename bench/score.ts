/**
 * How fast models are scored: the kernel against its peers, on the same rows,
 * with one thread each. Run with `deno task bench-score`.
 *
 * Every round measures each engine for a moment, so that what else the machine
 * does meets all of them alike; the tables show medians over the rounds.
 */
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { toOnnx } from "../lib/model/onnx/write.ts";
import { parseModel } from "../lib/model/formats/detect.ts";
import { peer, runPython } from "../tests/support/python.ts";
import { type Contender, startContender, type Subject } from "./protocol.ts";
import {
  type Measured,
  type Ready,
  type Report,
  type ShapeResult,
  toMarkdown,
} from "./report.ts";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const folder = here("../.cache/bench/score");
const docs = here("../docs/benchmarks.md");

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "0.4" },
    shape: { type: "string", multiple: true },
    write: { type: "boolean", default: false },
  },
});

interface Shape {
  readonly name: string;
  readonly stem: string;
  readonly trees: number;
  readonly leaves: number;
}

/** A subject with the process that it runs in, and how many rows keep it busy for one measurement. */
interface Entry {
  readonly subject: Subject;
  readonly contender: Contender;
  readonly openMs: number;
  readonly difference: number;
  readonly rows: number;
  readonly rowsPerSecond: number[];
}

const seconds = Number(flags.seconds);
const checkedRows = 5_000;

/** Rows of a measurement at least. */
const leastRows = 8_192;

const { features, rows: matrixRows, models } = await makeModels();
const [loadBefore = NaN] = Deno.loadavg();
await using ours = await startContender(Deno.execPath(), [
  "run",
  "--allow-read",
  here("score_ours.ts"),
  folder,
]);
await using python = await startContender(await peer("bench"), [
  here("score_peers.py"),
  folder,
  String(features),
]);

const contenders: readonly (readonly [string, Contender])[] = [
  ["kernel", ours],
  ["XGBoost", python],
  ["tl2cgen", python],
  ["treelite GTIL", python],
  ["onnxruntime", python],
  ["onnxruntime-web", ours],
];

const shapes: ShapeResult[] = [];
for (const shape of models) {
  if (flags.shape && !flags.shape.includes(shape.stem)) continue;
  shapes.push(await measureShape(shape));
}
const versions = await python.ask({ do: "versions" });
const report: Report = {
  date: new Date().toISOString().slice(0, 10),
  processors: navigator.hardwareConcurrency,
  loadBefore,
  rounds: Number(flags.rounds),
  versions: {
    ...versions as Record<string, string>,
    Deno: Deno.version.deno,
    V8: Deno.version.v8,
  },
  shapes,
};
await Deno.writeTextFile(
  `${folder}/result.json`,
  JSON.stringify(report, null, 1),
);
await print(`${toMarkdown(report)}\n`);
if (flags.write) await writeDocs(report);

async function makeModels(): Promise<
  { features: number; rows: number; models: Shape[] }
> {
  await Deno.mkdir(folder, { recursive: true });
  const index = `${folder}/models.json`;
  const isMade = await Deno.stat(index).then(() => true, () => false);
  if (!isMade) {
    await runPython("bench", here("make_models.py"), { args: [folder] });
  }
  const made = JSON.parse(await Deno.readTextFile(index));
  for (const { stem } of made.models) {
    const model = parseModel(await Deno.readFile(`${folder}/${stem}.ubj`));
    await Deno.writeFile(`${folder}/${stem}.onnx`, toOnnx(model));
  }
  return made;
}

async function measureShape(shape: Shape): Promise<ShapeResult> {
  await note(shape.name);
  const expected = await scoresOf(python, {
    engine: "XGBoost",
    stem: shape.stem,
  });
  const entries: Entry[] = [];
  for (const [engine, contender] of contenders) {
    const subject = { engine, stem: shape.stem };
    const entry = await enter(contender, subject, expected);
    if (entry) entries.push(entry);
  }
  for (let round = 0; round < Number(flags.rounds); round++) {
    await note(`round ${round + 1}`);
    for (const { subject, contender, rows, rowsPerSecond } of entries) {
      const answer = await contender.ask({
        ...subject,
        do: "measure",
        rows,
        seconds,
      });
      rowsPerSecond.push(answer.rowsPerSecond ?? NaN);
    }
  }
  for (const { subject, contender } of entries) {
    await contender.ask({ ...subject, do: "close" });
  }
  const { size } = await Deno.stat(`${folder}/${shape.stem}.ubj`);
  const engines = entries.map((
    { subject, openMs, difference, rowsPerSecond },
  ): Measured => ({
    engine: subject.engine,
    rowsPerSecond,
    openMs,
    difference,
  }));
  return { ...shape, bytes: size, ready: await measureReady(shape), engines };
}

/** Opens a subject, checks its scores, and warms it up; undefined, and said, where it cannot run. */
async function enter(
  contender: Contender,
  subject: Subject,
  expected: readonly number[],
): Promise<Entry | undefined> {
  const { openMs = NaN } = await contender.ask({ ...subject, do: "open" });
  const scores = await contender.ask({
    ...subject,
    do: "scores",
    rows: checkedRows,
  });
  const difference = largestDifference(expected, scores.scores ?? []);
  const trial = await contender.ask({
    ...subject,
    do: "measure",
    rows: leastRows,
    seconds: seconds / 4,
  });
  const wanted = Math.round((trial.rowsPerSecond ?? 0) * seconds);
  const rows = Math.min(matrixRows, Math.max(leastRows, wanted));
  await note(
    `${subject.engine}: ${rows} rows, difference ${difference}`,
  );
  return { subject, contender, openMs, difference, rows, rowsPerSecond: [] };
}

async function scoresOf(
  contender: Contender,
  subject: Subject,
): Promise<number[]> {
  await contender.ask({ ...subject, do: "open" });
  const { scores = [] } = await contender.ask({
    ...subject,
    do: "scores",
    rows: checkedRows,
  });
  return scores;
}

function largestDifference(
  expected: readonly number[],
  found: readonly number[],
): number {
  if (expected.length !== found.length) return Infinity;
  return expected.reduce(
    (most, x, i) => Math.max(most, Math.abs(x - (found[i] ?? NaN))),
    0,
  );
}

async function measureReady({ stem }: Shape): Promise<Ready[]> {
  const times: Ready[] = [];
  for (let n = 0; n < 9; n++) {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-read", here("ready.ts"), `${folder}/${stem}.ubj`],
      stderr: "null",
    }).output();
    times.push(JSON.parse(new TextDecoder().decode(stdout)) as Ready);
  }
  return times;
}

/** Puts the tables of this run between the two marks of the page. */
async function writeDocs(report: Report): Promise<void> {
  const page = await Deno.readTextFile(docs);
  const [before = "", after = ""] = page.split(
    /<!-- results -->[^]*<!-- end -->/,
  );
  const { date, processors, loadBefore, rounds, versions } = report;
  const stated = Object.entries(versions).map(([name, version]) =>
    `${name} ${version}`
  );
  const load = `${loadBefore.toFixed(1)} programs ready to run before it`;
  const said =
    `Run of ${date}: ${processors} processor cores, ${load}, ${rounds} rounds; ${
      stated.join(", ")
    }.`;
  const results = `<!-- results -->\n\n${said}\n\n${
    toMarkdown(report)
  }\n\n<!-- end -->`;
  await Deno.writeTextFile(docs, before + results + after);
  await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", docs],
  }).output();
}

async function note(text: string): Promise<void> {
  await Deno.stderr.write(new TextEncoder().encode(`${text}\n`));
}

async function print(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(text));
}
