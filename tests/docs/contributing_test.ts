import { deepStrictEqual, ok } from "node:assert/strict";

const root = new URL("../../", import.meta.url);

/** A path in backquotes that begins with a folder of the project: `` `lib/rows/write.ts` `` or `` `tests/parity/` ``. */
const named = /`((?:lib|scripts|tests|sql|docs|\.github)\/[\w./-]*)`/g;

Deno.test("CONTRIBUTING.md names files and folders that exist", async () => {
  const text = await Deno.readTextFile(new URL("CONTRIBUTING.md", root));
  const paths = [...text.matchAll(named)].map(([, path = ""]) => path)
    .filter((path) => !path.includes("NAME"));
  ok(paths.length >= 30, `only ${paths.length} paths are named`);
  const absent = [];
  for (const path of paths) {
    const found = await Deno.stat(new URL(path, root)).catch(() => undefined);
    if (!found) absent.push(path);
  }
  deepStrictEqual(absent, []);
});
