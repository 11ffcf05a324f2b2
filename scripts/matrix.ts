/** Prints the job matrix of a workflow: the variants that a run processes. It needs no configuration and no services. */
import { toMatrix } from "../lib/cli/github-matrix.ts";
import { partsOf } from "../lib/cli/flag-values.ts";
import { commandTable } from "../lib/config/commands.ts";
import { runScript } from "../lib/cli/program.ts";
import { toVariants } from "../lib/config/variants.ts";
import { parseYaml } from "../lib/base/yaml.ts";

await runScript(commandTable.matrix, async ({ changed, ...flags }) => {
  const variants = toVariants(
    parseYaml(
      await Deno.readTextFile(new URL("../variants.yaml", import.meta.url)),
      { file: "variants.yaml" },
    ),
  );
  const matrix = toMatrix(variants, {
    ...partsOf(flags),
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
