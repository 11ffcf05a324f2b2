/** Code inside a command can use nothing but what the launcher allows: an attacker runs under the flags of every command. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { argumentsFor } from "../../lib/cli/launch.ts";
import { commands } from "../../lib/config/commands.ts";
import { runCommand } from "../support/commands.ts";
import { makeBucket, putSecret } from "../support/aws.ts";
import { testWithPython } from "../support/python.ts";
import {
  freePort,
  startMoto,
  startPostgres,
  tempFolder,
} from "../support/servers.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Prints the names of the attempts that succeeded, as JSON. */
const attacker = `
import net from "node:net";
import { execSync } from "node:child_process";
const [outside, allowed, other] = Deno.args;
const done = [];
async function attempt(name, work) {
  try { await work(); done.push(name); } catch { /* denied */ }
}
const dial = (port) => new Promise((resolve, reject) => {
  const socket = net.connect({ host: "127.0.0.1", port: Number(port) });
  socket.on("connect", () => { socket.destroy(); resolve(); });
  socket.on("error", reject);
});
await attempt("read a file outside", () => Deno.readTextFile(outside));
await attempt("list the folder outside", () => Deno.readDirSync("/").next());
for (const path of ["scripts/x.ts", "lib/x.ts", "deno.json", "deno.lock", "package.json", "variants.yaml", ".git/hooks/pre-commit", ".github/workflows/x.yml", "node_modules/pg/index.js", "models/json.py", "x.ts", outside, ".local/../sql/x.sql"]) {
  await attempt("write " + path, () => Deno.writeTextFile(path, "x"));
}
await attempt("rename scripts", () => Deno.rename("scripts", ".local/scripts"));
await attempt("rename the project", () => Deno.rename(Deno.cwd(), Deno.cwd() + "-away"));
await attempt("remove scripts", () => Deno.remove("scripts", { recursive: true }));
await attempt("link outside", () => Deno.symlink(outside, ".local/link"));
await attempt("hard link outside", () => Deno.link(outside, ".local/hard"));
await attempt("connect to another port", () => dial(other));
await attempt("fetch from another port", () => fetch("http://127.0.0.1:" + other));
await attempt("connect to the metadata service", () => fetch("http://169.254.169.254/", { signal: AbortSignal.timeout(500) }));
await attempt("look up a name", () => Deno.resolveDns("example.com", "A"));
await attempt("listen", () => Deno.listen({ port: 0 }).close());
await attempt("import from another host", () => import("http://127.0.0.1:" + other + "/x.ts"));
await attempt("read another variable", () => { if (Deno.env.get("OTHER_SECRET") === undefined) throw 0; });
await attempt("read it through Node", () => { if (process.env.OTHER_SECRET === undefined) throw 0; });
await attempt("list it", () => { if (!("OTHER_SECRET" in Deno.env.toObject())) throw 0; });
await attempt("run a program", () => new Deno.Command("true").output());
await attempt("run Deno", () => new Deno.Command(Deno.execPath(), { args: ["-V"] }).output());
await attempt("run a shell", () => execSync("true"));
await attempt("load a library", () => Deno.dlopen("/lib/x86_64-linux-gnu/libc.so.6", { getpid: { parameters: [], result: "i32" } }));
await attempt("ask for a permission", async () => { if ((await Deno.permissions.request({ name: "run" })).state !== "granted") throw 0; });
await attempt("read it in a worker", () => new Promise((resolve, reject) => {
  const code = 'try { Deno.readTextFileSync("' + outside + '"); postMessage(1) } catch { postMessage(0) }';
  const worker = new Worker("data:text/javascript," + encodeURIComponent(code), { type: "module" });
  worker.onmessage = ({ data }) => data ? resolve() : reject();
  worker.onerror = (event) => { event.preventDefault(); reject(); };
}));
// What the command itself needs.
await attempt("OWN write CHURN_HOME", () => Deno.writeTextFile(".local/x", "x"));
await attempt("OWN connect", () => dial(allowed));
await attempt("OWN variable", () => { if (Deno.env.get("CHURN_TEST") === undefined) throw 0; });
console.log(JSON.stringify(done));
Deno.exit(0);
`;

/** A folder that is laid out as the project, with the attacker in it. */
async function layOut(): Promise<{ path: string } & AsyncDisposable> {
  const folder = await tempFolder();
  for (
    const name of [
      ".git/hooks",
      ".github/workflows",
      ".local",
      "lib",
      "models",
      "node_modules/pg",
      "scripts",
      "sql",
    ]
  ) await Deno.mkdir(`${folder.path}/${name}`, { recursive: true });
  await Deno.writeTextFile(`${folder.path}/deno.json`, "{}");
  await Deno.writeTextFile(`${folder.path}/attacker.js`, attacker);
  return folder;
}

