/** The artifact store behind an MLflow server that proxies artifacts (`mlflow server --serve-artifacts`). */
import { InputError, TransientError } from "../base/errors.ts";
import * as v from "../base/schema.ts";
import {
  type ArtifactStore,
  bytesAsFile,
  checkedPath,
  collectBytes,
  type ListedFile,
  sortedByPath,
  uriOf,
} from "./store.ts";

/** Authenticated access to an MLflow server. */
export interface ServerAccess {
  /**
   * Sends one authorized request to a path below the server's root, such as `/api/2.0/mlflow-artifacts/…`.
   *
   * @throws {UsageError} On 401 and 403.
   * @throws {TransientError} If the server does not answer, or on 429 and 5xx.
   */
  send(path: string, init?: RequestInit): Promise<Response>;
}

/** Root of the proxy's REST calls, in `mlflow/server/handlers.py` and `protos/mlflow_artifacts.proto`. */
const api = "/api/2.0/mlflow-artifacts/artifacts";

const listing = v.object({
  files: v.nullish(
    v.array(
      v.object({
        path: v.string(),
        is_dir: v.nullish(v.boolean(), false),
        file_size: v.nullish(v.number()),
      }),
    ),
    [],
  ),
});

/** Opens the files below `mlflow-artifacts:/PATH` or `mlflow-artifacts://HOST/PATH`. The host is ignored: the tracking server is used. */
export function openServerArtifacts(
  uri: string,
  server: ServerAccess,
): ArtifactStore {
  const root = uri.replace(/^mlflow-artifacts:(\/\/[^/]*)?\/*/, "").replace(
    /\/+$/,
    "",
  );
  const encode = (path: string) =>
    path.split("/").map(encodeURIComponent).join("/");
  const full = (path: string) =>
    root === "" ? checkedPath(path) : `${root}/${checkedPath(path)}`;
  const store = {
    uri: root === "" ? "mlflow-artifacts:/" : `mlflow-artifacts:/${root}`,
  };

  async function filesBelow(folder: string): Promise<ListedFile[]> {
    const query = new URLSearchParams({
      path: folder === "" ? root : full(folder),
    });
    const response = await server.send(`${api}?${query}`);
    if (response.status === 404) return [];
    await refuse(response, `list ${uriOf(store, folder)}`);
    const { files } = v.parseJson(listing, await response.text(), {
      file: `the MLflow server's list of ${uriOf(store, folder)}`,
    });
    const nested = files.map(({ path, is_dir: isFolder, file_size: size }) => {
      const name = path.slice(path.lastIndexOf("/") + 1);
      const below = folder === "" ? name : `${folder}/${name}`;
      const file = { path: below, size: size ?? undefined, version: undefined };
      return isFolder ? filesBelow(below) : Promise.resolve([file]);
    });
    return (await Promise.all(nested)).flat();
  }

  async function find(
    path: string,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const response = await server.send(`${api}/${encode(full(path))}`);
    if (response.status === 404 || await isFolder(response)) {
      await response.body?.cancel();
      return undefined;
    }
    await refuse(response, `read ${uriOf(store, path)}`);
    return await wholeBody(response, uriOf(store, path));
  }

  async function write(path: string, bytes: Uint8Array): Promise<void> {
    const init = {
      method: "PUT",
      body: new Uint8Array(bytes),
      headers: { "content-type": "application/octet-stream" },
    };
    const response = await server.send(
      `${api}/${encode(full(path))}`,
      init,
    );
    await refuse(response, `write ${uriOf(store, path)}`);
    await response.body?.cancel();
  }

  return {
    ...store,
    find,
    async open(path) {
      const bytes = await find(path);
      return bytes && bytesAsFile(uriOf(store, path), bytes);
    },
    write,
    create: (path) =>
      Promise.resolve(collectBytes((bytes) => write(path, bytes))),
    checkCreate: () => Promise.resolve(),
    list: async (folder) =>
      sortedByPath(await filesBelow(folder.replace(/\/$/, ""))),
  };
}

/** Tells whether MLflow refused the call because the path is a folder. A folder counts as no file, as in stores that have no folders. */
async function isFolder(response: Response): Promise<boolean> {
  if (response.status !== 400) return false;
  return (await response.clone().text()).includes("refers to a directory");
}

/** Returns the whole body. A broken connection shows as a rejected or short body; both are transient. */
async function wholeBody(
  response: Response,
  uri: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await response.bytes().catch((cause) => {
    throw new TransientError(`Cannot read ${uri}: the response ended early`, {
      cause,
    });
  });
  const expected = response.headers.get("content-encoding") === null
    ? response.headers.get("content-length")
    : null;
  if (expected !== null && Number(expected) !== bytes.length) {
    throw new TransientError(
      `Cannot read ${uri}: the response is truncated, ${bytes.length} of ${expected} bytes`,
    );
  }
  return bytes;
}

async function refuse(response: Response, what: string): Promise<void> {
  if (response.ok) return;
  const said = (await response.text()).slice(0, 300);
  throw new InputError(
    `Cannot ${what}: the MLflow server returned ${response.status}: ${said}`,
  );
}
