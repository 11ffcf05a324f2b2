/** Writes the completion script of bash, from version 3.2 on. */
import {
  type CompletedTask,
  type CompletionOptions,
  header,
  isHere,
  quoted,
} from "./task.ts";

/** Returns the script for bash. */
export function toBash(
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
    '  read -a words <<< "$line"', // without -r, so that a space after a backslash is part of its word
    "  if [[ $line != *[[:space:]] ]]; then",
    "    cur=${words[${#words[@]} - 1]}", // bash 3.2 has no negative index
    '    unset "words[${#words[@]} - 1]"',
    "  fi",
    "  # After `deno task` and its own flags comes the name.",
    `  if [[ \${words[1]} != task ]] || ! ${isHere(options, '"$line"')}; then`,
    '    if [[ -n $_churn_before ]]; then "$_churn_before" "$@"; fi',
    "    return",
    "  fi",
    "  # Files are completed only where one is meant; bash 3.2 has no compopt, and completes them everywhere.",
    "  compopt +o bashdefault +o default 2>/dev/null",
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
    "  # bash itself completes files best, with ~, variables and spaces, but only if nothing else fits.",
    "  if [[ -n $_churn_files && ${#COMPREPLY[@]} == 0 ]]; then",
    "    compopt -o bashdefault -o default 2>/dev/null",
    "    return",
    "  fi",
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
    "complete -o bashdefault -o default -F _churn deno",
  ].join("\n");
}
