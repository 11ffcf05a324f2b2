import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { TransientError } from "../../lib/base/errors.ts";
import {
  lockFolder,
  readFolderState,
  syncChanges,
} from "../../lib/database/folder.ts";
import { openPglite } from "../../lib/database/pglite.ts";
import { tempFolder } from "../support/servers.ts";

Deno.test("lockFolder() holds the folder behind a symbolic link, and releases it", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/database`;
  const link = `${folder.path}/link`;
  {
    using lock = await lockFolder(path, { waitMs: 0, files: [] });
    strictEqual(lock.path, await Deno.realPath(path));
    await Deno.symlink(path, link);
    await rejects(lockFolder(link, { waitMs: 0, files: [] }), TransientError);
  }
  using again = await lockFolder(link, { waitMs: 0, files: [] });
  strictEqual(again.path, await Deno.realPath(path));
});

Deno.test("openPglite() lets no second process in, not even after its lock file was deleted", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/database`;
  const refused = {
    name: "TransientError",
    message: /process \d+ is using it|another process is using it/,
  };
  for (const round of ["a new database", "an existing one"]) {
    await using database = await openPglite(path);
    await Deno.remove(`${path}.lock`);
    await rejects(openPglite(path, { waitMs: 100 }), refused, round);
    deepStrictEqual(await database.query("select 1 as one"), [{ one: 1 }]);
  }
});

Deno.test("openPglite() does not wait for a busy folder for more than about a second", async () => {
  await using folder = await tempFolder();
  await using _database = await openPglite(`${folder.path}/database`);
  await rejects(openPglite(`${folder.path}/database`), {
    name: "TransientError",
    message: new RegExp(`: process ${Deno.pid} is using it; wait for it`),
  });
});

Deno.test("readFolderState() shows what changed, whatever the clock and the times of the files say", async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  await Deno.mkdir(`${path}/base`);
  const write = (name: string, text: string) =>
    Deno.writeTextFile(`${path}/${name}`, text);
  for (const name of ["base/1", "base/2", "base/3", "gone"]) {
    await write(name, "earlier");
  }
  const before = readFolderState(path);
  deepStrictEqual(readFolderState(path), before);
  await new Promise((resolve) => setTimeout(resolve, 20));
  // Written by a process whose clock is an hour ahead, or behind.
  for (
    const [name, offsetMs] of [["base/1", 36e5], ["base/2", -36e5]] as const
  ) {
    await write(name, "changed"); // as long as before
    const time = new Date(Date.now() + offsetMs);
    await Deno.utime(`${path}/${name}`, time, time);
  }
  await write("new", "new");
  await Deno.remove(`${path}/gone`);
  const changed = [...readFolderState(path)]
    .filter(([name, state]) => before.get(name) !== state)
    .map(([name]) => name.slice(path.length));
  deepStrictEqual(changed.sort(), ["", "/base/1", "/base/2", "/new"]);
  syncChanges(path, before);
  strictEqual(await Deno.readTextFile(`${path}/base/1`), "changed");
});
