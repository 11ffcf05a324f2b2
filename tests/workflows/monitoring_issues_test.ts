/** `.github/actions/monitoring/issues.sh` with a stand-in for gh that keeps issues as GitHub does. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { tempFolder } from "../support/servers.ts";
import { projectFolder, run } from "../support/tools.ts";

interface Issue {
  readonly title: string;
  readonly state: string;
  readonly body: string;
  readonly comments: readonly { readonly body: string }[];
}

/** A repository whose results are handed to the script, one variant a file. */
async function startRepository() {
  const folder = await tempFolder();
  await Deno.mkdir(`${folder.path}/bin`);
  await Deno.copyFile(
    `${projectFolder}tests/support/gh.sh`,
    `${folder.path}/bin/gh`,
  );
  await Deno.chmod(`${folder.path}/bin/gh`, 0o755);
  const issues = `${folder.path}/issues.json`;
  await Deno.writeTextFile(issues, "[]");
  let calls = 0;
  return {
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    /** Runs the script on results; gives back its exit code, its output, and the issues in short. */
    async update(results: Readonly<Record<string, unknown>>) {
      const path = `${folder.path}/results-${++calls}`;
      await Deno.mkdir(path);
      for (const [name, result] of Object.entries(results)) {
        const text = typeof result === "string"
          ? result
          : `progress\n${JSON.stringify(result)}\n`;
        await Deno.writeTextFile(`${path}/${name}.json`, text);
      }
      const { code, stdout, stderr } = await run("bash", [
        `${projectFolder}.github/actions/monitoring/issues.sh`,
      ], {
        cwd: folder.path,
        env: {
          PATH: `${folder.path}/bin:${Deno.env.get("PATH")}`,
          RESULTS: path,
          ISSUES: issues,
          DELAY_SECONDS: "0",
        },
      });
      const all: Issue[] = JSON.parse(await Deno.readTextFile(issues));
      return {
        code,
        output: stdout + stderr,
        issues: all,
        lines: all.map(({ title, state, comments }) =>
          `${title}: ${state}, ${comments.length}`
        ),
      };
    },
  };
}

const alert = (
  status: "ok" | "warn" | "fail",
  day: number,
  more: Record<string, unknown> = {},
) => ({
  variant: "geography-us",
  status,
  raised_at: `2026-11-${day}T00:00:00.000Z`,
  issue: "Monitoring of geography US",
  title: `geography US: drift ${status}`,
  markdown: "**drift** `$(touch injected)` \"'\\ é\n\n- `a`",
  ...more,
});
const report = (...alerts: unknown[]) => ({ status: "created", alerts });

Deno.test("issues.sh opens an issue for a warning or a failure, comments on changes, and closes it at the recovery", async () => {
  await using repository = await startRepository();
  const { update } = repository;
  const title = "Monitoring of geography US";
  deepStrictEqual((await update({ us: report() })).lines, []);
  deepStrictEqual((await update({})).lines, []);
  const opened = await update({
    us: report(alert("warn", 10)),
    base: report(),
  });
  deepStrictEqual([opened.code, opened.lines], [0, [`${title}: OPEN, 0`]]);
  match(
    opened.issues[0]!.body,
    /^### geography US: drift warn\n\n\*\*drift\*\* `\$\(touch injected\)` "'\\ é\n\n- `a`\n\n<!-- geography-us 2026-11-10T/,
  );
  deepStrictEqual((await update({ us: report(alert("fail", 11)) })).lines, [
    `${title}: OPEN, 1`,
  ]);
  deepStrictEqual((await update({ us: report(alert("ok", 12)) })).lines, [
    `${title}: CLOSED, 2`,
  ]);
  deepStrictEqual((await update({ us: report(alert("fail", 13)) })).lines, [
    `${title}: CLOSED, 2`,
    `${title}: OPEN, 0`,
  ]);
});

Deno.test("issues.sh keeps one issue per variant", async () => {
  await using repository = await startRepository();
  const base = { variant: "base", issue: "Monitoring of base" };
  const { lines } = await repository.update({
    us: report(alert("fail", 10)),
    base: report(alert("fail", 10, base)),
  });
  deepStrictEqual(lines.toSorted(), [
    "Monitoring of base: OPEN, 0",
    "Monitoring of geography US: OPEN, 0",
  ]);
});

Deno.test("issues.sh repeats nothing when a job runs again, and does not open again what a person or the recovery closed", async () => {
  await using repository = await startRepository();
  const { update } = repository;
  const both = { us: report(alert("fail", 10), alert("ok", 11)) };
  const first = await update(both);
  deepStrictEqual(first.lines, ["Monitoring of geography US: CLOSED, 1"]);
  deepStrictEqual((await update(both)).issues, first.issues);
  const failing = { us: report(alert("fail", 12)) };
  const second = await update(failing);
  deepStrictEqual((await update(failing)).issues, second.issues);
  // A recovery without an open issue has nothing to close.
  await update({ us: report(alert("ok", 13)) });
  const closed = await update({ us: report(alert("ok", 14)) });
  deepStrictEqual(closed.lines, [
    "Monitoring of geography US: CLOSED, 1",
    "Monitoring of geography US: CLOSED, 1",
  ]);
});

Deno.test("issues.sh changes no newer issue when a job of an older one runs again", async () => {
  await using repository = await startRepository();
  const { update } = repository;
  const [warned, recovered, failed] = [
    { us: report(alert("warn", 10)) },
    { us: report(alert("ok", 11)) },
    { us: report(alert("fail", 12)) },
  ];
  for (const week of [warned, recovered, failed]) await update(week);
  for (const again of [recovered, warned, failed]) {
    deepStrictEqual((await update(again)).lines, [
      "Monitoring of geography US: CLOSED, 1",
      "Monitoring of geography US: OPEN, 0",
    ]);
  }
});

Deno.test("issues.sh fails if the outcomes of a period could not be used, and publishes the alerts all the same", async () => {
  await using repository = await startRepository();
  const { code, output, lines } = await repository.update({
    us: {
      ...report(alert("fail", 10)),
      periods: [{ status: "measured" }, { status: "failed", error: "row 3" }],
    },
    base: { ...report(), periods: [{ status: "missing" }] },
  });
  deepStrictEqual(lines, ["Monitoring of geography US: OPEN, 0"]);
  strictEqual(code, 1);
  match(output, /::error::The outcomes of a period of us cannot be used/);
});

Deno.test("issues.sh fails if monitor failed or wrote nothing, after all other alerts", async () => {
  await using repository = await startRepository();
  const { code, output, lines } = await repository.update({
    base: { status: "failed", error: "no table", exit_code: 2 },
    empty: "",
    us: report(alert("fail", 10)),
  });
  strictEqual(code, 1);
  match(output, /::error::The monitoring of base failed/);
  match(output, /::error::The monitoring of empty failed/);
  deepStrictEqual(lines, ["Monitoring of geography US: OPEN, 0"]);
});
