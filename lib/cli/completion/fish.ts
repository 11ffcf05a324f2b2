/** Writes the completion script of fish. */
import { type CompletedTask, type CompletionOptions, header } from "./task.ts";

/** Returns the script for fish. */
export function toFish(
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
