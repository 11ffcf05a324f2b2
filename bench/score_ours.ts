/**
 * The engines that run in Deno, for the benchmark: one JSON command a line in,
 * one JSON answer a line out.
 *
 * Usage: deno run … bench/score_ours.ts FOLDER
 */
import type { TreeEnsemble } from "../lib/model/ensemble.ts";
import { openKernel } from "../lib/model/kernel/kernel.ts";
import { openOnnx } from "../lib/model/onnx/session.ts";
import { parseModel } from "../lib/model/formats/detect.ts";
import { type Answer, type Command, linesOf } from "./protocol.ts";

interface Opened {
  predict(
    matrix: Float32Array,
    rows: number,
  ): Float32Array | Promise<Float32Array>;
  close(): void | PromiseLike<void>;
}

const folder = Deno.args[0] ?? ".";
const { features }: { features: number } = JSON.parse(
  await Deno.readTextFile(`${folder}/models.json`),
);
const { buffer } = await Deno.readFile(`${folder}/matrix.f32`);
const matrix = new Float32Array(buffer);
const opened = new Map<string, Opened>();

async function open(command: Command): Promise<Opened> {
  const { engine, stem } = command;
  if (engine !== "kernel") {
    const session = await openOnnx(
      await Deno.readFile(`${folder}/${stem}.onnx`),
    );
    return {
      predict: (matrix, rows) => session.predict(matrix, rows),
      close: () => session[Symbol.asyncDispose](),
    };
  }
  const model = parseModel(await Deno.readFile(`${folder}/${stem}.ubj`));
  const kernel = openKernel(model as TreeEnsemble);
  return {
    predict: (matrix, rows) => kernel.predict(matrix, rows),
    close: () => {},
  };
}

async function answer(command: Command): Promise<Answer> {
  const key = `${command.engine} ${command.stem}`;
  if (command.do === "open") {
    const start = performance.now();
    const found = await open(command);
    await found.predict(matrix.subarray(0, features), 1);
    opened.set(key, found);
    return { openMs: performance.now() - start };
  }
  const subject = opened.get(key);
  if (subject === undefined) {
    throw new Error(`Cannot find ${key}: open it first`);
  }
  if (command.do === "close") {
    await subject.close();
    opened.delete(key);
    return {};
  }
  const { rows } = command;
  const part = matrix.subarray(0, rows * features);
  if (command.do === "scores") {
    return { scores: Array.from(await subject.predict(part, rows)) };
  }
  const start = performance.now();
  let times = 0;
  let seconds = 0;
  for (; seconds < command.seconds; times++) {
    await subject.predict(part, rows);
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
