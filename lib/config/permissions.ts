/** Determines what a command may read and write from the environment and its command line. */
import { fileURLToPath } from "node:url";
import { isAbsolute, resolve } from "node:path";

/** The environment as a mapping, such as `Deno.env.toObject()`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A file, folder or pattern that the command line names. */
export interface NamedFile {
  readonly path: string;
  readonly use: "read" | "write";
}

/** Paths for `--allow-read` and `--allow-write`. */
export interface Permissions {
  readonly read: readonly string[];
  readonly write: readonly string[];
}

/**
 * Returns the absolute local path for a command-line argument; undefined for a
 * URI of another scheme (`s3://…`), for `-` and for an empty text. `~` is the
 * user's home, and a relative path is resolved against `folder`.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const user = { folder: "/data", home: "/home/me" };
 * strictEqual(toLocalPath("week.jsonl", user), "/data/week.jsonl");
 * strictEqual(toLocalPath("~/week.jsonl", user), "/home/me/week.jsonl");
 * strictEqual(toLocalPath("s3://bucket/week.jsonl", user), undefined);
 * ```
 */
export function toLocalPath(
  text: string,
  user: { folder: string; home: string | undefined },
): string | undefined {
  if (text === "" || text === "-") return undefined;
  if (text.startsWith("file:")) return fileURLToPath(text);
  if (/^[a-z][a-z0-9+.-]+:/i.test(text)) return undefined;
  return resolve(user.folder, expandHome(text, user.home));
}

/** Replaces a leading `~` of a path by the user's home. */
export function expandHome(path: string, home: string | undefined): string {
  return home !== undefined && /^~(\/|$)/.test(path)
    ? `${home}${path.slice(1)}`
    : path;
}

/**
 * Returns the paths that a command may use. It may read the project, the folder
 * `CHURN_HOME`, a local `MLFLOW_ARTIFACT_ROOT`, the folders in `CHURN_FILES`,
 * the files that TLS and AWS settings name, and the files that the command line
 * names. It may write `CHURN_HOME`, `MLFLOW_ARTIFACT_ROOT`, `CHURN_FILES` and
 * the output files that the command line names.
 *
 * A file is written to `FILE.part/` first and then renamed, so that path is
 * also writable. If the folder of an output file does not exist, the highest
 * missing folder is writable as a whole.
 *
 * @param options `exists`: returns whether a file or folder exists.
 */
export function permissionsFor(
  environment: Environment,
  options: {
    named: readonly NamedFile[];
    exists: (path: string) => boolean;
  },
): Permissions {
  const { named, exists } = options;
  const expand = (path: string) => expandHome(path.trim(), environment.HOME);
  const root = environment.MLFLOW_ARTIFACT_ROOT ?? "";
  const settings = [
    environment.CHURN_HOME || ".local",
    isFolder(root) ? root : "",
    ...(environment.CHURN_FILES ?? "").split(","),
  ].map(expand).filter((path) => path !== "");
  const readOnly = [
    environment.PGSSLROOTCERT,
    certificateOf(environment.MLFLOW_TRACKING_URI),
    certificateOf(environment.PREDICTIONS_DATABASE_URL),
    environment.AWS_WEB_IDENTITY_TOKEN_FILE,
    environment.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE,
    environment.AWS_CONFIG_FILE,
    environment.AWS_SHARED_CREDENTIALS_FILE,
    ...awsFolder(environment),
  ].map((path) => expand(path ?? "")).filter((path) => path !== "");
  const written = named.filter(({ use }) => use === "write").flatMap((
    { path },
  ) => [firstMissing(path, exists) ?? path, `${path}.part`]);
  const read = named.map(({ path }) => withoutPattern(path));
  return {
    read: unique([".", ...readOnly, ...settings, ...read, ...written]),
    write: unique([...settings, ...written]),
  };
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

/** Returns the folder that the AWS SDK reads for profiles and single sign-on; empty unless a service is configured. */
function awsFolder(environment: Environment): string[] {
  const configured = Object.keys(environment).some((name) =>
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
