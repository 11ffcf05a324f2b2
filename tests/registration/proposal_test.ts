/** What `init` proposes for features, id and label, and what it refuses to guess. */
import { deepStrictEqual, throws } from "node:assert/strict";
import {
  type ColumnProposal,
  matchFeatures,
  proposeId,
  proposeLabel,
  takeFeatures,
  toSampleColumns,
} from "../../lib/registration/proposal.ts";

/** Rows with the given cells per column. */
function columnsOf(cells: Record<string, readonly unknown[]>) {
  const count = Object.values(cells)[0]?.length ?? 0;
  return toSampleColumns(
    Array.from({ length: count }, (_, row) => ({
      number: row + 1,
      line: row + 1,
      value: Object.fromEntries(
        Object.entries(cells).map(([name, column]) => [name, column[row]]),
      ),
    })),
  );
}

/** The column of a proposal, or its candidates. */
function chosen(proposal: ColumnProposal): unknown {
  return "candidates" in proposal ? proposal.candidates : proposal.column;
}

const bits = [0, 1, 1, 0];
const unique = [10, 11, 12, 13];

Deno.test("the id is the column that variants.yaml names, then the one with the name of an id, then the only unique one", () => {
  const cases: [Record<string, readonly unknown[]>, unknown][] = [
    [{ player_id: unique, order_id: unique }, "player_id"],
    [{ machine_id: ["a", "a", "b", "c"], serial: unique }, "machine_id"],
    [{ machineId: unique, torque_grid: unique }, "machineId"],
    [{ id: unique, paid: unique }, "id"],
    [{ serial: unique, color: ["a", "a", "b", "b"] }, "serial"],
    [{ order_id: unique, machine_id: unique }, ["order_id", "machine_id"]],
    [{ serial: unique, batch: ["a", "b", "c", "d"] }, ["serial", "batch"]],
    [{ weight: [0.5, 1.5, 2.5, 3.5] }, undefined],
    [{ key: [null, null, null, null] }, undefined],
    // CSV reads ids above 2^53 as numbers before the column is known to be the id.
    [{ big_id: [9223372036854775807, 9223372036854775806, 1, 2] }, "big_id"],
  ];
  for (const [cells, expected] of cases) {
    const found = chosen(proposeId(columnsOf(cells), "player_id"));
    deepStrictEqual(found, expected, Object.keys(cells).join());
  }
});

Deno.test("the label is the column that variants.yaml names, then the only one with 0 and 1; half a label is not replaced by another column", () => {
  const cases: [Record<string, readonly unknown[]>, unknown][] = [
    [{ churned: bits, vip: bits }, "churned"],
    [{ failed: bits, torque: unique }, "failed"],
    [{ failed: [true, false, true, true] }, "failed"],
    [{ failed: bits, stopped: bits }, ["failed", "stopped"]],
    [{ failed: [0, 0, 0, 0], stopped: [0, 1, null, 1] }, undefined],
    [{ failed: ["0", "1", "0", "1"] }, undefined],
    [{ churned: [0, 1, null, 1], vip: bits }, ["churned", "vip"]],
  ];
  for (const [cells, expected] of cases) {
    const found = chosen(proposeLabel(columnsOf(cells), "churned"));
    deepStrictEqual(found, expected, Object.keys(cells).join());
  }
});

Deno.test("features are matched by name, by letters and digits, and by category", () => {
  const columns = columnsOf({
    "Air temperature": unique,
    torque: unique,
    type: ["L", "M", "L", "L"],
    tier: [1, 2, 1, 1], // drop_first left out tier_1.0
  });
  const names = ["torque", "Air_temperature", "type_L", "type_M", "tier_2.0"];
  const { renamed, oneHot, used } = matchFeatures(names, columns);
  deepStrictEqual(renamed, { "Air temperature": "Air_temperature" });
  deepStrictEqual(oneHot, [
    { column: "type", categories: undefined },
    { column: "tier", categories: ["1.0", "2.0"] },
  ]);
  deepStrictEqual([...used], ["torque", "Air temperature", "type", "tier"]);
});

Deno.test("categories that the sample does not show, or that drop_first left out, are listed", () => {
  const columns = columnsOf({ type: ["L", "M", "A", "L"] });
  const oneHot = (names: string[]) => matchFeatures(names, columns).oneHot;
  deepStrictEqual(oneHot(["type_L", "type_M", "type_Z"]), [
    { column: "type", categories: ["A", "L", "M", "Z"] },
  ]);
  deepStrictEqual(oneHot(["type_A", "type_L", "type_M"]), [
    { column: "type", categories: undefined },
  ]);
});

Deno.test("a feature belongs to the column with the longest prefix", () => {
  const columns = columnsOf({
    brand: ["A", "B", "A", "B"],
    brand_id: ["NJ", "NY", "NJ", "PA"],
  });
  const names = ["brand_A", "brand_B", "brand_id_NJ", "brand_id_CO"];
  deepStrictEqual(matchFeatures(names, columns).oneHot, [
    { column: "brand", categories: undefined },
    { column: "brand_id", categories: ["NJ", "CO"] },
  ]);
});

Deno.test("a feature without a column, or with two, is refused", () => {
  const columns = columnsOf({
    brand: ["A", "B", "A", "B"],
    brand_x: ["A", "B", "A", "B"],
    "a b": unique,
    "a-b": unique,
  });
  throws(() => matchFeatures(["humidity"], columns), /the feature "humidity"/);
  throws(() => matchFeatures(["brand_Z"], columns), /the feature "brand_Z"/);
  throws(() => matchFeatures(["a_b"], columns), /"a b", "a-b" fit equally/);
  const both = columnsOf({
    x: ["y_A", "B", "B", "B"],
    x_y: ["A", "B", "B", "B"],
  });
  throws(() => matchFeatures(["x_y_A"], both), /"x", "x_y" fit equally/);
});

Deno.test("columns are taken in their order only if their number fits and all are numbers", () => {
  const columns = columnsOf({ id: ["a", "b", "c", "d"], t: unique, w: bits });
  const take = (count: number | undefined, others: string[] = ["id"]) =>
    takeFeatures(columns, { count, others }).names;
  deepStrictEqual(take(2), ["t", "w"]);
  deepStrictEqual(take(undefined), ["t", "w"]);
  throws(() => take(3), /3 features without names, .* 2 columns besides/);
  throws(() => take(3, []), /the column "id" of the sample has strings/);
  // JavaScript orders such keys by their value, not as the file has them.
  const digits = columnsOf({ "10": unique, "9": unique });
  throws(
    () => takeFeatures(digits, { count: 2, others: [] }),
    /columns named with digits/,
  );
});
