/** Determines what a command may read, write and reach from the environment and its command line. */
import { isAbsolute, relative, resolve } from "node:path";
import type { Environment } from "./environment.ts";
import type { Command } from "./flags.ts";
import { hostsFor } from "./network.ts";
import { expandHome } from "./paths.ts";
import { UsageError } from "../base/errors.ts";

/** A file, folder or pattern that the command line names. */
export interface NamedFile {
  readonly path: string;
  readonly use: "read" | "write";
}

/** What a command may use; {@linkcode toFlags} writes it as Deno's flags. */
export interface Permissions {
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** Paths that may not be written although a folder above them may. */
  readonly neverWrite: readonly string[];
  /** `HOST:PORT` of the hosts that the command may connect to; undefined: any host. */
  readonly hosts: readonly string[] | undefined;
}

/**
 * Files and folders of the project that no command may write: its code, its
 * models, and what Deno, Git, editors or CI read or run.
 */
export const ownFiles: readonly string[] = [
  ".ci",
  ".devcontainer",
  ".dockerignore",
  ".env",
  ".envrc",
  ".git",
  ".gitattributes",
  ".github",
  ".gitignore",
  ".gitmodules",
  ".npmrc",
  ".vscode",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "Dockerfile",
  "LICENSE",
  "README.md",
  "bench",
  "deno.json",
  "deno.jsonc",
  "deno.lock",
  "docs",
  "infrastructure",
  "jsr.json",
  "lib",
  "models",
  "node_modules",
  "package.json",
  "scripts",
  "sql",
  "tests",
  "tsconfig.json",
  "variants.schema.json",
  "variants.yaml",
];

/** Environment variables that a command may read; any other is undefined to it. */
const variables = [
  "AWS_*",
  "CHURN_*",
  "MLFLOW_*",
  "PG*",
  "PREDICTIONS_*",
  "DENO_CERT",
  "FORCE_COLOR",
  "GITHUB_ACTOR",
  "GITHUB_REPOSITORY",
  "GITHUB_RUN_ID",
  "GITHUB_SERVER_URL",
  "GITHUB_SHA",
  "HOME",
  "LOGNAME",
  "NO_COLOR",
  "TERM",
  "USER",
];

/** What permissions depend on besides the environment. */
export interface PermissionOptions
  extends Pick<Command, "offline" | "alerts" | "changes"> {
  /** Files that the command line names. */
  readonly named: readonly NamedFile[];
  /** URIs that the command line names, such as `s3://bucket/week.jsonl`. */
  readonly uris?: readonly string[];
  /** The project's folder. */
  readonly project: string;
  /** Port on 127.0.0.1 that the command listens on. */
  readonly port?: number | undefined;
  /** Path below `CHURN_HOME` of a Unix socket that the command listens on. */
  readonly socket?: string | undefined;
  /** Returns whether a file or folder exists. */
  readonly exists: (path: string) => boolean;
  /** Returns a path without symbolic links, whether it exists or not. */
  readonly real: (path: string) => string;
}

/**
 * Returns what a command may use. It may read the project, the folder
 * `CHURN_HOME`, a local `MLFLOW_ARTIFACT_ROOT`, the folders in `CHURN_FILES`,
 * the files that TLS and AWS settings name, and the files that the command line
 * names. It may write `CHURN_HOME`, `MLFLOW_ARTIFACT_ROOT`, `CHURN_FILES` and
 * the output files that the command line names, but never {@linkcode ownFiles}:
 * a folder in `CHURN_FILES` that is among them may only be read.
 * Hosts: {@linkcode hostsFor}.
 *
 * A file is written to `FILE.part/` first and then renamed, so that path is
 * also writable. If the folder of an output file does not exist, the highest
 * missing folder is writable as a whole.
 *
 * @throws {UsageError} If an output file or a folder to write is one of the project's own files, or a path or `CHURN_HOSTS` cannot be used.
 */
