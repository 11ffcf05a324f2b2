/** Runs a task in a pseudo-terminal, by `script` of util-linux, as a person sees it. */
import { shellWord } from "../../lib/config/variant.ts";
import { inherited } from "./commands.ts";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** What a terminal showed. */
export interface Shown {
  readonly code: number;
  /** Everything that was written to the terminal, stdout and stderr in their order, with line feeds as line ends. */
  readonly text: string;
}

/**
 * Runs `deno task NAME` in a pseudo-terminal.
 *
 * @param options `columns`: width of the terminal, 100 by default; `folder`: another checkout of the project.
 */
export async function runInTerminal(
  name: string,
  args: readonly string[],
  options: {
    env: Readonly<Record<string, string>>;
    columns?: number;
    folder?: string;
  },
): Promise<Shown> {
  const { env, columns = 100, folder = root } = options;
  const task = [Deno.execPath(), "task", "--quiet", name, ...args].map(
    shellWord,
  );
  const command = `stty cols ${columns} rows 40; ${task.join(" ")}`;
  const { code, stdout } = await new Deno.Command("script", {
    args: ["--quiet", "--return", "--command", command, "/dev/null"],
    cwd: folder,
    clearEnv: true,
    env: { ...inherited(), TERM: "xterm-256color", ...env },
    stdin: "null",
    stderr: "piped",
  }).output();
  const text = new TextDecoder().decode(stdout);
  return { code, text: text.replaceAll("\r\n", "\n") };
}
