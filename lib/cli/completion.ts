/** Writes the scripts with which a shell completes the tasks, their flags and the values of flags. */
import { shellWord } from "../config/variant.ts";
import type { Command, Flag } from "./flags.ts";

/** The shells that can be completed. */
export const shells = ["bash", "zsh", "fish"] as const;

/** A shell that can be completed. */
export type Shell = typeof shells[number];

/** What a script is written for. */
export interface CompletionOptions {
  /** The project's folder: tasks are completed in it and below it, and where the command line names a file of it. */
  readonly project: string;
  /** The values of flags that name a part of a variant. */
  readonly parts: Readonly<Record<"geography" | "company", readonly string[]>>;
}

/** One flag of a task, as a shell completes it. */
interface CompletedFlag {
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
interface CompletedTask {
  readonly name: string;
  readonly help: string;
  readonly flags: readonly CompletedFlag[];
  /** What its arguments without a flag may be. */
  readonly words: {
    readonly values: readonly string[];
    readonly isFile: boolean;
  };
}

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

function toTask(command: Command, options: CompletionOptions): CompletedTask {
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

function header(shell: Shell, { project }: CompletionOptions): string[] {
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
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Returns the condition, in bash and zsh, that the tasks are this project's. */
function isHere({ project }: CompletionOptions, line: string): string {
  const root = quoted(project);
  return `[[ "$PWD/" == ${root}/* || ${line} == *${root}/* ]]`;
}

function toBash(
  tasks: readonly CompletedTask[],
  options: CompletionOptions,
): string {
  const lines = (values: readonly string[]) => quoted(values.join("\n"));
  const flagsOf = tasks.map(({ name, flags }) =>
    `    ${quoted(name)}) _churn_found=${
      lines(flags.map((flag) => `--${flag.name}`))
    } ;;`
  );
  const valuesOf = tasks.flatMap(({ name, flags, words }) => [
    ...flags.filter(({ value }) => value !== undefined).map((flag) =>
      `    ${quoted(`${name} --${flag.name}`)}) ${
        flag.isFile ? "_churn_files=1 ; " : ""
      }_churn_found=${lines(flag.values)} ;;`
    ),
    ...words.isFile || words.values.length > 0
      ? [
        `    ${quoted(`${name} `)}) ${
          words.isFile ? "_churn_files=1 ; " : ""
        }_churn_found=${lines(words.values)} ;;`,
      ]
      : [],
  ]);
  return [
    ...header("bash", options),
    "_churn_before=$(complete -p deno 2>/dev/null | sed -n 's/.* -F \\([^ ]*\\) .*/\\1/p')",
    "[[ $_churn_before == _churn ]] && _churn_before=",
    "",
    "# Sets _churn_found to the flags of a task.",
    "_churn_flags() {",
    '  case "$1" in',
    ...flagsOf,
    "    *) return 1 ;;",
    "  esac",
    "}",
    "",
    "# Sets _churn_found to the values of `TASK --FLAG`, and _churn_files if it is a file; fails for a flag without a value.",
    "_churn_values() {",
    '  case "$1" in',
    ...valuesOf,
    "    *) return 1 ;;",
    "  esac",
    "}",
    "",
    "_churn() {",
    '  local line="${COMP_LINE:0:COMP_POINT}" cur= task= before= word found stem',
    "  local -a words",
    "  local _churn_found= _churn_files=",
    '  read -ra words <<< "$line"',
    "  if [[ $line != *[[:space:]] ]]; then",
    "    cur=${words[${#words[@]} - 1]}", // bash 3.2 has no negative index
    '    unset "words[${#words[@]} - 1]"',
    "  fi",
    "  # After `deno task` and its own flags comes the name.",
    `  if [[ \${words[1]} != task ]] || ! ${isHere(options, '"$line"')}; then`,
    '    if [[ -n $_churn_before ]]; then "$_churn_before" "$@"; fi',
    "    return",
    "  fi",
    '  for word in "${words[@]:2}"; do',
    "    if [[ -n $task ]]; then before=$word",
    "    elif [[ $found == skip ]]; then found=",
    "    elif [[ $word == --config || $word == -c || $word == --cwd ]]; then found=skip",
    "    elif [[ $word != -* ]]; then task=$word",
    "    fi",
    "  done",
    "  if [[ -z $task ]]; then",
    `    _churn_found=${lines(tasks.map(({ name }) => name))}`,
    '  elif [[ $cur == --*=* ]] && _churn_values "$task ${cur%%=*}"; then',
    "    before=${cur%%=*}=",
    "    cur=${cur#*=}",
    '  elif [[ $before == --* && $before != *=* ]] && _churn_values "$task $before"; then',
    "    before=",
    "  else",
    "    before=",
    '    if [[ $cur == -* ]]; then _churn_flags "$task"',
    '    else _churn_values "$task " || _churn_flags "$task"',
    "    fi",
    "  fi",
    "  COMPREPLY=()",
    "  while IFS= read -r word; do",
    '    if [[ -n $word && $word == "$cur"* ]]; then COMPREPLY+=("$word"); fi',
    '  done <<< "$_churn_found"',
    "  if [[ -n $_churn_files ]]; then",
    "    compopt -o filenames 2>/dev/null",
    "    while IFS= read -r word; do",
    '      if [[ -n $word ]]; then COMPREPLY+=("$word"); fi',
    '    done < <(compgen -f -- "$cur")',
    "  fi",
    "  # bash takes what follows a = or : for a word of its own.",
    '  stem=${cur%"${cur##*[=:]}"}',
    '  if [[ -n $stem ]]; then COMPREPLY=("${COMPREPLY[@]#"$stem"}"); fi',
    "}",
    "complete -F _churn deno",
  ].join("\n");
}

/** Escapes a text in a specification of zsh's `_arguments` or `_describe`. */
function zshText(text: string): string {
  return text.replace(/[\\[\]:]/g, (character) => `\\${character}`);
}

function toZsh(
  tasks: readonly CompletedTask[],
  options: CompletionOptions,
): string {
  const actionOf = (
    { values, isFile }: { values: readonly string[]; isFile: boolean },
  ) => {
    if (isFile && values.length > 0) {
      return ` _churn_or_file ${values.join(" ")}`;
    }
    return isFile
      ? "_files"
      : values.length > 0
      ? `(${values.join(" ")})`
      : " ";
  };
  const specOf = (flag: CompletedFlag) => {
    const text = `[${zshText(flag.help)}]`;
    const name = `${flag.isList ? "*" : ""}--${flag.name}`;
    if (flag.value === undefined) return quoted(`${name}${text}`);
    return quoted(
      `${name}=${text}:${zshText(flag.value)}:${actionOf(flag)}`,
    );
  };
  return [
    ...header("zsh", options),
    "typeset -g _churn_before=${_comps[deno]}",
    "[[ $_churn_before == _churn ]] && _churn_before=",
    "",
    "_churn_or_file() {",
    "  _alternative \"values:value:($*)\" 'files:file:_files'",
    "}",
    "",
    "_churn() {",
    "  local -i at=3",
    `  if [[ \${words[2]} != task ]] || ! ${
      isHere(options, '"${words[*]}"')
    }; then`,
    '    [[ -n $_churn_before ]] && $_churn_before "$@"',
    "    return",
    "  fi",
    "  while (( at < CURRENT )) && [[ ${words[at]} == -* ]]; do",
    "    [[ ${words[at]} == (--config|-c|--cwd) ]] && (( at++ ))",
    "    (( at++ ))",
    "  done",
    "  if (( at >= CURRENT )); then",
    "    local -a tasks",
    "    tasks=(",
    ...tasks.map(({ name, help }) =>
      `      ${quoted(`${zshText(name)}:${help}`)}`
    ),
    "    )",
    "    _describe task tasks",
    "    return",
    "  fi",
    "  local name=${words[at]}",
    "  shift $(( at - 1 )) words",
    "  (( CURRENT -= at - 1 ))",
    "  case $name in",
    ...tasks.map(({ name, flags, words }) =>
      `    ${quoted(name)}) _arguments ${
        [
          ...flags.map(specOf),
          ...words.isFile || words.values.length > 0
            ? [quoted(`*:argument:${actionOf(words)}`)]
            : [],
        ].join(" ")
      } ;;`
    ),
    "  esac",
    "}",
    "compdef _churn deno",
  ].join("\n");
}

function toFish(
  tasks: readonly CompletedTask[],
  options: CompletionOptions,
): string {
  const text = (value: string) =>
    `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const choicesOf = (
    { values, isFile }: { values: readonly string[]; isFile: boolean },
  ) => [
    ...isFile ? [] : ["-f"],
    ...values.length > 0 ? ["-a", text(values.join(" "))] : [],
  ];
  const complete = (condition: string, ...more: readonly string[]) =>
    ["complete", "-c", "deno", "-n", text(condition), ...more].join(" ");
  return [
    ...header("fish", options),
    "# This file replaces fish's own for deno, which does only this:",
    "deno completions fish | source",
    "# Prints the task of the command line; fails outside the project, and in other commands than `deno task`.",
    "function __churn_task",
    "  set -l words (commandline -opc)",
    `  set -l root ${text(options.project)}`,
    '  string match -q -- "$root/*" "$PWD/"; or string match -q -- "*$root/*" "$words"; or return 1',
    '  test "$words[2]" = task; or return 1',
    "  set -l skip 0",
    "  for word in $words[3..]",
    "    if test $skip = 1",
    "      set skip 0",
    "    else if contains -- $word --config -c --cwd",
    "      set skip 1",
    "    else if not string match -q -- '-*' $word",
    "      echo $word",
    "      return 0",
    "    end",
    "  end",
    "  echo none",
    "end",
    "",
    "function __churn_is",
    "  set -l task (__churn_task)",
    '  test "$task" = "$argv[1]"',
    "end",
    "",
    ...tasks.flatMap(({ name, help, flags, words }) => {
      const isTask = `__churn_is ${name}`;
      return [
        complete(
          "__churn_is none",
          "-f",
          "-a",
          text(name),
          "-d",
          text(help),
        ),
        complete(isTask, ...choicesOf(words)),
        ...flags.map((flag) =>
          complete(
            isTask,
            "-l",
            flag.name,
            ...flag.value === undefined ? ["-f"] : ["-r", ...choicesOf(flag)],
            "-d",
            text(flag.help),
          )
        ),
      ];
    }),
  ].join("\n");
}
