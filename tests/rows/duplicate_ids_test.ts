import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { DuplicateIds } from "../../lib/rows/duplicate-ids.ts";
import { pack } from "../support/predictions.ts";

Deno.test("DuplicateIds counts players with more than one row, across blocks, and no null", () => {
  const ids = new DuplicateIds();
  ids.add(pack(["P-1", "P-2", null, "P-1", "é", ""]));
  ids.add(pack(["P-2", "P-3", null, "P-1", "É", ""]));
  deepStrictEqual(ids.count(), { players: 3, repeatedRows: 4, isExact: true });
});

Deno.test("DuplicateIds is exact for two million players whose ids differ little", () => {
  const ids = new DuplicateIds();
  let twice = 0;
  for (let block = 0; block < 200; block++) {
    const names = Array.from(
      { length: 10_000 },
      (_, row) => String(block * 10_000 + row),
    );
    const repeated = names.filter((_, row) => row % 997 === block % 997);
    twice += repeated.length;
    ids.add(pack([...names, ...repeated, ...repeated]));
  }
  ok(twice > 2000);
  deepStrictEqual(ids.count(), {
    players: twice,
    repeatedRows: 2 * twice,
    isExact: true,
  });
});

Deno.test("DuplicateIds estimates the count beyond its memory", () => {
  const ids = new DuplicateIds();
  for (let block = 0; block < 400; block++) {
    const names = Array.from(
      { length: 10_000 },
      (_, row) => `player-${block * 10_000 + row}`,
    );
    ids.add(pack([...names, ...names.filter((_, row) => row % 4 === 0)]));
  }
  const { players, repeatedRows, isExact } = ids.count();
  strictEqual(isExact, false);
  // One million of four; the sample of about half has a standard error of 0.1 %.
  ok(Math.abs(players - 1_000_000) < 10_000, String(players));
  ok(Math.abs(repeatedRows - 1_000_000) < 40_000, String(repeatedRows));
});
