/** What a folder holds, to compare it before and after. */
import { createHash } from "node:crypto";

/** Returns every file and folder below a folder, by path: its SHA-256 and time of modification; empty if there is no folder. */
export function readTree(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (path: string) => {
    for (const { name, isDirectory } of entriesOf(path)) {
      const entry = `${path}/${name}`;
      const below = entry.slice(folder.length + 1);
      if (isDirectory) {
        found[`${below}/`] = "folder";
        visit(entry);
        continue;
      }
      const digest = createHash("sha256").update(Deno.readFileSync(entry))
        .digest("hex");
      found[below] = `${digest} ${Deno.statSync(entry).mtime?.getTime()}`;
    }
  };
  visit(folder);
  return found;
}

function entriesOf(path: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(path)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
