import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { InputError } from "../../lib/base/errors.ts";
import type { TreeEnsemble } from "../../lib/model/ensemble.ts";
import { evaluate } from "../../lib/model/evaluate.ts";
import { toFloat32Less } from "../../lib/model/formats/lightgbm/tree.ts";
import { parseModel } from "../../lib/model/formats/detect.ts";
import { seededNumbers } from "../support/ensembles.ts";

const golden = Deno.readTextFileSync(
  new URL("../golden/fuzz/binary.txt", import.meta.url),
);

/** Returns the text with correct tree sizes. */
function sized(text: string): Uint8Array {
  const trees = text.slice(text.indexOf("Tree=0"), text.indexOf("end of trees"))
    .split(/(?=Tree=)/);
  const sizes = trees.map((tree) => tree.length).join(" ");
  return new TextEncoder().encode(
    text.replace(/tree_sizes=.*/, `tree_sizes=${sizes}`),
  );
}

/** Returns a model of one tree with the given lines. */
function oneTree(lines: Record<string, string>, head = ""): Uint8Array {
  const tree: Record<string, string> = {
    Tree: "0",
    num_leaves: "2",
    num_cat: "0",
    split_feature: "0",
    threshold: "0.5",
    decision_type: "10",
    left_child: "-1",
    right_child: "-2",
    leaf_value: "-1 1",
    ...lines,
  };
  const text = Object.entries(tree).map(([key, value]) => `${key}=${value}`)
    .join("\n");
  return sized(`tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=regression
feature_names=a b
feature_infos=[0:1] [0:1]
tree_sizes=0
${head}
${text}


end of trees
`);
}

/** Returns the tree's value for a row whose columns are both `x`. */
function scoreOf(bytes: Uint8Array, x: number): number | undefined {
  const matrix = Float32Array.of(x, x);
  return evaluate(parseModel(bytes), matrix, { rows: 1 }).margins[0];
}

Deno.test("toFloat32Less() decides as <= on doubles does, for every float32 near a threshold", () => {
  const random = seededNumbers(3);
  const float = new Float32Array(1);
  const bits = new Int32Array(float.buffer);
  for (let i = 0; i < 20_000; i++) {
    const threshold = (random() - 0.5) * 10 ** (random() * 80 - 34);
    float[0] = threshold;
    const nearest = bits[0] ?? 0;
    for (let step = -2; step <= 2; step++) {
      bits[0] = nearest + step;
      const x: number = float[0] ?? NaN;
      // LightGBM reads values of magnitude at most 1e-35 as 0.
      const read: number = Math.abs(x) <= Math.fround(1e-35) ? 0 : x;
      strictEqual(x < toFloat32Less(threshold), read <= threshold);
    }
  }
});

for (
  const [threshold, expected] of [
    [0, "below and at 1e-35"],
    [-1e-36, "below -1e-35"],
    [1e300, "everything except infinity"],
    [-Infinity, "only -infinity"],
  ] as const
) {
  Deno.test(`toFloat32Less() of ${threshold} accepts ${expected}`, () => {
    const less = toFloat32Less(threshold);
    for (
      const x of [
        -Infinity,
        -1,
        -1e-35,
        -1e-40,
        0,
        1e-40,
        1e-35,
        2e-35,
        3.4e38,
        Infinity,
      ]
    ) {
      const float = Math.fround(x);
      const read = Math.abs(float) <= Math.fround(1e-35) ? 0 : float;
      strictEqual(float < less, read <= threshold, `${x}`);
    }
  });
}

/** `decision_type`: missing type in bits 2 and 3 (none 0, zero 1, NaN 2), default left in bit 1. */
const missing: readonly [string, string, number, number][] = [
  ["none reads NaN as 0, which goes left of 0.5", "0", NaN, -1],
  ["none ignores the default direction", "2", 7, 1],
  ["zero sends 0 to the default, right", "4", 0, 1],
  ["zero sends 1e-36 to the default, right", "4", 1e-36, 1],
  ["zero sends 0 to the default, left", "6", 0, -1],
  ["zero sends NaN to the default, right", "4", NaN, 1],
  ["zero sends 0.25 left", "4", 0.25, -1],
  ["NaN sends NaN to the default, right", "8", NaN, 1],
  ["NaN sends NaN to the default, left", "10", NaN, -1],
  ["NaN sends 0 left of 0.5", "8", 0, -1],
];

for (const [name, decision, x, expected] of missing) {
  Deno.test(`parseLightgbm() missing type ${name}`, () => {
    const bytes = oneTree({ decision_type: decision });
    strictEqual(scoreOf(bytes, x), expected);
  });
}

Deno.test("parseLightgbm() sends everything except NaN left at threshold inf", () => {
  const bytes = oneTree({ threshold: "inf", decision_type: "8" });
  strictEqual(scoreOf(bytes, Infinity), -1);
  strictEqual(scoreOf(bytes, NaN), 1);
});

/** The set of categories 1 and 33: bit 1 of both words. */
const set = {
  num_cat: "1",
  cat_boundaries: "0 2",
  cat_threshold: "2 2",
  threshold: "0",
  decision_type: "1",
};

