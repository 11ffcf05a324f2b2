// deno-lint-ignore-file no-console -- says loudly which shells are not installed
/** Completion in the shells themselves; those that are not installed are skipped with a message. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { shellWord } from "../../lib/config/variant.ts";
import { commands, type Shell, shells } from "../../lib/config/commands.ts";
import { developmentTasks } from "../../lib/cli/development.ts";
import { runCommand } from "../support/commands.ts";
import { tempFolder } from "../support/servers.ts";

const root = fileURLToPath(new URL("../../", import.meta.url)).slice(0, -1);

/** Completes lines in one shell; returns the candidates per line, sorted. */
type Complete = (
  script: string,
  lines: readonly string[],
) => Promise<string[][]>;

async function run(
  program: string,
  args: readonly string[],
  cwd = root,
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    env: { TERM: "dumb" },
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  ok(success, `${program}: ${new TextDecoder().decode(stderr)}${text}`);
  return text;
}

/** Splits what was printed at lines `==`, one per completed line. */
function toCandidates(text: string): string[][] {
  return text.split(/^==$/m).slice(1).map((part) =>
    part.split("\n").map((line) => line.split("\t")[0]!).filter((line) =>
      line !== ""
    ).sort()
  );
}

/** Calls the function that `complete -F` registered, with the variables that bash sets. It returns no files: bash itself completes those. */
const inBash: Complete = async (script, lines) =>
  toCandidates(
    await run("bash", [
      "--norc",
      "-c",
      `source "$1"; shift
      for line; do
        COMP_LINE=$line COMP_POINT=\${#line} COMPREPLY=()
        fun=$(complete -p deno | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
        $fun deno "" ""
        echo "=="; printf '%s\\n' "\${COMPREPLY[@]}"
      done`,
      "bash",
      script,
      ...lines,
    ]),
  );

/** Replaces the builtins that would show the candidates by functions that print them. */
const inZsh: Complete = async (script, lines) => {
  const shown: string[][] = [];
  for (const line of lines) {
    // A pseudo-terminal of zsh's own, in which the line is typed and Ctrl-D lists all candidates; Ctrl-X then says that it has.
    const text = await run("zsh", [
      "-f",
      "-c",
      `zmodload zsh/zpty
      zpty shell "COLUMNS=300 zsh -f -i"
      zpty -w shell "PS1='' PS2='' ; autoload -Uz compinit; compinit -u -D; source \${(q)1}; setopt no_list_ambiguous no_beep; LISTMAX=0; zstyle ':completion:*' list-separator '#'; zstyle ':completion:*' menu no; mark() { print -n MARK''MARK }; zle -N mark; bindkey '^X' mark; zle-line-init() { print -n READY''READY }; zle -N zle-line-init"
      zpty -r -m shell out '*READYREADY*'
      zpty -w -n shell $2$'\\C-d\\C-x'
      zpty -r -m shell out '*MARKMARK*'
      print -r -- $out`,
      "zsh",
      script,
      line,
    ]);
    shown.push(text.split(/\s+/).filter((word) => word !== ""));
  }
  return shown;
};

/** `complete -C` prints the candidates; the script is loaded as fish loads it. */
const inFish: Complete = async (script, lines) => {
  await using home = await tempFolder();
  const folder = `${home.path}/fish/completions`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.copyFile(script, `${folder}/deno.fish`);
  return toCandidates(
    await run("env", [
      `XDG_CONFIG_HOME=${home.path}`,
      "fish",
      "-c",
      `for line in $argv; echo "=="; complete -C $line; echo; end`,
      ...lines,
    ]),
  );
};

async function isInstalled(shell: Shell): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(shell, { args: ["-c", "true"] })
      .output();
    return success;
  } catch {
    return false;
  }
}

/** Writes the script of a shell to a file, as a user does. */
async function writeScript(shell: Shell, folder: string): Promise<string> {
  const env = { CHURN_HOME: `${folder}/home` };
  const { stdout } = await runCommand("completion", [shell], {
    env,
    json: false,
  });
  const file = `${folder}/completion.${shell}`;
  await Deno.writeTextFile(file, stdout);
  return file;
}

const lines = [
  "deno task pred",
  "deno task predict --ge",
  "deno task predict --geography ",
  "deno task --quiet plan --fail-on o",
  "deno task predict --engine=t",
  "deno task predict --input READ",
  "deno task predict --output pos",
  "deno task completion ",
];

const expected = [
  ["predict"],
  ["--geography"],
  ["EU", "US"],
  ["overdue", "overdue,incomplete"],
  ["trees"],
  ["README.md"],
  ["postgres"],
  ["bash", "fish", "zsh"],
];

for (const shell of shells) {
  const isMissing = !await isInstalled(shell);
  if (isMissing) {
    console.warn(`SKIPPED: completion in ${shell}, which is not installed`);
  }
  Deno.test({
    name: `completion in ${shell} knows tasks, flags, values and files`,
    ignore: isMissing,
    async fn() {
      await using folder = await tempFolder();
      const script = await writeScript(shell, folder.path);
      if (shell === "zsh") {
        const shown = await inZsh(script, lines);
        for (const [index, words] of expected.entries()) {
          for (const word of words) {
            ok(
              shown[index]!.some((found) => found.startsWith(word)),
              `${lines[index]}: ${shown[index]}`,
            );
          }
        }
        return;
      }
      if (shell === "bash") {
        const isFile = (line: string | undefined) => line?.includes("--input");
        deepStrictEqual(
          await inBash(script, lines),
          expected.map((words, index) => isFile(lines[index]) ? [] : words),
        );
        return;
      }
      deepStrictEqual(
        // fish completes the whole word.
        (await inFish(script, lines)).map((words) =>
          words.map((word) => word.replace(/^--engine=/, ""))
        ),
        expected,
      );
    },
  });
}

