// deno-lint-ignore-file no-console -- its output is what the tasks of deno.json read
/**
 * Which folders the tasks may touch, as a list for `--allow-read` (`deno run
 * lib/folders.ts read`) and `--allow-write`. Only names are printed: an empty
 * one would end in Deno's "empty path" error, which is why a plain `$CHURN_HOME`
 * in deno.json is not enough.
 */

/**
 * The folders for one permission: the project,
 * `CHURN_HOME`, a local `MLFLOW_ARTIFACT_ROOT`, and what `CHURN_FILES` names;
 * for reading also the files that TLS and AWS settings point to.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(allowedFolders("write", { CHURN_HOME: "/var/churn" }), [".", "/var/churn"]);
 * ```
 */
export function allowedFolders(
  permission: "read" | "write",
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  const home = environment.CHURN_HOME || ".local";
  const root = environment.MLFLOW_ARTIFACT_ROOT ?? "";
  const extra = (environment.CHURN_FILES ?? "").split(",");
  const folders = [".", home, isFolder(root) ? root : "", ...extra];
  const readOnly = [
    environment.PGSSLROOTCERT,
    certificateOf(environment.MLFLOW_TRACKING_URI),
    certificateOf(environment.PREDICTIONS_DATABASE_URL),
    environment.AWS_WEB_IDENTITY_TOKEN_FILE,
    environment.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE,
    environment.AWS_CONFIG_FILE,
    environment.AWS_SHARED_CREDENTIALS_FILE,
    ...awsFiles(environment),
  ];
  return [...(permission === "read" ? readOnly : []), ...folders]
    .map((folder) => folder?.trim() ?? "")
    .filter((folder) => folder !== "");
}

/** The file that a Postgres URI's parameter `sslrootcert` names. */
function certificateOf(uri: string | undefined): string | undefined {
  const [, path] =
    /^postgres[^:]*:.*[?&]sslrootcert=([^&]+)/i.exec(uri ?? "") ?? [];
  return path && decodePath(path);
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** The SDK reads them for profiles and single sign-on; only asked for once a service is configured. */
function awsFiles(
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  const configured = Object.keys(environment).some((name) =>
    /^(MLFLOW|PREDICTIONS)_/.test(name)
  );
  return configured && environment.HOME ? [`${environment.HOME}/.aws`] : [];
}

function isFolder(uri: string): boolean {
  return !/^[a-z][a-z0-9+.-]*:/i.test(uri);
}

if (import.meta.main) {
  const permission = Deno.args[0] === "write" ? "write" : "read";
  console.log(allowedFolders(permission, Deno.env.toObject()).join(","));
}
