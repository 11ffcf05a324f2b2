/**
 * The engines that run in Deno, for the benchmark: one JSON command a line in,
 * one JSON answer a line out.
 *
 * Usage: deno run … bench/score_ours.ts FOLDER
 */
import type { TreeEnsemble } from "../lib/model/ensemble.ts";
import { openKernel } from "../lib/model/kernel.ts";
import { openOnnx } from "../lib/model/onnxruntime.ts";
import { parseModel } from "../lib/model/parse.ts";
import { type Answer, type Command, linesOf } from "./protocol.ts";

type Predict = (
  matrix: Float32Array,
  rows: number,
) => Float32Array | Promise<Float32Array>;

const folder = Deno.args[0] ?? ".";
const { features }: { features: number } = JSON.parse(
  await Deno.readTextFile(`${folder}/models.json`),
);
const { buffer } = await Deno.readFile(`${folder}/matrix.f32`);
const matrix = new Float32Array(buffer);
const opened = new Map<string, Predict>();

async function open(command: Command): Promise<Predict> {
  const { engine, stem, threads } = command;
  if (engine !== "kernel") {
    const session = await openOnnx(
      await Deno.readFile(`${folder}/${stem}.onnx`),
    );
    return (matrix, rows) => session.predict(matrix, rows);
  }
  const model = parseModel(await Deno.readFile(`${folder}/${stem}.ubj`));
  const kernel = openKernel(model as TreeEnsemble, { threads });
  return (matrix, rows) => kernel.predict(matrix, rows);
}

async function answer(command: Command): Promise<Answer> {
  const key = `${command.engine} ${command.threads} ${command.stem}`;
  if (command.do === "open") {
    const start = performance.now();
    const predict = await open(command);
    await predict(matrix.subarray(0, features), 1);
    opened.set(key, predict);
    return { openMs: performance.now() - start };
  }
  const predict = opened.get(key);
  if (predict === undefined) {
    throw new Error(`Cannot find ${key}: open it first`);
  }
  if (command.do === "close") {
    opened.delete(key);
    return {};
  }
  const { rows } = command;
  const part = matrix.subarray(0, rows * features);
  if (command.do === "scores") {
    return { scores: Array.from(await predict(part, rows)) };
  }
  const start = performance.now();
  let times = 0;
  let seconds = 0;
  for (; seconds < command.seconds; times++) {
    await predict(part, rows);
    seconds = (performance.now() - start) / 1000;
  }
  return { rowsPerSecond: rows * times / seconds };
}

async function say(value: unknown): Promise<void> {
  await Deno.stdout.write(
    new TextEncoder().encode(`${JSON.stringify(value)}\n`),
  );
}

await say({ ready: true });
for await (const line of linesOf(Deno.stdin.readable)) {
  await say(await answer(JSON.parse(line)));
}
Deno.exit(0); // helpers of kernels may still be there
