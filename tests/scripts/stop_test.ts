/** Commands that are interrupted or reach their time limit. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { runCommand } from "../support/commands.ts";
import { tempFolder } from "../support/servers.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const us = ["--geography", "US", "--retries", "0"];
const weekly = `${root}data/geography-us/churn/weekly/2026-11-23.jsonl`;

/** Writes the players of the last shipped week many times over, with ids of their own. */
async function writeLargeWeek(path: string, times: number): Promise<void> {
  const rows = (await Deno.readTextFile(weekly)).trim().split("\n");
  await using file = await Deno.open(path, { write: true, create: true });
  const encoder = new TextEncoder();
  for (let copy = 0; copy < times; copy++) {
    const text = rows.map((row) =>
      row.replace(/"player_id":\s*"/, `$&${copy}-`) + "\n"
    ).join("");
    await file.write(encoder.encode(text));
  }
}

Deno.test("an interrupted predict rolls back within seconds and says so, and the same command then completes", async (t) => {
  await using folder = await tempFolder();
  const env = { CHURN_HOME: `${folder.path}/home`, CHURN_FILES: folder.path };
  const input = `${folder.path}/week.jsonl`;
  await writeLargeWeek(input, 1_000);
  const args = [...us, "--input", input, "--period", "2026-11-30"];
  await runCommand("predict", us, { env });
  const count = async () => {
    const { report } = await runCommand(
      "query",
      ["select status, count(*) as runs from scoring_runs group by status"],
      { env },
    );
    return report.result;
  };

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await t.step(signal, async () => {
      const child = new Deno.Command(Deno.execPath(), {
        args: ["task", "--quiet", "predict", "--json", ...args],
        cwd: root,
        env,
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      // Its rows are being scored as soon as it says so.
      let said = "";
      const decoder = new TextDecoder();
      const stderr = child.stderr.getReader();
      while (!said.includes("Scoring ")) {
        const { value, done } = await stderr.read();
        ok(!done, said);
        said += decoder.decode(value);
      }
      child.kill(signal);
      for (;;) {
        const { value, done } = await stderr.read();
        if (done) break;
        said += decoder.decode(value);
      }
      const stdout = await new Response(child.stdout).text();
      const { code } = await child.status;
      strictEqual(code, 75, said);
      match(
        said,
        new RegExp(
          `predict: Stopped by ${signal}; nothing incomplete was stored`,
        ),
      );
      const report = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
      strictEqual(report.exit_code, 75);
      deepStrictEqual(await count(), [{ status: "completed", runs: 3 }]);
    });
  }

  await t.step("its time limit", async () => {
    const { stderr } = await runCommand(
      "predict",
      [...args, "--time-limit", "0.01"],
      { env, code: 75 },
    );
    match(stderr, /Stopped at the time limit of 0.01 minutes \(--time-limit\)/);
    deepStrictEqual(await count(), [{ status: "completed", runs: 3 }]);
  });

  await t.step("then not interrupted", async () => {
    const { report } = await runCommand("predict", args, { env });
    strictEqual(report.rows, 400_000);
    deepStrictEqual(await count(), [{ status: "completed", runs: 4 }]);
  });
});

Deno.test("a time limit or a delay that no timer can have is refused", async () => {
  for (
    const [flag, most] of [["--time-limit", "35000"], [
      "--retry-delay",
      "86400",
    ]] as const
  ) {
    const { stderr } = await runCommand("predict", [flag, "4000000"], {
      env: {},
      code: 2,
    });
    match(
      stderr,
      new RegExp(
        `Cannot use ${flag} "4000000": expected a number, 0 to ${most}`,
      ),
    );
  }
});
