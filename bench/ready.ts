/** Prints how many milliseconds a fresh process needs from a model's bytes to its first score. Usage: deno run … bench/ready.ts FILE */
import { openKernel } from "../lib/model/kernel.ts";
import { parseModel } from "../lib/model/parse.ts";

const bytes = await Deno.readFile(Deno.args[0] ?? "");
const start = performance.now();
const model = parseModel(bytes);
if (model.kind !== "trees") throw new Error("Cannot measure: no trees");
openKernel(model).predict(new Float32Array(model.features.count), 1);
const ms = performance.now() - start;
await Deno.stdout.write(new TextEncoder().encode(`${ms}\n`));
