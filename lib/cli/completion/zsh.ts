/** Writes the completion script of zsh. */
import {
  type CompletedFlag,
  type CompletedTask,
  type CompletionOptions,
  header,
  isHere,
  quoted,
} from "./task.ts";

/** Escapes a text in a specification of zsh's `_arguments` or `_describe`. */
function zshText(text: string): string {
  return text.replace(/[\\[\]:]/g, (character) => `\\${character}`);
}

/** Returns the script for zsh. */
export function toZsh(
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
    '    if [[ -n $_churn_before ]]; then $_churn_before "$@"; else _default; fi',
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
