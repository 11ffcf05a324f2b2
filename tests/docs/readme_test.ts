import { ok } from "node:assert/strict";

/** Rows of a table that name a test: `` `room/file_test.ts`: part of its name ``, last in its row. */
const named = /\| `(\w+\/\w+_test\.ts)`: (.+?) +\|$/gm;

const documents = { "README.md": 10, "docs/reliability.md": 30 };

for (const [document, fewest] of Object.entries(documents)) {
  Deno.test(`${document} names existing tests`, async () => {
    const text = await Deno.readTextFile(
      new URL(`../../${document}`, import.meta.url),
    );
    const rows = [...text.matchAll(named)];
    ok(rows.length >= fewest, `only ${rows.length} rows name a test`);
    for (const [, file = "", name = ""] of rows) {
      const tests = await Deno.readTextFile(
        new URL(`../${file}`, import.meta.url),
      );
      ok(
        tests.includes(name),
        `${file} has no test with "${name}" in its name`,
      );
    }
  });
}
