// deno-lint-ignore-file no-console -- tells what it installs
/** Installs what the tests need beside Deno, as far as this machine lets it: Postgres's server, a browser, uv. */

/** A program of the tests and how to get it. */
interface Need {
  readonly name: string;
  readonly why: string;
  /** Any of these programs will do. */
  readonly programs: readonly string[];
  /** Folders beside the PATH where the program may be. */
  readonly folders?: readonly string[];
  /** Packages of Debian and its kin. */
  readonly packages?: readonly string[];
  /** Another way to get it. */
  readonly command?: readonly string[];
}

const needs: readonly Need[] = [
  {
    name: "Postgres's server",
    why: "nearly all tests",
    programs: ["initdb"],
    folders: await subfolders("/usr/lib/postgresql", "bin"),
    packages: ["postgresql"],
  },
  {
    name: "OpenSSL",
    why: "the tests of TLS",
    programs: ["openssl"],
    packages: ["openssl"],
  },
  {
    name: "a browser",
    why: "the tests of pages",
    programs: ["chromium", "chromium-browser", "google-chrome"],
    packages: ["chromium"],
  },
  {
    name: "Go",
    why: "building act and actionlint",
    programs: ["go"],
    packages: ["golang-go"],
  },
  {
    name: "jq",
    why: "the workflows that act runs; GitHub's runners bring it",
    programs: ["jq"],
    packages: ["jq"],
  },
  {
    name: "a C compiler",
    why: "the benchmarks' peer",
    programs: ["gcc", "cc"],
    packages: ["gcc", "libc6-dev"],
  },
  {
    name: "uv",
    why: "the Python peers",
    programs: ["uv"],
    command: ["python3", "-m", "pip", "install", "--quiet", "uv"],
  },
];

const missing = [];
for (const need of needs) if (!await isThere(need)) missing.push(need);
const packages = missing.flatMap(({ packages = [] }) => packages);
if (packages.length > 0) await installPackages(packages);
for (const { name, command } of missing) {
  if (!command) continue;
  console.error(`Installing ${name}: ${command.join(" ")}`);
  await run(command);
}
for (const need of missing) {
  if (!await isThere(need)) {
    console.error(
      `MISSING ${need.name}, which is for ${need.why}: those tests are skipped, or fail where CI=true`,
    );
  }
}

/** With apt, as root or through a sudo that asks nothing; elsewhere the user is told what is missing. */
async function installPackages(packages: readonly string[]): Promise<void> {
  const asRoot = Deno.uid() === 0 ? [] : ["sudo", "--non-interactive"];
  if (!await run([...asRoot, "apt-get", "--version"], { quiet: true })) return;
  console.error(`Installing ${packages.join(", ")} with apt-get`);
  await run([...asRoot, "apt-get", "update", "-qq"]);
  await run([
    ...asRoot,
    "apt-get",
    "install",
    "-y",
    "-qq",
    "--no-install-recommends",
    ...packages,
  ], { quiet: true });
}

async function isThere({ programs, folders = [] }: Need): Promise<boolean> {
  const all = [...(Deno.env.get("PATH") ?? "").split(":"), ...folders];
  for (const folder of all) {
    for (const program of programs) {
      if (
        await Deno.stat(`${folder}/${program}`).then(
          ({ isFile }) => isFile,
          () => false,
        )
      ) return true;
    }
  }
  return false;
}

async function run(
  [program, ...args]: readonly string[],
  options: { quiet?: boolean } = {},
): Promise<boolean> {
  const output = options.quiet ? "null" : "inherit";
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const command = new Deno.Command(program!, {
    args,
    env,
    stdin: "null",
    stdout: output,
    stderr: output,
  });
  return await command.output().then(({ success }) => success, () => false);
}

async function subfolders(folder: string, inside: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) =>
      `${folder}/${name}/${inside}`
    );
  } catch {
    return [];
  }
}
