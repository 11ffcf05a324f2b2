/** Prints the Markdown of a workflow's step summary: `deno task summary RESULT.json …`. */
import { basename } from "node:path";
import * as v from "../lib/base/schema.ts";
import { commandTable } from "../lib/config/commands.ts";
import { runScript } from "../lib/cli/program.ts";
import {
  type Result,
  toJobSummary,
  toRunSummary,
} from "../lib/cli/github-summary.ts";

const anyResult = v.record(v.unknown());
/** The result of `--all`: one result per variant. */
const ofVariants = v.object({ variants: v.array(anyResult) });

await runScript(commandTable.summary, async (_, { words }) => {
  const results = (await Promise.all(words.map(readResult))).flatMap((result) =>
    v.match(ofVariants, result)?.variants ?? [result]
  );
  const [only] = results;
  return {
    report: { status: "done" },
    text: only && results.length === 1
      ? toJobSummary(only)
      : toRunSummary(results),
    isData: true,
  };
});

/** Returns the JSON object in the last line; a placeholder when the job ended before its command wrote one. */
async function readResult(path: string): Promise<Result> {
  const variant = basename(path, ".json");
  const text = await Deno.readTextFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  const result = v.matchJson(anyResult, text.trim().split("\n").at(-1) ?? "");
  return {
    variant,
    ...result ?? { status: "no result; see the job's log" },
  };
}
