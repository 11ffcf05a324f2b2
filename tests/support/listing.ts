/** The paths in a store's listing. */
import type { ListedFile } from "../../lib/storage/store.ts";

/** Returns the paths of listed files, in order. */
export function pathsOf(files: readonly ListedFile[]): string[] {
  return files.map(({ path }) => path);
}
