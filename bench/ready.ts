/**
 * Prints how many milliseconds a process needs from a model's bytes to its
 * first score, as JSON: `fresh`, when its code has never run, and `running`,
 * the median of ten times after that. Usage: deno run … bench/ready.ts FILE
 */
import { openKernel } from "../lib/model/kernel/kernel.ts";
import { parseModel } from "../lib/model/formats/detect.ts";
import { median } from "./report.ts";

const bytes = await Deno.readFile(Deno.args[0] ?? "");
const fresh = measure();
const running = median(Array.from({ length: 10 }, measure));
const line = `${JSON.stringify({ fresh, running })}\n`;
await Deno.stdout.write(new TextEncoder().encode(line));

function measure(): number {
  const start = performance.now();
  const model = parseModel(bytes);
  if (model.kind !== "trees") throw new Error("Cannot measure: no trees");
  openKernel(model).predict(new Float32Array(model.features.count), 1);
  return performance.now() - start;
}
