/** A file of many blocks is scored by threads as one thread scores it whole: same scores, ids, counts and errors. */
import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { sha256 } from "../../lib/base/digest.ts";
import { parseModel } from "../../lib/model/mod.ts";
import type { RowCounts } from "../../lib/rows/encode.ts";
import { mergeCounts } from "../../lib/rows/features.ts";
import { unpack } from "../../lib/rows/packed.ts";
import { readFeatures } from "../../lib/rows/read.ts";
import { plainRecipe } from "../../lib/rows/recipe.ts";
import { openRowFile } from "../../lib/rows/row-file.ts";
import { openRowWriter } from "../../lib/rows/write.ts";
import { openPredict } from "../../lib/scoring/score-block.ts";
import { type PlacedScores, scoreFile } from "../../lib/scoring/score-file.ts";
import { openLocal } from "../../lib/storage/local.ts";
import { tempFolder } from "../support/servers.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const model = await Deno.readFile(`${root}models/churn/xgb_churn_model_2.bin`);
const names = parseModel(model).features.names;
const predict = openPredict(model);
const scorer = {
  trees: model,
  predict: async (matrix: Float32Array, rows: number) =>
    await predict(matrix, rows),
};
const features = {
  columns: names.map((name) => ({ name, type: "double" })),
  recipe: plainRecipe,
  idColumn: "player_id",
};

/** Rows of numbers that differ from each other, about 1 kB each. */
function makeRow(row: number): Record<string, string | number | null> {
  return {
    player_id: `player-${row}-é`,
    ...Object.fromEntries(names.map((name, column) => {
      const value = Math.sin(row * 45 + column) * 10 ** (column % 5);
      return [
        name,
        (row + column) % 17 === 0
          ? null
          : column % 3 === 0
          ? Math.round(value)
          : value,
      ];
    })),
  };
}

const rowCount = 14_000;
const rows = Array.from({ length: rowCount }, (_, row) => makeRow(row));
const columnNames = ["player_id", ...names];

async function write(path: string, form: string): Promise<void> {
  const lines = rows.map((row) => JSON.stringify(row));
  switch (form) {
    case "JSON Lines":
      return await Deno.writeTextFile(path, lines.join("\n"));
    case "an array":
      return await Deno.writeTextFile(path, `[${lines.join(",\n")}]`);
    case "split": {
      const data = rows.map((row) => columnNames.map((name) => row[name]));
      return await Deno.writeTextFile(
        path,
        JSON.stringify({ columns: columnNames, data }),
      );
    }
    default: {
      using file = await Deno.open(path, { write: true, create: true });
      const writer = await openRowWriter({
        write: async (bytes) => {
          for (let at = 0; at < bytes.length;) {
            at += await file.write(bytes.subarray(at));
          }
        },
      }, {
        format: form === "CSV" ? "csv" : "parquet",
        columns: columnNames.map((name) => ({
          name,
          type: name === "player_id" ? "text" : "number",
        })),
      });
      // Several row groups and, for columns, several blocks.
      for (let copy = 0; copy < (form === "Parquet" ? 6 : 1); copy++) {
        await writer.write(
          columnNames.map((name) => rows.map((row) => row[name] ?? null)),
        );
      }
      await writer.finish();
    }
  }
}

async function scoreAll(
  folder: string,
  name: string,
  options: { threads: number; setAside?: boolean; trees?: boolean },
) {
  await using file = await openLocal(folder).open(name);
  await using rowFile = await openRowFile(file!, { temporary: folder });
  const blocks: PlacedScores[] = [];
  const { threads, setAside = false, trees = true } = options;
  const all = scoreFile(
    trees ? scorer : { ...scorer, trees: undefined },
    rowFile,
    {
      threads,
      patienceMs: 0, // all threads start, although the file is small
      setAside,
      features: { ...features, file: name },
    },
  );
  for await (const block of all) blocks.push(block);
  return {
    blocks,
    digest: await rowFile.digest(),
    scores: blocks.flatMap(({ scores }) => [...scores]),
    ids: blocks.flatMap(({ ids }) => unpack(ids!)),
    counts: blocks.map(({ counts }) => counts).reduce<RowCounts | undefined>(
      (a, b) => a ? mergeCounts(a, b) : b,
      undefined,
    ),
  };
}

for (const form of ["JSON Lines", "an array", "split", "CSV", "Parquet"]) {
  Deno.test(`scoreFile() on threads equals one pass over the whole file: ${form}`, async () => {
    await using folder = await tempFolder();
    const path = `${folder.path}/week`;
    await write(path, form);
    await using file = await openLocal(folder.path).open("week");
    const whole = await readFeatures(file!, {
      ...features,
      temporary: folder.path,
    });
    const expected = await predict(whole.matrix, whole.rows);
    for (const threads of [1, 2, 3]) {
      const found = await scoreAll(folder.path, "week", { threads });
      ok(found.blocks.length > 1, `${found.blocks.length} blocks`);
      deepStrictEqual(found.scores, [...expected]);
      deepStrictEqual(found.ids, whole.ids);
      strictEqual(found.counts?.rows, whole.rows);
      strictEqual(found.digest, sha256(await Deno.readFile(path)));
      const starts = found.blocks.map(({ firstRow }) => firstRow);
      deepStrictEqual(
        starts,
        found.blocks.map((_, index) =>
          1 +
          found.blocks.slice(0, index).reduce((sum, { rows }) => sum + rows, 0)
        ),
      );
    }
    const here = await scoreAll(folder.path, "week", {
      threads: 2,
      trees: false,
    });
    deepStrictEqual(here.scores, [...expected]);
  });
}

