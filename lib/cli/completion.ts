/** Writes the scripts with which a shell completes the tasks, their flags and the values of flags. */
import { toBash } from "./completion/bash.ts";
import { toFish } from "./completion/fish.ts";
import type { Shell } from "../config/commands.ts";
import { type CompletionOptions, toTask } from "./completion/task.ts";
import { toZsh } from "./completion/zsh.ts";
import type { Command } from "../config/flags.ts";

/**
 * Returns the script for a shell. It completes `deno task NAME …` for the given
 * tasks, and leaves everything else to the completion that the shell has for `deno`
 * already.
 */
export function toCompletion(
  shell: Shell,
  commands: readonly Command[],
  options: CompletionOptions,
): string {
  const tasks = commands.map((command) => toTask(command, options));
  switch (shell) {
    case "bash":
      return toBash(tasks, options);
    case "zsh":
      return toZsh(tasks, options);
    case "fish":
      return toFish(tasks, options);
  }
}
