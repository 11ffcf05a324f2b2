/** Prints the Markdown of a workflow's step summary: `deno task summary RESULT.json …`. */
import { basename } from "node:path";
import { summaryCommand } from "../lib/cli/commands.ts";
import { runScript } from "../lib/cli/program.ts";
import {
  type Result,
  toJobSummary,
  toRunSummary,
} from "../lib/cli/github-summary.ts";

await runScript(summaryCommand, async (_, { words }) => {
  const results = (await Promise.all(words.map(readResult))).flatMap((result) =>
    Array.isArray(result.variants) ? result.variants as Result[] : [result]
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
  try {
    const lines = (await Deno.readTextFile(path)).trim().split("\n");
    return { variant, ...JSON.parse(lines.at(-1) ?? "") };
  } catch (error) {
    const isUnfinished = error instanceof Deno.errors.NotFound ||
      error instanceof SyntaxError;
    if (!isUnfinished) throw error;
    return { variant, status: "no result; see the job's log" };
  }
}
