/** Opens the artifact store for a URI. */
import { InputError } from "../base/errors.ts";
import { openLocal } from "./local.ts";
import type { AwsSettings } from "../aws/client.ts";
import { parseS3Uri } from "./s3-uri.ts";
import { openServerArtifacts, type ServerAccess } from "./mlflow-proxy.ts";
import type { ArtifactStore } from "./store.ts";

/** What the stores need besides the URI. */
export interface ArtifactSettings {
  readonly s3: AwsSettings;
  /** The MLflow server that proxies `mlflow-artifacts:`; undefined if tracking does not use a server. */
  readonly server?: ServerAccess | undefined;
}

/**
 * Opens the files below a URI: `s3://BUCKET/PREFIX`, `mlflow-artifacts:/PATH`,
 * `file:///PATH`, or a folder.
 *
 * @throws {InputError} If no store supports the URI's scheme.
 */
export function openArtifacts(
  uri: string,
  settings: ArtifactSettings,
): ArtifactStore {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(uri)?.[1]?.toLowerCase();
  switch (scheme) {
    case undefined:
      return openLocal(uri);
    case "file":
      return openLocal(
        decodeURIComponent(uri.replace(/^file:(\/\/(localhost)?)?/i, "")),
      );
    case "s3":
    case "s3a":
      return openS3WhenUsed(uri, settings.s3);
    case "mlflow-artifacts":
      if (settings.server) return openServerArtifacts(uri, settings.server);
      throw new InputError(
        `Cannot open ${uri}: such artifacts are only available through an MLflow server; set MLFLOW_TRACKING_URI to its http(s):// address`,
      );
    default:
      throw new InputError(
        `Cannot open ${uri}: expected s3://, mlflow-artifacts:/, file:// or a folder`,
      );
  }
}

/** Opens S3 on first use. Loading the SDK takes longer than scoring ten rows, so it is loaded only if S3 is used. */
function openS3WhenUsed(uri: string, settings: AwsSettings): ArtifactStore {
  let opened: Promise<ArtifactStore> | undefined;
  const open = () =>
    opened ??= import("./s3.ts").then(({ openS3 }) => openS3(uri, settings));
  return {
    uri: parseS3Uri(uri).root,
    find: async (path, options) => await (await open()).find(path, options),
    open: async (path, options) => await (await open()).open(path, options),
    write: async (path, bytes) => await (await open()).write(path, bytes),
    create: async (path) => await (await open()).create(path),
    checkCreate: async (path) => await (await open()).checkCreate(path),
    list: async (folder) => await (await open()).list(folder),
  };
}
