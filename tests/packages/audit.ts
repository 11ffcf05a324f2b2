// deno-lint-ignore-file no-console -- its output is its result
/**
 * Audits every package of both lock files: `deno task audit`. Advisories come
 * from the registry through `deno audit`; ages and deprecations from what Deno
 * stored of the registry when it installed the packages. Exit codes: 0 if
 * nothing is known against any package, 1 if something is, 75 if the registry
 * did not answer.
 */
import { type LockedPackage, readLock, readManifest } from "./lock.ts";
import * as v from "../../lib/base/schema.ts";

const lockFiles = ["deno.lock", "tests/deno.lock"] as const;
const root = new URL("../../", import.meta.url);

async function audit(): Promise<number> {
  const verdicts = [];
  for (const file of lockFiles) verdicts.push(await readAdvisories(file));
  const packages = new Map<string, LockedPackage>();
  for (const file of lockFiles) {
    for (const [id, found] of (await readLock(file)).packages) {
      packages.set(id, found);
    }
  }
  const cache = await cacheFolders();
  let deprecated = 0;
  console.log("package\tdays\tpeople\tremarks");
  for (const [id, locked] of [...packages].sort()) {
    const entry = await readRegistryEntry(locked, cache);
    const { people } = await readManifest(locked).catch(() => ({ people: [] }));
    const remarks = [
      ...entry?.deprecated === undefined
        ? []
        : [`DEPRECATED: ${entry.deprecated}`],
      ...locked.hasScripts ? ["has install scripts, which are not run"] : [],
    ];
    if (entry?.deprecated !== undefined) deprecated++;
    const days = entry?.days ?? "unknown";
    console.log(
      [id, days, people.join(", ") || "unknown", remarks.join("; ")].join("\t"),
    );
  }
  console.log(`${packages.size} packages, ${deprecated} deprecated`);
  for (const { text } of verdicts) console.log(text);
  const codes = verdicts.map(({ code }) => code);
  if (codes.includes(1) || deprecated > 0) return 1;
  return codes.includes(75) ? 75 : 0;
}

/** Asks the registry for advisories. Anything but a clear answer means that it did not answer. */
async function readAdvisories(
  file: string,
): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    args: ["audit", `--lock=${file}`],
    cwd: root,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const [said = "", complaint = ""] = [stdout, stderr].map((bytes) =>
    new TextDecoder().decode(bytes).trim()
  );
  if (code === 0 && said.includes("No known vulnerabilities found")) {
    return { code: 0, text: `${file}: no known advisories` };
  }
  if (/Found [1-9]\d* vulnerabilities/.test(said)) {
    return { code: 1, text: `${file}:\n${said}` };
  }
  const [why = ""] = complaint.split("\n");
  return {
    code: 75,
    text:
      `${file}: advisories are UNKNOWN, because the registry did not answer (${why}); run it again where the registry can be reached`,
  };
}

/** Returns the folders in which Deno stores what registries say of packages, one per registry. */
async function cacheFolders(): Promise<string[]> {
  const { stdout } = await new Deno.Command("deno", {
    args: ["info", "--json"],
    cwd: root,
  }).output();
  const { npmCache } = v.parseJson(
    v.object({ npmCache: v.string() }),
    stdout,
    { file: "deno info" },
  );
  const found = await Array.fromAsync(Deno.readDir(npmCache));
  return found.map(({ name }) => `${npmCache}/${name}`);
}

const registryEntry = v.object({
  time: v.optional(v.record(v.string())),
  versions: v.record(v.object({ deprecated: v.optional(v.string()) })),
});

/** Returns the age of a locked version in days, and why it is deprecated; undefined if Deno has not stored the package's entry. */
async function readRegistryEntry(
  { name, version }: LockedPackage,
  folders: readonly string[],
): Promise<
  { days: number | undefined; deprecated: string | undefined } | undefined
> {
  for (const folder of folders) {
    const text = await Deno.readTextFile(`${folder}/${name}/registry.json`)
      .catch(() => "");
    const found = v.matchJson(registryEntry, text);
    if (!found?.versions[version]) continue;
    const published = Date.parse(found.time?.[version] ?? "");
    const days = Math.floor((Date.now() - published) / 86_400_000);
    return {
      days: Number.isNaN(days) ? undefined : days,
      deprecated: found.versions[version].deprecated,
    };
  }
  return undefined;
}

if (import.meta.main) Deno.exit(await audit());
