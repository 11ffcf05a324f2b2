/** Another checkout of this project, whose files a test may change. */
import { fileURLToPath } from "node:url";
import { tempFolder } from "./servers.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Everything that the scripts need; tests, docs and workflows stay behind. */
const parts = [
  "deno.json",
  "deno.lock",
  "variants.yaml",
  "scripts",
  "lib",
  "sql",
  "data",
  "models",
];

/**
 * A copy of the project in a folder that goes away with its scope.
 *
 * @param more Further files and folders that the copy needs, such as `.github`.
 */
export async function copyProject(more: readonly string[] = []): Promise<
  { path: string } & AsyncDisposable
> {
  const folder = await tempFolder();
  for (const part of [...parts, ...more]) {
    await copy(`${root}${part}`, `${folder.path}/${part}`);
  }
  return folder;
}

async function copy(from: string, to: string): Promise<void> {
  const { isDirectory } = await Deno.stat(from);
  if (!isDirectory) return await Deno.copyFile(from, to);
  await Deno.mkdir(to);
  for await (const { name } of Deno.readDir(from)) {
    await copy(`${from}/${name}`, `${to}/${name}`);
  }
}
