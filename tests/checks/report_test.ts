/** How checks are shown, and which exit code they give. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type Check, exitCodeOf, runCheck } from "../../lib/checks/check.ts";
import { testedDeno } from "../../lib/checks/installation.ts";
import { describeChecks } from "../../lib/checks/report.ts";
import { TransientError, UsageError } from "../../lib/base/errors.ts";

const long = `deno task promote --geography ${"X".repeat(48)} --company ${
  "Y".repeat(48)
} --version 12`;

const checks: readonly Check[] = [
  { group: "Data", title: "base", state: "skipped", detail: "not checked: x" },
  { group: "Installation", title: "Deno", state: "ok", detail: "2.9.6" },
  {
    group: "Models",
    title: "geography US",
    state: "wrong",
    detail: "word ".repeat(40).trim(),
    remedy: long,
    hint: "moves both",
  },
  {
    group: "Models",
    title: "company",
    state: "warning",
    detail: "no version yet",
    remedy: "deno task log-model",
  },
  {
    group: "Models",
    title: "company A",
    state: "warning",
    detail: "no digests",
    hint: "log it again",
  },
];

Deno.test("checks are grouped, details wrap, and a command is one line to paste", () => {
  const { text, exitCode } = describeChecks(checks, { columns: 80 });
  strictEqual(exitCode, 2);
  const lines = text.split("\n");
  deepStrictEqual(lines.slice(0, 5), [
    "Installation",
    "  ✓ Deno  2.9.6",
    "",
    "Models",
    `  ✗ geography US  ${"word ".repeat(12).trim()}`,
  ]);
  ok(lines.includes(`      → ${long}`));
  ok(lines.includes("                  → deno task log-model"));
  // An arrow means a command to paste.
  ok(lines.includes("                    moves both"));
  ok(lines.includes("                    log it again"));
  ok(lines.every((line) => line.length <= 80 || line.includes(long)), text);
  strictEqual(
    lines.at(-1),
    "1 wrong, 2 warnings, 1 ok. Nothing was changed.",
  );
  // A wide window does not make the lines longer than 100 characters.
  const wide = describeChecks(checks, { columns: 300 }).text.split("\n");
  ok(wide.every((line) => line.length <= 100 || line.includes(long)));
});

Deno.test("wrong comes before unreachable, and warnings are no failure", () => {
  const of = (...states: Check["state"][]) =>
    exitCodeOf(states.map((state) => ({ state })));
  deepStrictEqual(
    [
      of(),
      of("ok", "warning", "skipped"),
      of("ok", "unreachable"),
      of("unreachable", "wrong"),
    ],
    [0, 0, 75, 2],
  );
});

Deno.test("runCheck() makes an error a finding without secrets, and ends a check that does not end", async () => {
  const subject = { group: "Databases", title: "x" } as const;
  const fails = (error: Error) =>
    runCheck(subject, () => Promise.reject(error), { remedy: "psql" });
  deepStrictEqual(await fails(new UsageError("no such bucket")), {
    ...subject,
    state: "wrong",
    detail: "no such bucket",
    remedy: "psql",
    hint: undefined,
  });
  const away = await fails(
    new TransientError("Cannot reach https://me:word@host/x?token=y"),
  );
  strictEqual(away.state, "unreachable");
  strictEqual(away.detail, "Cannot reach https://***@host/x?***");
  const silent = await runCheck(subject, () => new Promise(() => {}), {
    limitMs: 10,
  });
  deepStrictEqual(
    [silent.state, silent.detail],
    ["unreachable", "no answer within 0.01 s"],
  );
});

Deno.test("the version of Deno that doctor expects is that of the image and the workflows", async () => {
  for (const file of ["Dockerfile", ".github/actions/setup/action.yml"]) {
    const text = await Deno.readTextFile(
      new URL(`../../${file}`, import.meta.url),
    );
    ok(text.includes(testedDeno), `${testedDeno} in ${file}`);
  }
});
