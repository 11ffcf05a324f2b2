/**
 * Runs a workflow with act, in its self-hosted mode: every step is really run
 * on this machine, without a container. Actions of others are replaced by
 * `tests/support/act-stubs/`. act is more lenient than GitHub: a job without a runner is
 * skipped in silence and its exit code is 0, so look at the jobs, not the code.
 */
import { copyProject } from "./checkout.ts";
import { tempFolder } from "./servers.ts";
import { goTool, projectFolder, run } from "./tools.ts";

/** A checkout with the workflows in it, as a git repository with one commit on main. */
export interface Checkout extends AsyncDisposable {
  readonly path: string;
  /** Runs git in it; gives back what it said. */
  git(...args: string[]): Promise<string>;
}

/** What GitHub would hand to a run. */
export interface Trigger {
  readonly event: "workflow_dispatch" | "schedule" | "push";
  readonly inputs?: Readonly<Record<string, string>>;
  readonly variables?: Readonly<Record<string, string>>;
  readonly secrets?: Readonly<Record<string, string>>;
  /** The event's payload. */
  readonly payload?: Readonly<Record<string, unknown>>;
  /** What the fake `gh` answers to `gh issue list`; nothing when left out. */
  readonly openIssue?: string;
  /** File in which the fake `gh` keeps the issues of monitoring; one of the run's own when left out. */
  readonly issues?: string;
  /** Told of each line of the jobs' logs as it comes. */
  readonly onLine?: (line: string) => void;
}

/** How a run ended. */
export interface ActRun {
  /** Results of the jobs that ran, by their names: `success` or `failure`. */
  readonly jobs: Readonly<Record<string, string>>;
  /** All that the jobs said. */
  readonly log: string;
  /** Calls of `gh`, `curl` and `aws`, a line each, with what `curl` was piped. */
  readonly calls: readonly string[];
}

