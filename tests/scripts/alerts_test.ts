/** The alerts of `monitor` as a program: to a real webhook over TLS, embedded and on Postgres. */
import {
  deepStrictEqual,
  doesNotMatch,
  match,
  ok,
  strictEqual,
} from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { type Ended, runCommand } from "../support/commands.ts";
import { tempFolder } from "../support/servers.ts";
import { startWebhook, type Webhook } from "../support/webhook.ts";
import { startWorld } from "../support/world.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const job = {
  GITHUB_SHA: "a".repeat(40),
  GITHUB_SERVER_URL: "https://github.com",
  GITHUB_REPOSITORY: "acme/churn",
  GITHUB_RUN_ID: "7",
};

type Player = Record<string, number | boolean | string | null>;

/** A variant whose weeks are written, scored and monitored; a week is `fine` or its players are all newcomers. */
async function startVariant(
  env: Readonly<Record<string, string>>,
  { folder, prefix, flags }: {
    folder: string;
    prefix: string;
    flags: readonly string[];
  },
) {
  const text = await Deno.readTextFile(
    `${root}data/${prefix}churn/X_test_sample_2.json`,
  );
  const players: Player[] = text.trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  let week = 0;
  const run = (
    name: string,
    args: readonly string[] = [],
    more: Readonly<Record<string, string>> = {},
    code = 0,
  ) =>
    runCommand(name, [...flags, ...args], { env: { ...env, ...more }, code });
  return {
    run,
    async score(kind: "fine" | "drifted"): Promise<void> {
      week++;
      // Each week is another selection of the players.
      const rows = players.slice(week).map((player) =>
        kind === "fine"
          ? player
          : { ...player, months_active: 1, total_deposit: 0 }
      );
      const file = `${folder}/week-${week}.jsonl`;
      await Deno.writeTextFile(
        file,
        rows.map((row) => `${JSON.stringify(row)}\n`).join(""),
      );
      await run("predict", ["--input", file]);
    },
    monitor: (more: Readonly<Record<string, string>> = {}, code = 0) =>
      run("monitor", [], more, code),
  };
}

/** What an alert in `--json` says, in a line. */
function lineOf(
  { report }: Ended,
): string[] {
  return report.alerts.map((
    alert: Record<string, unknown> & { changes: Record<string, string>[] },
  ) =>
    [
      alert.delivery,
      alert.new ? "new" : "again",
      alert.status,
      ...alert.changes.map(({ verdict, from, to }) =>
        `${verdict} ${from}>${to}`
      ).filter((change) => change.startsWith("drift")),
    ].join(" ")
  );
}

/** The changes of drift that arrived. */
function arrived({ posts }: Webhook): string[] {
  return posts.map(({ text }) => /^drift: .*$/m.exec(`${text}`)?.[0] ?? "");
}

Deno.test("monitor, embedded: posts each change once, delivers later what failed, and its exit code stays", async () => {
  await using webhook = await startWebhook();
  await using folder = await tempFolder();
  const { score, monitor, run } = await startVariant({
    CHURN_HOME: `${folder.path}/home`,
    CHURN_FILES: folder.path,
    ...webhook.env,
  }, { folder: folder.path, prefix: "", flags: [] });
  const quick = ["--retries", "0"];

  await score("fine");
  deepStrictEqual((await monitor()).report.alerts, []);
  strictEqual(webhook.posts.length, 0);

  await score("drifted");
  deepStrictEqual(lineOf(await monitor()), ["sent new fail drift ok>fail"]);
  deepStrictEqual(lineOf(await monitor()), []); // the same run, looked at again
  const [post] = webhook.posts;
  strictEqual(webhook.posts.length, 1);
  deepStrictEqual([post?.method, post?.type], ["POST", "application/json"]);
  match(`${post?.text}`, /^base: .*drift fails/);
  match(`${post?.text}`, /months_active: fail: PSI/);
  ok(Array.isArray(post?.blocks));

  // The webhook is away, slow, or elsewhere; in the meantime the variant recovers.
  await score("fine");
  webhook.answer = 500;
  const away = await run("monitor", [
    "--retries",
    "1",
    "--retry-delay",
    "0.1",
  ]);
  deepStrictEqual(lineOf(away), ["failed new ok drift fail>ok"]);
  strictEqual(webhook.posts.length, 3); // one retry
  match(away.stderr, /it answered 500: no_service .*; the alert is sent again/);
  webhook.answer = 302;
  const moved = await run("monitor", quick);
  deepStrictEqual(lineOf(moved), ["failed again ok drift fail>ok"]);
  match(moved.stderr, /answered 302, a redirect, which is not followed/);
  strictEqual(webhook.posts.length, 4);
  webhook.answer = "hang";
  const started = performance.now();
  const slow = await run("monitor", quick);
  match(slow.stderr, /no answer within 10 s/);
  ok(performance.now() - started < 25_000);
  for (const { stdout, stderr } of [away, moved, slow]) {
    doesNotMatch(stdout + stderr, /SECRET/);
    match(stderr, new RegExp(`Cannot post to the webhook at ${webhook.host}`));
  }

  // A later change does not overtake it.
  webhook.answer = 200;
  await score("drifted");
  deepStrictEqual(lineOf(await monitor()), [
    "sent again ok drift fail>ok",
    "sent new fail drift ok>fail",
  ]);
  deepStrictEqual(arrived(webhook).slice(-2), [
    "drift: fail → ok",
    "drift: ok → fail",
  ]);

  // --fail-on is independent of alerts.
  const failed = await run("monitor", ["--fail-on", "data,drift"], {}, 3);
  deepStrictEqual(failed.report.alerts, []);
});