for (
  const [x, expected] of [
    [1, -1],
    [1.9, -1],
    [33, -1],
    [2, 1],
    [65, 1],
    [-1, 1],
    [NaN, 1],
    [3e9, 1],
    [Infinity, 1],
  ] as const
) {
  Deno.test(`parseLightgbm() sends category ${x} ${expected < 0 ? "left" : "right"}`, () => {
    strictEqual(scoreOf(oneTree(set), x), expected);
  });
}

Deno.test("parseLightgbm() reads -0.5 as category 0", () => {
  const bytes = oneTree({ ...set, cat_threshold: "1 0" });
  strictEqual(scoreOf(bytes, -0.5), -1);
});

const rejections: readonly [string, Uint8Array, RegExp][] = [
  ["linear leaves", oneTree({ is_linear: "1" }), /tree 0: linear leaves/],
  [
    "a left child out of range",
    oneTree({ left_child: "5" }),
    /tree 0 node 0: left child -2 is outside 0\.\.2/,
  ],
  [
    "a leaf out of range",
    oneTree({ left_child: "-9" }),
    /tree 0 node 0: left child 9 is outside 0\.\.2/,
  ],
  [
    "a node that is its own child",
    oneTree({ left_child: "0" }),
    /child 0 is the root or already has a parent/,
  ],
  [
    "a leaf with two parents",
    oneTree({ right_child: "-1" }),
    /child 1 is the root or already has a parent/,
  ],
  [
    "a category set shared by two nodes",
    oneTree({
      ...set,
      num_leaves: "3",
      split_feature: "0 1",
      threshold: "0 0",
      decision_type: "1 1",
      left_child: "-2 -3",
      right_child: "1 -1",
      leaf_value: "1 2 3",
    }),
    /tree 0 node 1: category set 0 already belongs to another node/,
  ],
  ["a NaN threshold", oneTree({ threshold: "nan" }), /"nan" is not a number/],
  [
    "a feature out of range",
    oneTree({ split_feature: "2" }),
    /feature 2 is outside 0\.\.1/,
  ],
  [
    "a missing leaf value",
    oneTree({ leaf_value: "1" }),
    /leaf_value: 1 values, expected 2/,
  ],
  ["no leaves", oneTree({ num_leaves: "0" }), /0 leaves/],
  [
    "2^31 leaves",
    oneTree({ num_leaves: "2147483647" }),
    /2147483647 leaves/,
  ],
  [
    "a category set out of range",
    oneTree({ ...set, threshold: "1" }),
    /category set 1 is outside 0\.\.0/,
  ],
  [
    "an unknown missing type",
    oneTree({ decision_type: "12" }),
    /missing type 3/,
  ],
  [
    "a wrong tree size",
    new TextEncoder().encode(golden.replace(/tree_sizes=\d+/, "tree_sizes=7")),
    /tree 0: \d+ bytes, 7 in tree_sizes/,
  ],
  [
    "an unknown objective",
    new TextEncoder().encode(
      golden.replace("objective=binary sigmoid:1", "objective=mystery"),
    ),
    /LightGBM's "mystery" is not supported/,
  ],
  [
    "an unknown format version",
    new TextEncoder().encode(golden.replace("version=v4", "version=v9")),
    /LightGBM's format v9 is not supported/,
  ],
  [
    "a file that ends in a tree",
    new TextEncoder().encode(golden.slice(0, golden.indexOf("left_child"))),
    /tree 0: \d+ bytes, \d+ in tree_sizes/,
  ],
  [
    "a duplicate key",
    new TextEncoder().encode(golden.replace("num_cat=", "num_leaves=")),
    /duplicate key num_leaves/,
  ],
  [
    "zero that is missing in some nodes only",
    sized(golden.replace(/decision_type=\S+/, "decision_type=4")),
    /zero is missing for feature \d+ in some nodes but not in others/,
  ],
];

for (const [name, bytes, message] of rejections) {
  Deno.test(`parseLightgbm() rejects ${name}`, () => {
    throws(() => parseModel(bytes), (error) => {
      ok(error instanceof InputError);
      return message.test(error.message) || error;
    });
  });
}

Deno.test("parseLightgbm() divides an averaging forest by its rounds", () => {
  const text = new TextDecoder().decode(oneTree({}, "average_output\n"));
  const model = parseModel(new TextEncoder().encode(text)) as TreeEnsemble;
  strictEqual(model.divisor, 1);
  const two = parseModel(
    new TextEncoder().encode(
      golden.replace("feature_infos=", "average_output\nfeature_infos="),
    ),
  ) as TreeEnsemble;
  strictEqual(two.divisor, 2);
});

Deno.test("parseLightgbm() predicts margins for a custom objective", () => {
  const text = new TextDecoder().decode(oneTree({}))
    .replace("objective=regression\n", "");
  const { objective, transform } = parseModel(new TextEncoder().encode(text));
  strictEqual(objective, "custom");
  deepStrictEqual(transform, { kind: "identity" });
});
