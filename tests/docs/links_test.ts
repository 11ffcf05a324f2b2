/** Links between the documents lead to files and headings that exist. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { execFile } from "node:child_process";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Markdown without blocks and spans of code. */
function proseOf(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "");
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(text: string): Set<string> {
  const headings = text.replaceAll(/^```[\s\S]*?^```/gm, "")
    .matchAll(/^#{1,6} (.+)$/gm);
  const anchors = new Set<string>();
  for (const [, heading = ""] of headings) {
    const plain = heading.toLowerCase().trim()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(" ", "-");
    let anchor = plain;
    for (let copy = 1; anchors.has(anchor); copy++) anchor = `${plain}-${copy}`;
    anchors.add(anchor);
  }
  return anchors;
}

async function documents(): Promise<Map<string, string>> {
  const { stdout } = await promisify(execFile)(
    "git",
    ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
    { cwd: root },
  );
  const names = stdout.trim().split("\n");
  return new Map(
    await Promise.all(
      names.map(async (name) =>
        [name, await Deno.readTextFile(`${root}${name}`)] as const
      ),
    ),
  );
}

Deno.test("links between documents lead to existing files and headings", async () => {
  const found = await documents();
  const broken: string[] = [];
  let links = 0;
  for (const [name, text] of found) {
    const targets = proseOf(text).matchAll(/\]\(([^)\s]+)\)/g);
    for (const [, target = ""] of targets) {
      if (/^[a-z]+:/.test(target)) continue;
      links++;
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? name : normalize(join(dirname(name), path));
      const exists = await Deno.stat(`${root}${file}`).then(
        () => true,
        () => false,
      );
      if (!exists) broken.push(`${name}: ${target}: no such file`);
      else if (anchor !== undefined) {
        const there = found.get(file);
        if (there === undefined || !anchorsOf(there).has(anchor)) {
          broken.push(`${name}: ${target}: no such heading`);
        }
      }
    }
  }
  ok(links > 80, `${links} links`);
  deepStrictEqual(broken, []);
});

Deno.test("README.md and the pages that it lists lead to every page in docs", async () => {
  const found = await documents();
  const seen = new Set<string>();
  const open = ["README.md"];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    for (
      const [, target = ""] of (found.get(name) ?? "").matchAll(
        /\]\(([^)#\s]+\.md)[)#]/g,
      )
    ) {
      if (!/^[a-z]+:/.test(target)) {
        open.push(normalize(join(dirname(name), target)));
      }
    }
  }
  const pages = [...found.keys()].filter((name) => name.startsWith("docs/"));
  deepStrictEqual(pages.filter((name) => !seen.has(name)), []);
});