Deno.test("monitor without a webhook: a workflow gets each alert once; by hand, the alert is shown and left to the workflow", async () => {
  await using webhook = await startWebhook();
  await using folder = await tempFolder();
  const { score, monitor, run } = await startVariant({
    CHURN_HOME: `${folder.path}/home`,
    CHURN_FILES: folder.path,
  }, { folder: folder.path, prefix: "", flags: [] });
  await score("fine");
  await monitor();
  await score("drifted");
  const [byHand] = (await monitor()).report.alerts;
  strictEqual(byHand.delivery, "printed");
  deepStrictEqual(
    [byHand.variant, byHand.geography, byHand.company, byHand.issue],
    ["base", null, null, "Monitoring of base"],
  );
  deepStrictEqual(lineOf(await monitor()), []);
  deepStrictEqual(lineOf(await monitor(job)), [
    "printed again fail drift ok>fail",
  ]);
  deepStrictEqual(lineOf(await monitor(job)), []);
  deepStrictEqual(lineOf(await monitor({ ...job, ...webhook.env })), []);

  for (
    const [setting, value] of [
      ["CHURN_ALERT_WEBHOOK", "http://hooks.example/services/SECRET"],
      ["CHURN_ALERT_WEBHOOK", "https://hooks.example"],
      ["CHURN_ALERT_WEBHOOK", "hooks.example/SECRET"],
      ["CHURN_ALERT_WEBHOOK", "https://user:SECRET@hooks.example/a"],
      ["CHURN_ALERT_REMINDER_DAYS", "soon"],
    ] as const
  ) {
    const refused = await monitor({ [setting]: value }, 2);
    match(refused.stderr, new RegExp(`Cannot use ${setting}`));
    doesNotMatch(refused.stderr + refused.stdout, /SECRET/);
  }
  // Scoring does not depend on it.
  await run("predict", [], { CHURN_ALERT_WEBHOOK: "http://hooks.example/a" });
});

Deno.test("monitor on Postgres: of simultaneous monitors, one raises the alert; an undelivered one is sent by the next", async () => {
  await using webhook = await startWebhook();
  await using world = await startWorld("geography-us");
  const { score, monitor, run } = await startVariant(
    { ...world.env, ...webhook.env },
    {
      folder: world.folder,
      prefix: "geography-us/",
      flags: ["--geography", "US"],
    },
  );
  await run("setup");
  await run("log-model", ["--stage", "Production", "--alias", "champion"]);
  await score("fine");
  // A few players of the US differ enough for a warning.
  const before = webhook.posts.length + (await monitor()).report.alerts.length;
  await score("drifted");
  const all = await Promise.all([1, 2, 3].map(() => monitor()));
  match(all.flatMap(lineOf).join(), /^sent new fail drift (ok|warn)>fail$/);
  strictEqual(webhook.posts.length, before + 1);
  match(arrived(webhook).at(-1) ?? "", /^drift: (ok|warn) → fail$/);

  await score("fine");
  webhook.answer = 503;
  const failed = await run("monitor", ["--retries", "0"]);
  match(lineOf(failed).join(), /^failed new (\w+) drift fail>\1$/);
  webhook.answer = 200;
  const next = await Promise.all([1, 2, 3].map(() => monitor()));
  match(next.flatMap(lineOf).join(), /^sent again (\w+) drift fail>\1$/);
  match(arrived(webhook).at(-1) ?? "", /^drift: fail → /);
  strictEqual(webhook.posts.length, before + 3);
});