export function permissionsFor(
  environment: Environment,
  options: PermissionOptions,
): Permissions {
  const { named, exists, offline = false, uris = [], changes = [] } = options;
  const folders = foldersOf(environment);
  // Somebody may keep models or data to read among the project's own files.
  const writableFolders = folders.filter(({ name, path }) =>
    name !== "CHURN_FILES" || ownFileAt(path, options) === undefined
  );
  const written = named.filter(({ use }) => use === "write").flatMap((
    { path },
  ) => [firstMissing(path, exists) ?? path, `${path}.part`]);
  const read = named.map(({ path }) => withoutPattern(path));
  const writable: readonly Writable[] = [
    ...offline ? [] : writableFolders,
    ...named.filter(({ use }) => use === "write")
      .map(({ path }) => ({ path, name: "the output" })),
  ];
  return {
    read: unique([
      ".",
      ...offline ? [] : readOnly(environment, uris),
      ...folders.map(({ path }) => path),
      ...read,
      ...written,
    ]),
    write: unique([
      ...offline ? [] : writableFolders.map(({ path }) => path),
      ...written,
      ...changes.flatMap((path) => [path, `${path}.part`]),
    ]),
    neverWrite: protectProject(writable, options)
      .filter((path) => !changes.includes(path)),
    hosts: offline ? [] : hostsOf(environment, options),
  };
}

/** What a command needs to know about the machine, and which other variables it sees. */
export interface FlagOptions extends Pick<Command, "sys"> {
  /** Environment variables besides those that every command may read. */
  readonly variables?: readonly string[];
}

/**
 * Returns Deno's flags for permissions. Paths are relative to the project, in
 * which the command must be started.
 *
 * @throws {UsageError} If a path contains a comma.
 */
export function toFlags(
  permissions: Permissions,
  options: FlagOptions = {},
): string[] {
  const { read, write, neverWrite, hosts } = permissions;
  const { sys: more = [], variables: others = [] } = options;
  // The AWS SDK reads the first three.
  const sys = [
    ...hosts?.length === 0 ? [] : ["osRelease", "homedir", "uid"],
    ...more,
  ];
  return [
    // Without it, code could send data in the address of a module that it imports.
    "--no-remote",
    "--ignore-env",
    `--allow-env=${[...variables, ...others].join(",")}`,
    ...hosts === undefined
      ? ["--allow-net"]
      : hosts.length === 0
      ? []
      : [`--allow-net=${hosts.join(",")}`],
    ...sys.length === 0 ? [] : [`--allow-sys=${sys.join(",")}`],
    `--allow-read=${toList(read)}`,
    ...write.length === 0 ? [] : [`--allow-write=${toList(write)}`],
    `--deny-write=${toList(neverWrite)}`,
  ];
}

/** Joins paths for a permission flag; Deno separates paths by commas, which cannot be escaped. */
function toList(paths: readonly string[]): string {
  const divided = paths.find((path) => path.includes(","));
  if (divided === undefined) return paths.join(",");
  throw new UsageError(
    `Cannot use "${divided}": Deno cannot grant access to a path that contains a comma; rename it`,
  );
}

function hostsOf(
  environment: Environment,
  { uris = [], port, socket, alerts, project }: PermissionOptions,
): readonly string[] | undefined {
  const hosts = hostsFor(environment, { uris, alerts });
  if (hosts === undefined) return undefined;
  return [
    ...hosts,
    ...port === undefined ? [] : [`127.0.0.1:${port}`],
    ...socket === undefined
      ? []
      : [`unix:${resolve(project, homeOf(environment), socket)}`],
  ];
}

/** A path that a command may write, and what named it. */
interface Writable {
  readonly path: string;
  readonly name: string;
}

function homeOf({ CHURN_HOME, HOME }: Environment): string {
  return expandHome(CHURN_HOME?.trim() || ".local", HOME);
}

/** Returns the folders that the environment lets commands read and write. */
function foldersOf(environment: Environment): Writable[] {
  const root = environment.MLFLOW_ARTIFACT_ROOT ?? "";
  return [
    { name: "CHURN_HOME", path: homeOf(environment) },
    { name: "MLFLOW_ARTIFACT_ROOT", path: isFolder(root) ? root : "" },
    ...(environment.CHURN_FILES ?? "").split(",")
      .map((path) => ({ name: "CHURN_FILES", path })),
  ].map(({ name, path }) => ({
    name,
    path: expandHome(path.trim(), environment.HOME),
  })).filter(({ path }) => path !== "");
}

