/** `deno task bench-rows`: its contenders store the same scores. Times are not asserted. */
import { deepStrictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { testWithPython } from "../support/python.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

testWithPython(
  "bench-rows: predict and all peers store the same scores from every format",
  async () => {
    const { success, stdout, stderr } = await new Deno.Command(
      Deno.execPath(),
      {
        args: [
          ...["task", "--quiet", "bench-rows", "--json", "--rounds", "0"],
          ...["--cases", "10,10.csv,10.parquet"],
        ],
        cwd: root,
        stdin: "null",
      },
    ).output();
    const decoder = new TextDecoder();
    // It fails by itself if a row differs by more than 1.2e-7.
    deepStrictEqual(success, true, decoder.decode(stderr));
    const { cases } = JSON.parse(decoder.decode(stdout));
    const found = cases.map((
      { name, measured }: { name: string; measured: unknown[] },
    ) => [name, measured]);
    const measured = ["predict", "duckdb", "polars", "pyarrow", "plain"]
      .map((contender) => ({ contender, runs: [] }));
    deepStrictEqual(found, [
      ["10", measured],
      ["10.csv", measured],
      ["10.parquet", measured],
    ]);
  },
);
