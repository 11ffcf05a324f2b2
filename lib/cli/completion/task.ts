/** What shells complete: tasks, flags and values, from the tables of the commands. */
import { shellWord } from "../../config/variant.ts";
import type { Shell } from "../../config/commands.ts";
import type { Command, Flag } from "../../config/flags.ts";

/** What a script is written for. */
export interface CompletionOptions {
  /** The project's folder: tasks are completed in it and below it, and where the command line names a file of it. */
  readonly project: string;
  /** The values of flags that name a part of a variant. */
  readonly parts: Readonly<Record<"geography" | "company", readonly string[]>>;
}

/** One flag of a task, as a shell completes it. */
export interface CompletedFlag {
  readonly name: string;
  readonly help: string;
  /** The placeholder of its value; undefined for a switch. */
  readonly value: string | undefined;
  /** The values to choose from; empty if there is no such list. */
  readonly values: readonly string[];
  readonly isFile: boolean;
  readonly isList: boolean;
}

/** One task, as a shell completes it. */
export interface CompletedTask {
  readonly name: string;
  readonly help: string;
  readonly flags: readonly CompletedFlag[];
  /** What its arguments without a flag may be. */
  readonly words: {
    readonly values: readonly string[];
    readonly isFile: boolean;
  };
}

/** Returns a command as shells complete it. */
export function toTask(
  command: Command,
  options: CompletionOptions,
): CompletedTask {
  const { name, summary, flags, words } = command;
  const own = Object.entries(flags).map(([flag, details]) =>
    toFlag(flag, details, options)
  );
  const isKnown = (flag: string) => own.some((each) => each.name === flag);
  const common = [["help", "print the help"], ["version", "print the version"]]
    .filter(([flag]) => !isKnown(flag!))
    .map(([flag, help]) => ({
      name: flag!,
      help: help!,
      value: undefined,
      values: [],
      isFile: false,
      isList: false,
    }));
  return {
    name,
    help: summary,
    flags: [...own, ...common],
    words: { values: words?.values ?? [], isFile: words?.file !== undefined },
  };
}

function toFlag(
  name: string,
  flag: Flag,
  { parts }: CompletionOptions,
): CompletedFlag {
  const { help } = flag;
  if (flag.kind === "switch") {
    const none = { value: undefined, values: [], isFile: false, isList: false };
    return { name, help, ...none };
  }
  const known = flag.kind === "text" ? flag.values : undefined;
  return {
    name,
    help,
    value: flag.value,
    values: typeof known === "string" ? parts[known] : known ?? [],
    isFile: flag.file !== undefined,
    isList: flag.kind === "list",
  };
}

/** Returns the first lines of a script, which say how to use it. */
export function header(shell: Shell, { project }: CompletionOptions): string[] {
  const print = `deno task --quiet --config ${
    shellWord(`${project}/deno.json`)
  } completion ${shell}`;
  const use = {
    bash: `in ~/.bashrc: source <(${print})`,
    zsh: `in ~/.zshrc, after compinit: source <(${print})`,
    fish: `${print} > ~/.config/fish/completions/deno.fish`,
  };
  return [
    `# Completes the tasks of ${project} in ${shell}.`,
    `# To use it, ${use[shell]}`,
  ];
}

/** Returns a text in single quotes, as bash and zsh read it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Returns the condition, in bash and zsh, that the tasks are this project's. */
export function isHere({ project }: CompletionOptions, line: string): string {
  const root = quoted(project);
  return `[[ "$PWD/" == ${root}/* || ${line} == *${root}/* ]]`;
}
