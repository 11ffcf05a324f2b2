/** Prints a script with which a shell completes the tasks, their flags and the values of flags. */
import {
  commands,
  commandTable,
  type Shell,
  shells,
} from "../lib/config/commands.ts";
import { toCompletion } from "../lib/cli/completion.ts";
import { developmentTasks } from "../lib/cli/development.ts";
import { runScript } from "../lib/cli/program.ts";
import { UsageError } from "../lib/base/errors.ts";
import { readVariants } from "../lib/services/services.ts";

if (import.meta.main) {
  await runScript(commandTable.completion, async (_flags, { words }) => {
    const shell = parseShell(words);
    const { listed } = await readVariants();
    const valuesOf = (part: "geography" | "company") => [
      ...new Set(listed.flatMap(({ variant }) => variant[part] ?? [])),
    ];
    const text = toCompletion(shell, [...commands, ...developmentTasks], {
      project: Deno.cwd(),
      parts: {
        geography: valuesOf("geography"),
        company: valuesOf("company"),
      },
    });
    return { report: { status: "done", shell }, text, isData: true };
  });
}

function parseShell([name, ...more]: readonly string[]): Shell {
  const shell = shells.find((known) => known === name);
  if (shell && more.length === 0) return shell;
  throw new UsageError(
    `Cannot complete ${
      name === undefined ? "without a shell" : `"${[name, ...more].join(" ")}"`
    }: expected one of ${shells.join(", ")}`,
  );
}