Deno.test("code under the flags of any command reads, writes, reaches and runs nothing else", async (test) => {
  await using folder = await layOut();
  await using elsewhere = await tempFolder();
  const outside = `${elsewhere.path}/outside.txt`;
  await Deno.writeTextFile(outside, "secret");
  using allowed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const configured = {
    MLFLOW_TRACKING_URI:
      `postgresql://u:p@127.0.0.1:${allowed.addr.port}/mlflow`,
    MLFLOW_ARTIFACT_ROOT: ".local/artifacts",
    PREDICTIONS_DATABASE_URL:
      `postgresql://u:p@127.0.0.1:${allowed.addr.port}/predictions`,
  };
  const settings = {
    embedded: {},
    configured,
    "configured, CHURN_FILES is the project": {
      ...configured,
      CHURN_FILES: root,
    },
  };
  for (const [place, environment] of Object.entries(settings)) {
    for (const command of commands) {
      await test.step(`${command.name}, ${place}`, async () => {
        const env = {
          HOME: "/home/of-nobody",
          CHURN_TEST: "1",
          ...environment,
        };
        const given = argumentsFor(command, [], env);
        const end = given.indexOf(`scripts/${command.name}.ts`);
        ok(end > 0);
        // The same flags in another folder: paths in the project are relative to it.
        const flags = given.slice(0, end).map((flag) =>
          flag.replaceAll(root, `${folder.path}/`)
        );
        const { stdout, stderr, code } = await new Deno.Command(
          Deno.execPath(),
          {
            args: [
              ...flags,
              "attacker.js",
              outside,
              String(allowed.addr.port),
              String(other.addr.port),
            ],
            cwd: folder.path,
            clearEnv: true,
            env: { ...env, OTHER_SECRET: "of another program" },
            stdin: "null",
          },
        ).output();
        const said = new TextDecoder().decode(stderr);
        ok(code === 0, said);
        const expected = ["OWN variable"];
        if (command.offline !== true) {
          expected.unshift("OWN write CHURN_HOME");
          if (place !== "embedded") expected.splice(1, 0, "OWN connect");
          // A file of the user's own, such as scores.csv, may lie beside the project's files.
          if (place.includes("CHURN_FILES")) expected.unshift("write x.ts");
        }
        // init exists to change it.
        if (command.name === "init") expected.unshift("write variants.yaml");
        deepStrictEqual(
          JSON.parse(new TextDecoder().decode(stdout)),
          expected,
        );
        for (const name of [".local/x", "x.ts"]) {
          await Deno.remove(`${folder.path}/${name}`).catch(() => {});
        }
      });
    }
  }
});

Deno.test("an output inside the project's code ends with exit code 2 and writes nothing", async () => {
  await using folder = await tempFolder();
  await Deno.symlink(`${root}scripts`, `${folder.path}/link`);
  await Deno.symlink(`${root}scripts/y.ts`, `${folder.path}/y.csv`);
  const env = { CHURN_HOME: folder.path };
  for (
    const output of [
      "scripts/x.ts",
      `${folder.path}/link/x.ts`,
      `${folder.path}/y.csv`,
      ".git/hooks/pre-commit",
      "scripts/x\n::error::forged",
    ]
  ) {
    const args = ["--file", "data/churn/X_test_sample_2.json"];
    const { stderr, report } = await runCommand("fetch", [
      ...args,
      "--output",
      output,
    ], { env, code: 2 });
    match(stderr, /^fetch: Cannot write the output .*the project's own files/);
    match(report.error, /belongs to the project's own files/);
    strictEqual(stderr.split("\n").length, 2); // one line, in a log too
  }
  for (const name of ["x.ts", "y.ts"]) {
    ok(
      !await Deno.stat(`${root}scripts/${name}`).then(() => true, () => false),
    );
  }
});

Deno.test("a host that no setting names ends with exit code 2 and names CHURN_HOSTS", async () => {
  await using folder = await tempFolder();
  const port = freePort();
  const env = {
    CHURN_HOME: folder.path,
    MLFLOW_TRACKING_URI: `http://127.0.0.1:${port}`,
    MLFLOW_ARTIFACT_ROOT: folder.path,
    PREDICTIONS_DATABASE_URL: `postgresql://u:p@127.0.0.1:${port}/p`,
  };
  // The server sends the client to another host.
  const elsewhere = freePort();
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port, onListen() {} },
    () => Response.redirect(`http://127.0.0.1:${elsewhere}/x`),
  );
  const { stderr } = await runCommand("log-model", ["--retries", "0"], {
    env,
    code: 2,
  });
  match(
    stderr,
    new RegExp(`CHURN_HOSTS=127\\.0\\.0\\.1:${elsewhere}`),
  );
  await server.shutdown();
});

testWithPython(
  "a database whose host only a secret names is reached if CHURN_HOSTS is empty or names it",
  async () => {
    await using postgres = await startPostgres();
    await using moto = await startMoto();
    await using folder = await tempFolder();
    const { host, port, user: username, password } = postgres;
    const login = { username, password, host, port, dbname: "predictions" };
    await makeBucket(moto, "churn-models");
    await putSecret(moto, "mlflow-db", { ...login, dbname: "mlflow" });
    await putSecret(moto, "predictions-pg-database", login);
    await putSecret(moto, "by-name", { ...login, host: "localhost" });
    const env = {
      ...moto.env,
      CHURN_HOME: folder.path,
      MLFLOW_SECRET_NAME: "mlflow-db",
      MLFLOW_S3_BUCKET: "churn-models",
    };
    const flags = ["--retries", "0"];
    await runCommand("setup", flags, { env });
    const named = { ...env, CHURN_HOSTS: `${host}:${port}` };
    await runCommand("setup", flags, { env: named });
    const refusals = [
      [{ CHURN_HOSTS: `${host}:1` }, `CHURN_HOSTS=${host}:${port}`],
      [{ MLFLOW_SECRET_NAME: "by-name" }, "CHURN_HOSTS=localhost:PORT"],
    ] as const;
    for (const [settings, advice] of refusals) {
      const { stderr } = await runCommand("setup", flags, {
        env: { ...named, ...settings },
        code: 2,
      });
      ok(stderr.includes(advice), stderr);
    }
  },
);
