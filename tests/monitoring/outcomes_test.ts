/** The formats of an outcomes file: pandas 3.1.1 and pyarrow 26.0.1 write the same outcomes in each of them. */
import { deepStrictEqual } from "node:assert/strict";
import { toOutcomes } from "../../lib/monitoring/outcomes.ts";
import { readAllRows } from "../../lib/rows/read.ts";
import { bytesAsFile } from "../../lib/storage/store.ts";
import { runPython, testWithPython } from "../support/python.ts";
import { tempFolder } from "../support/servers.ts";

const code = `import sys, pandas
ids = ["007", "8", None, "P-1", "P-2"]
floats = pandas.DataFrame({"player_id": ids, "churned": [1.0, 0.0, 1.0, None, 1.0]})
folder = sys.argv[1] + "/"
floats.to_csv(folder + "a.csv", index=False)
floats.to_csv(folder + "a.csv.gz", index=False, sep=";")
floats.to_json(folder + "a.json", orient="records")
floats.to_json(folder + "a.jsonl", orient="records", lines=True)
for kind in ("Int8", "Int64", "UInt32", "Float32", "boolean"):
    floats.astype({"churned": kind}).to_parquet(folder + kind + ".parquet")
floats.astype({"churned": "Int64"}).to_feather(folder + "a.arrow")`;

testWithPython(
  "outcomes are the same from CSV, JSON, JSON Lines, Parquet and Arrow",
  async () => {
    await using folder = await tempFolder();
    await runPython("columnar", code, { args: [folder.path] });
    const seen: string[] = [];
    for await (const { name } of Deno.readDir(folder.path)) {
      const file = `${folder.path}/${name}`;
      const rows = await readAllRows(
        bytesAsFile(file, await Deno.readFile(file)),
        { idColumn: "player_id", temporary: folder.path },
      );
      const found = toOutcomes(rows, {
        idColumn: "player_id",
        label: "churned",
        file,
      });
      deepStrictEqual(
        [...found.byPlayer].sort(),
        [["007", 1], ["8", 0], ["P-2", 1]],
        name,
      );
      deepStrictEqual(found.unnamed, 1, name);
      seen.push(name);
    }
    deepStrictEqual(seen.length, 10);
  },
);
