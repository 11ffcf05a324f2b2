/** What is installed: frozen lock files, no install scripts, an audit that does not guess, and a valid bill of materials. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { developmentTasks } from "../../lib/cli/development.ts";
import { readLock, readManifest } from "./lock.ts";
import { toBillOfMaterials } from "./sbom.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { freePort, tempFolder } from "../support/servers.ts";
import { run } from "../support/tools.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (file: string) => Deno.readTextFile(`${root}${file}`);
const lockFiles = ["deno.lock", "tests/deno.lock"];

/** Runs Deno in the project's folder, or another one. */
async function runDeno(
  args: readonly string[],
  options: { env?: Record<string, string>; cwd?: string } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  return await run(Deno.execPath(), args, {
    ...options,
    env: { NO_COLOR: "1", ...options.env },
  });
}

Deno.test("no package of a lock file runs a script when it is installed", async () => {
  const { allowScripts, lock } = JSON.parse(await read("deno.json"));
  deepStrictEqual(lock, { frozen: true });
  const asking = new Set<string>();
  for (const file of lockFiles) {
    for (const [id, locked] of (await readLock(file)).packages) {
      const { installScripts } = await readManifest(locked);
      strictEqual(installScripts.length > 0, locked.hasScripts, id);
      if (locked.hasScripts) asking.add(`npm:${id}`);
    }
  }
  // Deno runs none without `allow`; `deny` silences its warning.
  deepStrictEqual(allowScripts, { deny: [...asking] });
  const places = [
    "Dockerfile",
    ".github/actions/setup/action.yml",
    ".github/workflows/ci.yml",
    ".github/workflows/retrain.yml",
    "deno.json",
  ];
  const texts = await Promise.all(places.map(read));
  for (const text of [...texts, JSON.stringify(developmentTasks)]) {
    ok(!/--allow-scripts|--frozen=false|--no-lock|deno install/.test(text));
  }
  for (const place of places.slice(0, 2)) {
    match(await read(place), /\bdeno ci$/m, place);
  }
});

Deno.test("deno.lock has the packages of deno.json and what they bring, and no others", async () => {
  const { imports } = JSON.parse(await read("deno.json"));
  const { packages, direct } = await readLock("deno.lock");
  deepStrictEqual(
    direct,
    Object.values<string>(imports).map((name) => name.replace("npm:", ""))
      .sort(),
  );
  const reached = new Set<string>();
  const visit = (id: string): void => {
    if (reached.has(id)) return;
    reached.add(id);
    for (const next of packages.get(id)?.dependencies ?? []) visit(next);
  };
  direct.forEach(visit);
  deepStrictEqual([...packages.keys()].filter((id) => !reached.has(id)), []);
});

Deno.test("both lock files are frozen: an import that is not locked is refused", async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  for (const file of ["deno.json", "deno.lock"]) {
    await Deno.copyFile(`${root}${file}`, `${path}/${file}`);
  }
  await Deno.mkdir(`${path}/tests`);
  await Deno.copyFile(`${root}tests/deno.lock`, `${path}/tests/deno.lock`);
  // A version that Deno has stored, so that no registry is asked.
  await Deno.writeTextFile(`${path}/x.ts`, 'import "npm:valibot@^1.4.0";');
  for (const file of lockFiles) {
    const before = await Deno.readTextFile(`${path}/${file}`);
    const { code, stderr } = await runDeno(
      ["run", `--lock=${file}`, "x.ts"],
      { cwd: path },
    );
    ok(code !== 0, file);
    match(stderr, /lockfile is out of date/);
    strictEqual(await Deno.readTextFile(`${path}/${file}`), before);
  }
});

Deno.test("audit says that advisories are unknown when the registry is away, and exits with 75", async () => {
  const { code, stdout, stderr } = await runDeno(["task", "--quiet", "audit"], {
    env: { NPM_CONFIG_REGISTRY: `http://127.0.0.1:${freePort()}` },
  });
  strictEqual(code, 75, stderr);
  for (const file of lockFiles) {
    ok(stdout.includes(`${file}: advisories are UNKNOWN`), stdout);
  }
  ok(!stdout.includes("no known advisories"));
  match(stdout, /^pg@8\.\d+\.\d+\t(\d+|unknown)\tBrian Carlson/m);
  match(stdout, /^protobufjs@.*has install scripts, which are not run$/m);
  const names = new Set<string>();
  for (const file of lockFiles) {
    for (const id of (await readLock(file)).packages.keys()) names.add(id);
  }
  ok(stdout.includes(`${names.size} packages, 0 deprecated`));
});

Deno.test("audit exits with 1 for an advisory and with 0 if there is none", async () => {
  // The registry's answers as npm documents them; the client is Deno's own.
  const advisory = {
    id: 1,
    title: "A defect",
    url: "https://example.com/1",
    severity: "high",
    vulnerable_versions: "*",
  };
  for (
    const [answer, expected] of [[{}, 0], [{ pg: [advisory] }, 1]] as const
  ) {
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => Response.json(answer),
    );
    const { code, stdout } = await runDeno(["task", "--quiet", "audit"], {
      env: { NPM_CONFIG_REGISTRY: `http://127.0.0.1:${server.addr.port}` },
    });
    strictEqual(code, expected, stdout);
    match(
      stdout,
      expected === 0 ? /deno\.lock: no known advisories/ : /A defect/,
    );
  }
});

testWithPython(
  "sbom prints a valid CycloneDX document with every production package (cyclonedx-python-lib 11.12)",
  async () => {
    await using folder = await tempFolder();
    const { stdout, code } = await runDeno(["task", "--quiet", "sbom"]);
    strictEqual(code, 0);
    deepStrictEqual(JSON.parse(stdout), await toBillOfMaterials());
    await Deno.writeTextFile(`${folder.path}/bom.json`, stdout);
    const validated = await runPython("sbom", "tests/peers/validate_bom.py", {
      args: [`${folder.path}/bom.json`],
    });
    const { packages } = await readLock("deno.lock");
    deepStrictEqual(
      JSON.parse(validated.stdout),
      [...packages.values()].map(({ name, version }) =>
        `pkg:npm/${name.replace("@", "%40")}@${version}`
      ).sort(),
    );
    const { components } = JSON.parse(stdout);
    for (const component of components) {
      match(component.hashes[0].content, /^[0-9a-f]{128}$/);
      match(
        component.licenses[0].expression,
        /^(MIT|ISC|0BSD|Apache-2\.0|BSD-3-Clause)$/,
      );
    }
  },
);
