import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { sumTries, writeHeadline } from "../faults/table.ts";

/** Rows of a table that name a test: `` `room/file_test.ts`: part of its name ``, last in its row. */
const named = /\| `(\w+\/\w+_test\.ts)`: (.+?) +\|$/gm;

Deno.test("README.md states the sums of the table of faults, in which nothing failed", async () => {
  const read = (name: string) =>
    Deno.readTextFile(new URL(`../../${name}`, import.meta.url));
  const [readme, document] = [
    await read("README.md"),
    await read("docs/reliability.md"),
  ];
  strictEqual(writeHeadline(readme, document), readme);
  ok(sumTries(document).tries >= 1_000);
  for (const row of document.matchAll(/^\|[^|]+\| churn +\|.*$/gm)) {
    const counts = row[0].split("|").slice(4, 9).map((cell) => cell.trim());
    deepStrictEqual(counts, ["0", "0", "0", "0", "0"], row[0]);
  }
});

const documents = { "docs/mlflow.md": 10, "docs/reliability.md": 30 };

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
