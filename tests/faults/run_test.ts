/** How a run of the faults ends: interrupted, it leaves nothing behind; without Java, it says how to get it. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { tempFolder } from "../support/servers.ts";
import { sleep } from "./process.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`test:faults ends its servers and deletes their folders on ${signal}`, async () => {
    await using folder = await tempFolder();
    await Deno.chmod(folder.path, 0o755); // a server of root's runs as nobody
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "-ER", "--allow-run=deno", "lib/cli/launch.ts"],
        ...["test:faults", "--only", "crowd"],
      ],
      cwd: root,
      env: { TMPDIR: folder.path },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const pid = await untilServes(folder.path);
    child.kill(signal);
    strictEqual((await child.status).code, code);
    deepStrictEqual([...Deno.readDirSync(folder.path)], []);
    // It deletes its file of the process id a moment before it ends.
    for (let wait = 0; wait < 100 && isRunning(pid); wait++) await sleep(100);
    ok(!isRunning(pid), `the server ${pid} still runs`);
  });
}

Deno.test("test:faults says how to install Java where it is missing, before it tries anything", async () => {
  await using folder = await tempFolder();
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--lock=tests/deno.lock", "--allow-all"],
      ...["tests/faults/run.ts", "--tries", "1", "--only", "spark"],
      ...["--only", "crowd"],
    ],
    cwd: root,
    env: { PATH: folder.path },
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stderr);
  match(
    said,
    /^Cannot run Spark: java not found\..* `apt-get install default-jre-headless`/,
  );
  strictEqual(code, 2);
});

/** Returns the process id of the server whose folder is in this one, once it accepts connections. */
async function untilServes(folder: string): Promise<number> {
  for (let wait = 0; wait < 1_200; wait++) {
    for await (const { name } of Deno.readDir(folder)) {
      const lines = await Deno.readTextFile(
        `${folder}/${name}/data/postmaster.pid`,
      ).then((text) => text.split("\n"), () => []);
      if (lines[7]?.trim() === "ready") return Number(lines[0]);
    }
    await sleep(50);
  }
  throw new Error("No server was ready within a minute");
}

function isRunning(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGCONT");
    return true;
  } catch {
    return false;
  }
}