/** A checkout of this working tree for {@linkcode runWorkflow}. */
export async function checkOut(): Promise<Checkout> {
  const folder = await copyProject([".github", ".gitignore"]);
  const git = async (...args: string[]) => {
    const { stdout, stderr, code } = await run("git", [
      "-c",
      "user.name=tester",
      "-c",
      "user.email=tester@example.com",
      ...args,
    ], { cwd: folder.path });
    if (code !== 0) throw new Error(`git ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  };
  await git("init", "--quiet", "--initial-branch=main");
  await git("remote", "add", "origin", "https://github.com/owner/churn.git");
  await git("add", "--all");
  await git("commit", "--quiet", "--message=first");
  return { ...folder, git };
}

/** Runs a workflow of the checkout to its end, in an environment of its own. */
export async function runWorkflow(
  checkout: Checkout,
  name: string,
  trigger: Trigger,
): Promise<ActRun> {
  await using folder = await tempFolder();
  const event = `${folder.path}/event.json`;
  const { inputs, payload } = trigger;
  await Deno.writeTextFile(event, JSON.stringify({ inputs, ...payload }));
  await writeFakes(folder.path, trigger);
  const child = new Deno.Command(await goTool("act"), {
    args: [
      trigger.event,
      "--json",
      `--workflows=.github/workflows/${name}`,
      `--eventpath=${event}`,
      "--platform=ubuntu-24.04=-self-hosted",
      "--platform=codebuild-churn-1-1=-self-hosted", // run 1, attempt 1
      `--action-cache-path=${folder.path}/cache`,
      "--no-cache-server",
      ...await stubs(checkout.path),
      ...flags("var", trigger.variables),
      ...flags("secret", trigger.secrets),
      `--env=ACT_ARTIFACTS=${folder.path}/artifacts`,
    ],
    cwd: checkout.path,
    clearEnv: true,
    env: await environment(folder.path),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const jobs: Record<string, string> = {};
  const log: string[] = [];
  const errors = new Response(child.stderr).text();
  for await (const text of lines(child.stdout)) {
    const entry = parseEntry(text);
    log.push(entry.msg);
    trigger.onLine?.(entry.msg);
    if (entry.jobResult) jobs[entry.name] = entry.jobResult;
  }
  log.push(await errors);
  await child.status;
  const calls = await Deno.readTextFile(`${folder.path}/calls`)
    .catch(() => "");
  return {
    jobs,
    log: log.join("\n"),
    calls: calls.split("\n").filter((line) => line !== ""),
  };
}

/** One flag for each action of others that a workflow or an action names, with the stub in its place. */
async function stubs(folder: string): Promise<string[]> {
  const uses = new Set<string>();
  for (const part of ["workflows", "actions"]) {
    const { stdout } = await run("grep", [
      "--recursive",
      "--no-filename",
      "--only-matching",
      "--extended-regexp",
      "uses: [a-z-]+/[a-z-]+@[0-9a-f]{40}",
      `${folder}/.github/${part}`,
    ]);
    for (const line of stdout.trim().split("\n")) {
      uses.add(line.replace("uses: ", ""));
    }
  }
  const known = [...Deno.readDirSync(`${projectFolder}tests/support/act-stubs`)]
    .map(({ name }) => name);
  return [...uses].flatMap((action) => {
    const name = action.split("@")[0]?.split("/")[1] ?? "";
    if (!known.includes(name)) return []; // act checks out by itself; the rest is not run here
    return [
      `--local-repository=${action}=${projectFolder}tests/support/act-stubs/${name}`,
    ];
  });
}

function flags(
  name: string,
  values: Readonly<Record<string, string>> = {},
): string[] {
  return Object.entries(values).map(([key, value]) =>
    `--${name}=${key}=${value}`
  );
}

/** Programs that reach GitHub, Slack and AWS note their calls in place of making them. */
async function writeFakes(
  folder: string,
  { openIssue = "", issues = `${folder}/issues.json` }: Trigger,
): Promise<void> {
  if (issues.startsWith(`${folder}/`)) await Deno.writeTextFile(issues, "[]");
  await Deno.mkdir(`${folder}/bin`);
  await Deno.mkdir(`${folder}/home`);
  const note = (name: string, more: string) =>
    Deno.writeTextFile(
      `${folder}/bin/${name}`,
      `#!/bin/bash\necho "${name} $*" | tr '\\n' ' ' >>${folder}/calls\n${more}\necho >>${folder}/calls\n`,
      { mode: 0o755 },
    );
  await note(
    "gh",
    `case "$*" in
      *"--label monitoring "*|*"--body-file alert.md"*|"issue view "*|"issue close "*)
        ISSUES=${issues} bash ${projectFolder}tests/support/gh.sh "$@" ;;
      "issue list "*) echo "${openIssue}" ;;
    esac`,
  );
  await note("curl", `cat | tr '\\n' ' ' >>${folder}/calls`);
  await note("aws", "");
}

async function environment(folder: string): Promise<Record<string, string>> {
  const { stdout } = await run(Deno.execPath(), ["info", "--json"]);
  const uvCache = await run("uv", ["cache", "dir"]);
  const passed = ["DENO_CERT", "DENO_TLS_CA_STORE", "SSL_CERT_FILE", "TMPDIR"];
  return {
    ...Object.fromEntries(passed.flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value]];
    })),
    PATH: `${folder}/bin:${Deno.env.get("PATH")}`,
    HOME: `${folder}/home`,
    DENO_DIR: JSON.parse(stdout).denoDir,
    UV_CACHE_DIR: uvCache.stdout.trim(),
    LANG: "C.UTF-8",
  };
}

interface Entry {
  readonly msg: string;
  readonly name: string;
  readonly jobResult: string | undefined;
}

/** A line of act's log; what is no JSON is said by act itself. */
function parseEntry(text: string): Entry {
  try {
    const { msg = "", job = "", jobResult } = JSON.parse(text);
    // "predict/score base-1": act counts the jobs of a matrix.
    const name = String(job).replace(/^[^/]*\//, "").trim().replace(
      /-\d+$/,
      "",
    );
    return { msg: String(msg).trimEnd(), name, jobResult };
  } catch {
    return { msg: text, name: "", jobResult: undefined };
  }
}

async function* lines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}
