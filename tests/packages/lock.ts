/** Reads the packages of a lock file of Deno (version 5), and what each of them says of itself in node_modules. */
import * as v from "../../lib/base/schema.ts";

const root = new URL("../../", import.meta.url);

/** One locked package. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** `sha512-` and the digest of its archive in base64. */
  readonly integrity: string;
  /** `name@version` of the packages that it brings; an optional one for another platform is left out. */
  readonly dependencies: readonly string[];
  /** True if it asks to run a script when it is installed. */
  readonly hasScripts: boolean;
}

const entry = v.object({
  integrity: v.string(),
  dependencies: v.optional(v.array(v.string())),
  optionalDependencies: v.optional(v.array(v.string())),
  scripts: v.optional(v.boolean()),
});

const lockFile = v.object({
  version: v.literal("5"),
  specifiers: v.record(v.string()),
  npm: v.record(entry),
});

/** A package and its version, without the suffix that names its peers. */
const keyPattern = /^(@?[^@]+)@([^_]+)/;

/** Returns the packages of a lock file, by `name@version`, and those that the project itself asks for. */
export async function readLock(
  file: string,
): Promise<{ packages: Map<string, LockedPackage>; direct: string[] }> {
  const text = await Deno.readTextFile(new URL(file, root));
  const { npm, specifiers } = v.parseJson(lockFile, text, { file });
  const keys = Object.keys(npm);
  const shorten = (key: string) => {
    const [, name = "", version = ""] = keyPattern.exec(key) ?? [];
    return { name, version, id: `${name}@${version}` };
  };
  // A dependency without a version has only one in the file.
  const find = (dependency: string) =>
    keys.filter((key) => key === dependency || shorten(key).name === dependency)
      .map((key) => shorten(key).id);
  const packages = new Map(keys.map((key) => {
    const { name, version, id } = shorten(key);
    const found = npm[key];
    if (!found) throw new TypeError(`unreachable: ${key} is a key`);
    const named = [
      ...found.dependencies ?? [],
      ...found.optionalDependencies ?? [],
    ];
    return [id, {
      name,
      version,
      integrity: found.integrity,
      dependencies: [...new Set(named.flatMap(find))].sort(),
      hasScripts: found.scripts ?? false,
    }];
  }));
  const direct = Object.entries(specifiers).map(([specifier, version]) =>
    shorten(
      `${specifier.replace(/^npm:/, "").replace(/(?<=.)@.*$/, "")}@${version}`,
    ).id
  );
  return { packages, direct: direct.sort() };
}

const person = v.union([v.string(), v.object({ name: v.string() })]);

const manifest = v.object({
  name: v.string(),
  version: v.string(),
  license: v.optional(
    v.union([v.string(), v.object({ type: v.string() })]),
  ),
  author: v.optional(person),
  maintainers: v.optional(v.array(person)),
  scripts: v.optional(v.record(v.unknown())),
});

/** What a package says of itself. */
export interface Manifest {
  /** Licence as an expression of SPDX; undefined if it names none. */
  readonly license: string | undefined;
  readonly people: readonly string[];
  /** Names of the scripts that npm would run when it installs the package. */
  readonly installScripts: readonly string[];
}

/** Returns what an installed package says of itself. @throws {Deno.errors.NotFound} If it is not installed. */
export async function readManifest(
  { name, version }: Pick<LockedPackage, "name" | "version">,
): Promise<Manifest> {
  const folder = `node_modules/.deno/${
    name.replace("/", "+")
  }@${version}/node_modules/${name}`;
  const file = `${folder}/package.json`;
  const text = await Deno.readTextFile(new URL(file, root));
  const said = v.parseJson(manifest, text, { file });
  if (said.name !== name || said.version !== version) {
    throw new Error(`Cannot use ${file}: it is ${said.name}@${said.version}`);
  }
  const people = [said.author ?? [], ...said.maintainers ?? []].flat();
  const { license } = said;
  return {
    license: typeof license === "object" ? license.type : license,
    people: people.map((one) => typeof one === "string" ? one : one.name),
    installScripts: Object.keys(said.scripts ?? {}).filter((script) =>
      /^(preinstall|install|postinstall)$/.test(script)
    ),
  };
}
