/** Color: where it is used, and that it changes no character of the text. */
import { match, ok, strictEqual } from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { hasColor, paintMessage, paintText } from "../../lib/cli/color.ts";
import { tempFolder } from "../support/servers.ts";
import { runInTerminal } from "../support/terminal.ts";

Deno.test("a terminal has color; NO_COLOR wins over FORCE_COLOR, and an empty variable is none", () => {
  const cases: [boolean, Record<string, string>, boolean][] = [
    [true, {}, true],
    [true, { TERM: "xterm" }, true],
    [true, { TERM: "dumb" }, false],
    [true, { NO_COLOR: "1" }, false],
    [true, { NO_COLOR: "0" }, false],
    [true, { NO_COLOR: "" }, true],
    [true, { FORCE_COLOR: "0" }, false],
    [false, {}, false],
    [false, { FORCE_COLOR: "1" }, true],
    [false, { FORCE_COLOR: "", TERM: "xterm" }, false],
    [false, { FORCE_COLOR: "1", NO_COLOR: "1" }, false],
    [true, { FORCE_COLOR: "1", TERM: "dumb" }, true],
  ];
  for (const [isTerminal, environment, expected] of cases) {
    strictEqual(
      hasColor(isTerminal, environment),
      expected,
      JSON.stringify([isTerminal, environment]),
    );
  }
});

Deno.test("color marks signs, groups, first words and commands, and changes no character", () => {
  const text = [
    "Models",
    "  ✓ base  version 1",
    "  ! company  no version yet",
    "             → deno task log-model --company C",
    "  ✗ geography US  unusable",
    "Alone",
    "",
    "Scored 400 players",
    '  deno task query "select 1"',
    "Run `deno task predict` again",
    "  data: ok",
    "  drift: fail, 2 of 7 features",
    "  label: ok",
    "Scoredish `rm -rf /`",
  ].join("\n");
  const painted = paintText(text);
  strictEqual(stripVTControlCharacters(painted), text);
  const has = (style: number, shown: string) =>
    ok(painted.includes(`\x1b[${style}m${shown}\x1b[`), `${style} ${shown}`);
  has(1, "Models");
  has(32, "✓");
  has(33, "!");
  has(31, "✗");
  has(36, "deno task log-model --company C");
  has(32, "Scored");
  has(36, 'deno task query "select 1"');
  has(36, "deno task predict");
  has(32, "ok");
  has(31, "fail");
  match(painted, /^ +label: ok$/m);
  match(painted, /^Alone$/m);
  match(painted, /^Scoredish `rm -rf \/`$/m);
  strictEqual(
    paintMessage("predict: Cannot read: x", { isError: true }),
    "\x1b[31m\x1b[1mpredict:\x1b[22m\x1b[39m Cannot read: x",
  );
  strictEqual(paintMessage("WARNING: late"), "\x1b[33mWARNING:\x1b[39m late");
});

Deno.test("in a terminal doctor and an error have color, in a pipe or with NO_COLOR none", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home` };
  const shown = await runInTerminal("doctor", [], { env });
  ok(shown.text.includes("\x1b[32m✓\x1b"), shown.text);
  ok(shown.text.includes("\x1b[1mSettings\x1b"), shown.text);
  const wrong = await runInTerminal("predict", ["--inptu", "x"], { env });
  strictEqual(wrong.code, 2);
  ok(wrong.text.startsWith("\x1b[31m\x1b[1mpredict:"), wrong.text);
  ok(wrong.text.includes("`\x1b[36mdeno task predict --help\x1b"), wrong.text);
  for (const plain of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) {
    const { text } = await runInTerminal("doctor", [], {
      env: { ...env, ...plain },
    });
    match(text, /✓ Deno/);
    ok(!text.includes("\x1b["), text);
  }
});

Deno.test("help and plan fit into a terminal of 72 columns", async () => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home`, NO_COLOR: "1" };
  for (
    const [name, args] of [["predict", ["--help"]], ["plan", []]] as const
  ) {
    const { text } = await runInTerminal(name, args, { env, columns: 72 });
    match(text, name === "plan" ? /2026-11-23/ : /--idempotency-key/);
    // The path of the temporary folder is one word that cannot be broken.
    for (const line of text.split("\n")) {
      ok(line.length <= 72 || line.includes(folder.path), line);
    }
  }
});