Deno.test("scoreFile() names the first bad row of the file, whichever thread meets it", async () => {
  await using folder = await tempFolder();
  const lines = rows.map((row) => JSON.stringify(row));
  const bad = JSON.stringify({ ...rows[0], [names[3]!]: "many" });
  const cases = { 9_000: bad, 9_001: "{", 13_000: bad };
  for (const [row, line] of Object.entries(cases)) {
    lines[Number(row) - 1] = line;
  }
  lines.splice(100, 0, "", ""); // lines that are not rows
  await Deno.writeTextFile(`${folder.path}/week`, lines.join("\n"));
  // The last one is scored without threads, as for an ONNX model.
  for (const [threads, trees] of [[1, true], [3, true], [1, false]] as const) {
    await rejects(
      scoreAll(folder.path, "week", { threads, trees }),
      (error) => {
        match(
          String(error),
          new RegExp(
            `Cannot use week, row 9000 \\(line 9002\\), column "${
              names[3]
            }": expected a number \\(double\\) or null, found "many"`,
          ),
        );
        return true;
      },
    );
  }
  const found = await scoreAll(folder.path, "week", {
    threads: 2,
    setAside: true,
  });
  const aside = found.blocks.flatMap(({ setAside }) => setAside);
  deepStrictEqual(
    aside.map(({ problem, text }) => [problem.place.line, text]),
    [[9002, bad], [9003, "{"], [13_002, bad]],
  );
  strictEqual(found.counts?.rows, rowCount - 3);
});

Deno.test("a line of CSV is counted from the header, in a file of one block, too", async () => {
  await using folder = await tempFolder();
  const lines = [columnNames.join(","), columnNames.join(","), "too,few"];
  lines[1] = columnNames.map((name) => name === "player_id" ? "a" : "1").join(
    ",",
  );
  await Deno.writeTextFile(`${folder.path}/week`, lines.join("\n"));
  await rejects(
    scoreAll(folder.path, "week", { threads: 2 }),
    /Cannot use week, row 2 \(line 3\): expected \d+ cells/,
  );
});

Deno.test("scoreFile() names a bad row before the place from which on the file cannot be read", async () => {
  await using folder = await tempFolder();
  const lines = rows.map((row) => JSON.stringify(row));
  lines[5_000] = JSON.stringify({ ...rows[0], [names[3]!]: "many" });
  // The array has no end: cutting its last block fails, long before a thread reads row 5001.
  await Deno.writeTextFile(`${folder.path}/week`, `[${lines.join(",")}`);
  for (const threads of [1, 3]) {
    await rejects(
      scoreAll(folder.path, "week", { threads }),
      /Cannot use week, row 5001, column/,
    );
  }
  lines[5_000] = lines[0]!;
  await Deno.writeTextFile(`${folder.path}/week`, `[${lines.join(",")}`);
  await rejects(
    scoreAll(folder.path, "week", { threads: 2 }),
    /week.*(end|incomplete|closed)/,
  );
});

Deno.test("a thread that cannot start is an error, and nothing waits for it", async () => {
  await using folder = await tempFolder();
  await write(`${folder.path}/week`, "JSON Lines");
  await using file = await openLocal(folder.path).open("week");
  await using rowFile = await openRowFile(file!, { temporary: folder.path });
  const broken = { ...scorer, trees: new Uint8Array([1, 2, 3]) };
  const blocks = scoreFile(broken, rowFile, {
    threads: 3,
    setAside: false,
    features: { ...features, file: "week" },
  });
  await rejects(blocks.next(), /a scoring thread failed/);
});

Deno.test("a file of columns that changes before its blocks are used has no digest", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/week`;
  await write(path, "Parquet");
  await using file = await openLocal(folder.path).open("week");
  await using rowFile = await openRowFile(file!, { temporary: folder.path });
  await Deno.writeTextFile(`${path}.new`, "another file");
  await Deno.rename(`${path}.new`, path);
  await rejects(rowFile.digest(), /it changed while it was being read/);
});

Deno.test("a line that never ends is refused before it fills the memory", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/week`;
  {
    using file = await Deno.open(path, { write: true, create: true });
    await file.write(new TextEncoder().encode('{"player_id":"'));
    const filler = new Uint8Array(1 << 20).fill(120);
    for (let mebibyte = 0; mebibyte < 80; mebibyte++) await file.write(filler);
  }
  await rejects(
    scoreAll(folder.path, "week", { threads: 2 }),
    /week: line 1 is longer than 64 MiB/,
  );
});