/** What a person types, with a tab where the shell is to complete, and the arguments that `deno` then gets. FOLDER stands for a folder of the test. */
const typed: readonly (readonly [line: string, args: string])[] = [
  ["deno task predict --input READ\t", "<task><predict><--input><README.md>"],
  [
    "deno task predict --input ~/own\t",
    "<task><predict><--input><FOLDER/own.csv>",
  ],
  [
    "deno task predict --input=FOLDER/sub\\ dir/week\t",
    "<task><predict><--input=FOLDER/sub dir/week one.jsonl>",
  ],
  ["deno task predict --output pos\t", "<task><predict><--output><postgres>"],
  [
    "deno task predict --output FOLDER/pos\t",
    "<task><predict><--output><FOLDER/postcards.csv>",
  ],
  [
    "deno task predict --geography READ\t",
    "<task><predict><--geography><READ>",
  ],
  ["deno task summary READ\t", "<task><summary><README.md>"],
  // Not ours: as it was before.
  ["deno run READ\t", "<run><README.md>"],
];

for (const shell of ["bash", "zsh"] as const) {
  Deno.test({
    name:
      `completion in a terminal with ${shell} completes files as ${shell} does`,
    ignore: !await isInstalled(shell),
    async fn() {
      await using folder = await tempFolder();
      const { path } = folder;
      const script = await writeScript(shell, path);
      await Deno.mkdir(`${path}/sub dir`);
      for (
        const file of ["own.csv", "postcards.csv", "sub dir/week one.jsonl"]
      ) {
        await Deno.writeTextFile(`${path}/${file}`, "");
      }
      const source = `source ${shellWord(script)}`;
      // In bash, as clap's completion for deno is registered.
      const start = shell === "bash"
        ? [
          "_deno() { COMPREPLY=(); }",
          "complete -F _deno -o nosort -o bashdefault -o default deno",
          source,
        ]
        : [
          "autoload -Uz compinit; compinit -u -D",
          "zstyle ':completion:*' insert-tab false",
          source,
        ];
      await Deno.writeTextFile(
        `${path}/.${shell}rc`,
        ["deno() { printf '<%s>' \"$@\"; echo; }", ...start].join("\n"),
      );
      const command = shell === "bash"
        ? `bash --rcfile ${path}/.bashrc -i`
        : "zsh -i";
      const child = new Deno.Command("script", {
        args: ["--quiet", "--return", "--command", command, "/dev/null"],
        cwd: root,
        env: { TERM: "xterm", HOME: path, ZDOTDIR: path },
        stdin: "piped",
        stdout: "piped",
      }).spawn();
      const keyboard = child.stdin.getWriter();
      const screen = child.stdout.pipeThrough(new TextDecoderStream())
        .getReader();
      /** Types a line and returns what the screen shows until the shell has printed a mark after it. */
      const type = async (line: string) => {
        await keyboard.write(
          new TextEncoder().encode(`${line}\necho END''END\n`),
        );
        for (let shown = "";;) {
          const { value, done } = await screen.read();
          ok(!done, shown);
          shown += value;
          if (shown.includes("ENDEND")) return shown;
        }
      };
      await type(""); // a shell that still starts takes a tab for a character
      for (const [line, args] of typed) {
        const shown = await type(line.replaceAll("FOLDER", path));
        const expected = args.replaceAll("FOLDER", path);
        ok(shown.includes(`${expected}\r\n`), `${line}: ${shown}`);
      }
      await keyboard.write(new TextEncoder().encode("exit\n"));
      await keyboard.close();
      while (!(await screen.read()).done);
      await child.status;
    },
  });
}

Deno.test("completion in bash knows every task and every flag of the tables, and leaves other projects alone", async () => {
  await using folder = await tempFolder();
  const script = await writeScript("bash", folder.path);
  const everything = [...commands, ...developmentTasks];
  const [tasks, ...flags] = await inBash(script, [
    "deno task ",
    ...everything.map(({ name }) => `deno task ${name} --`),
  ]);
  deepStrictEqual(tasks, everything.map(({ name }) => name).sort());
  deepStrictEqual(
    flags,
    everything.map((command) =>
      [
        ...new Set([...Object.keys(command.flags), "help", "version"]),
      ].map((name) => `--${name}`).sort()
    ),
  );
  const [colon] = await inBash(script, ["deno task test:f"]);
  deepStrictEqual(colon, ["faults"]);
  const elsewhere = await run("bash", [
    "--norc",
    "-c",
    `_own() { COMPREPLY=(own); }; complete -F _own deno; source "$1"; cd /
    try() { COMP_LINE=$1 COMP_POINT=\${#1} COMPREPLY=(); _churn deno "" ""; echo "\${COMPREPLY[*]}"; }
    try "deno task pre"; try "deno ru"; try "deno task --config $2/deno.json promo"`,
    "bash",
    script,
    root,
  ]);
  strictEqual(elsewhere, "own\nown\npromote\n");
});

Deno.test("completion names the shells that it knows", async () => {
  const env = {};
  const wrong = await runCommand("completion", ["tcsh"], { env, code: 2 });
  match(wrong.report.error, /"tcsh": expected one of bash, zsh, fish/);
  await runCommand("completion", [], { env, code: 2 });
});
