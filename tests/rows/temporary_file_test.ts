/** Temporary files: what a killed process left is deleted, and nothing else. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import {
  copyToTemporary,
  createTemporary,
} from "../../lib/rows/temporary-file.ts";
import { tempFolder } from "../support/servers.ts";

const module = import.meta.resolve("../../lib/rows/temporary-file.ts");

const namesIn = (folder: string) =>
  [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

/** Makes a file look as if it had been written two minutes ago. */
async function age(path: string): Promise<void> {
  const then = new Date(Date.now() - 120_000);
  await Deno.utime(path, then, then);
}

/** Starts a process that has a temporary file and never ends, and waits until the file is there. */
async function startHolder(folder: string): Promise<Deno.ChildProcess> {
  const code = `
    import { createTemporary } from ${JSON.stringify(module)};
    const { path } = await createTemporary(${JSON.stringify(folder)}, "rows-");
    console.log(path);
    setInterval(() => {}, 1000);`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", code],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  return child;
}

Deno.test("a new temporary file deletes those of killed processes, and none in use", async () => {
  await using folder = await tempFolder();
  const killed = await startHolder(folder.path);
  const alive = await startHolder(folder.path);
  try {
    await using own = await createTemporary(folder.path, "bad-rows-");
    const young = `${folder.path}/rows-young`;
    const other = `${folder.path}/notes`;
    await Deno.writeTextFile(young, "");
    await Deno.writeTextFile(other, "");
    for (const name of namesIn(folder.path)) {
      if (name !== "rows-young") await age(`${folder.path}/${name}`);
    }
    strictEqual(namesIn(folder.path).length, 5);
    const before = namesIn(folder.path);
    await using first = await createTemporary(folder.path, "rows-");
    const added = first.path.slice(folder.path.length + 1);
    // All processes are alive.
    deepStrictEqual(namesIn(folder.path), [...before, added].sort());

    killed.kill("SIGKILL");
    await killed.status;
    await using second = await createTemporary(folder.path, "rows-");
    const left = namesIn(folder.path);
    strictEqual(left.length, 6, left.join());
    for (const path of [own.path, first.path, second.path, young, other]) {
      strictEqual(left.includes(path.slice(folder.path.length + 1)), true);
    }
  } finally {
    alive.kill("SIGKILL");
    await alive.status;
  }
});

Deno.test("copyToTemporary() copies a stream; disposal, and a stream that fails, leave no file", async () => {
  await using folder = await tempFolder();
  {
    const bytes = [Uint8Array.of(1, 2), Uint8Array.of(3)];
    await using copy = await copyToTemporary(
      ReadableStream.from(bytes),
      folder.path,
    );
    deepStrictEqual([...await Deno.readFile(copy.path)], [1, 2, 3]);
  }
  async function* failing() {
    yield Uint8Array.of(1);
    await Promise.reject(new Error("the source failed"));
  }
  const failure = await copyToTemporary(failing(), folder.path).catch((
    error,
  ) => String(error));
  strictEqual(failure, "Error: the source failed");
  deepStrictEqual(namesIn(folder.path), []);
});
