import { ok, strictEqual } from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { commands } from "../../lib/config/commands.ts";
import { writeReference } from "../../lib/cli/reference.ts";
import { tempFolder } from "../support/servers.ts";

const page = fileURLToPath(
  new URL("../../docs/reference.md", import.meta.url),
);

Deno.test("docs/reference.md has the flags that the commands parse, as `deno task reference` writes them", async () => {
  await using folder = await tempFolder();
  const text = await Deno.readTextFile(page);
  const written = `${folder.path}/reference.md`;
  await Deno.writeTextFile(written, writeReference(text));
  await promisify(execFile)(Deno.execPath(), ["fmt", "--quiet", written]);
  strictEqual(text, await Deno.readTextFile(written));
});

Deno.test("writeReference() lists each command with each of its flags", async () => {
  const text = writeReference(await Deno.readTextFile(page));
  for (const { name, flags } of commands) {
    const section = text.split(`### ${name}\n`)[1]?.split("\n### ")[0];
    ok(section, name);
    for (const flag of Object.keys(flags)) {
      ok(section.includes(`\`--${flag}`), `${name} --${flag}`);
    }
  }
});