/** Returns the paths of the files that settings of TLS and AWS name. */
function readOnly(environment: Environment, uris: readonly string[]): string[] {
  return [
    environment.PGSSLROOTCERT,
    certificateOf(environment.MLFLOW_TRACKING_URI),
    certificateOf(environment.PREDICTIONS_DATABASE_URL),
    environment.AWS_WEB_IDENTITY_TOKEN_FILE,
    environment.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE,
    environment.AWS_CONFIG_FILE,
    environment.AWS_SHARED_CREDENTIALS_FILE,
    ...awsFolder(environment, uris),
  ].map((path) => expandHome((path ?? "").trim(), environment.HOME))
    .filter((path) => path !== "");
}

/**
 * Returns the paths in the project that may not be written, even below a folder
 * that may. If such a folder contains the project, nothing in the project may be
 * written: code could otherwise move the project away and put another in its place.
 */
function protectProject(
  writable: readonly Writable[],
  { project, real }: PermissionOptions,
): readonly string[] {
  for (const { name, path } of writable) {
    const own = ownFileAt(path, { project, real });
    if (own === undefined) continue;
    throw new UsageError(
      `Cannot write ${name} ${path}: ${own} belongs to the project's own files, which no command changes; ` +
        `choose another place, such as scores.csv or a folder outside the project`,
    );
  }
  const places = writable.map((place) => ({
    ...place,
    inProject: inProject(place.path, { project, real }),
  }));
  const outer = places.find(({ inProject }) =>
    /^\.\.(\/\.\.)*$/.test(inProject)
  );
  if (!outer) return ownFiles;
  const inner = places.find(({ inProject }) => !/^\.\.(\/|$)/.test(inProject));
  if (!inner) return ["."];
  throw new UsageError(
    `Cannot write ${inner.name} ${inner.path}: ${outer.name} ${outer.path} contains the whole project, so nothing inside the project may be written; ` +
      `choose a place outside the project for ${inner.name}, or narrower folders for ${outer.name}`,
  );
}

/** Returns which of the project's own files a path is, or is below; undefined for none. */
function ownFileAt(
  path: string,
  options: Pick<PermissionOptions, "project" | "real">,
): string | undefined {
  const [first = ""] = inProject(path, options).split("/");
  // Not every file system tells upper from lower case.
  return ownFiles.find((file) => file.toLowerCase() === first.toLowerCase());
}

/** Returns a path as seen from the project, without symbolic links. */
function inProject(
  path: string,
  { project, real }: Pick<PermissionOptions, "project" | "real">,
): string {
  return relative(real(project), real(resolve(project, path)));
}

/** Returns the file that a Postgres URI's parameter `sslrootcert` names. */
function certificateOf(uri: string | undefined): string | undefined {
  const [, path] =
    /^postgres[^:]*:.*[?&]sslrootcert=([^&]+)/i.exec(uri ?? "") ?? [];
  if (path === undefined) return undefined;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** Returns the folder that the AWS SDK reads for profiles and single sign-on; empty if nothing names a service. */
function awsFolder(
  environment: Environment,
  uris: readonly string[],
): string[] {
  const configured = uris.length > 0 ||
    Object.keys(environment).some((name) =>
      /^(MLFLOW|PREDICTIONS)_/.test(name)
    );
  return configured && environment.HOME ? [`${environment.HOME}/.aws`] : [];
}

function isFolder(uri: string): boolean {
  return !/^[a-z][a-z0-9+.-]*:/i.test(uri);
}

/** Returns the folder above the first `*` of a pattern. */
function withoutPattern(path: string): string {
  const star = path.indexOf("*");
  if (star < 0) return path;
  return path.slice(0, path.lastIndexOf("/", star)) || "/";
}

/** Returns the highest missing folder above `path`; undefined when the folder of `path` exists. */
function firstMissing(
  path: string,
  exists: (path: string) => boolean,
): string | undefined {
  if (!isAbsolute(path)) return undefined;
  let missing: string | undefined;
  for (
    let folder = resolve(path, "..");
    folder !== "/" && !exists(folder);
    folder = resolve(folder, "..")
  ) missing = folder;
  return missing;
}

function unique(paths: readonly string[]): string[] {
  return [...new Set(paths)];
}
