/** Prints the matrix of a workflow's jobs: the variants that a run works on. Needs no configuration and no service. */
import { toMatrix } from "../lib/matrix.ts";
import {
  commonOptions,
  commonUsage,
  runScript,
  variantOptions,
} from "../lib/script.ts";
import { toVariants } from "../lib/variants.ts";
import { parseYaml } from "../lib/yaml.ts";

const command = {
  name: "matrix",
  summary: "Prints the jobs that GitHub's matrix runs, from variants.yaml.",
  usage: `  --geography G           only its variants; "-" for those without one
  --company C             only its variants; "-" for those without one
  --changed FILE          only variants whose model file is a line of FILE
${commonUsage}`,
  options: {
    ...variantOptions,
    ...commonOptions,
    changed: { type: "string" },
  },
} as const;

await runScript(command, async ({ geography, company, changed }) => {
  const variants = toVariants(
    parseYaml(
      await Deno.readTextFile(new URL("../variants.yaml", import.meta.url)),
      { file: "variants.yaml" },
    ),
  );
  const matrix = toMatrix(variants, {
    geography,
    company,
    changed: changed === undefined ? undefined : await readLines(changed),
  });
  const jobs = matrix.include.length;
  return {
    report: { status: jobs === 0 ? "nothing-to-do" : "planned", jobs, matrix },
    text: jobs === 0
      ? "Nothing to do: no variant is listed, or no model file changed"
      : matrix.include.map(({ title }) => title).join("\n"),
  };
});

async function readLines(path: string): Promise<string[]> {
  return (await Deno.readTextFile(path)).split("\n").filter(Boolean);
}
