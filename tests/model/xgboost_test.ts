import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { InputError } from "../../lib/base/errors.ts";
import { openUbjson } from "../../lib/model/formats/ubjson.ts";
import {
  type DecodedValue,
  valueOf,
} from "../../lib/model/formats/document.ts";
import type { Model, TreeEnsemble } from "../../lib/model/ensemble.ts";
import { evaluate } from "../../lib/model/evaluate.ts";
import { parseModel } from "../../lib/model/formats/detect.ts";

import { encodeJson, encodeUbjson } from "../support/documents.ts";
import {
  readSeed,
  readSeedMatrix,
  seedProbabilities,
  testWithSeed,
} from "../support/seed.ts";

const seeds = new URL("../golden/fuzz/", import.meta.url);

type Members = Map<string, DecodedValue>;

/** Reads a golden document after changing it. */
function read(
  name: string,
  change: (document: Members) => void = () => {},
  encode: (value: DecodedValue) => Uint8Array = encodeUbjson,
): Model {
  const document = valueOf(
    openUbjson(Deno.readFileSync(new URL(name, seeds))),
  );
  change(document as Members);
  return parseModel(encode(document));
}

/** Returns the object at a path of keys and indices. */
function at(document: Members, ...path: (string | number)[]): Members {
  let found: unknown = document;
  for (const step of path) {
    found = found instanceof Map
      ? found.get(step)
      : (found as readonly unknown[])[Number(step)];
  }
  return found as Members;
}

const param = (document: Members) =>
  at(document, "learner", "learner_model_param");
const booster = (document: Members) =>
  at(document, "learner", "gradient_booster");
const model = (document: Members) => at(booster(document), "model");
const tree = (document: Members, t = 0) => at(model(document), "trees", t);

/** Returns a change that sets one number in an array of a tree. */
function setNumber(key: string, index: number, value: number, t = 0) {
  return (document: Members) => {
    const array = (tree(document, t).get(key) as Float32Array).slice();
    array[index] = value;
    tree(document, t).set(key, array);
  };
}

/** logistic.ubj: two trees of 7 nodes; 0 has children 1 and 2, 1 has 3 and 4, 2 has 5 and 6. */
const rejections: readonly [string, (document: Members) => void, RegExp][] = [
  [
    "a child out of range",
    setNumber("left_children", 1, 9999),
    /^Cannot read model: tree 0 node 1: left child 9999 is outside 0\.\.6$/,
  ],
  [
    "a negative child",
    setNumber("left_children", 1, -7),
    /left child -7 is outside/,
  ],
  [
    "a cycle",
    (document) => {
      setNumber("left_children", 2, 0)(document);
      setNumber("right_children", 2, 1)(document);
      setNumber("parents", 0, 2)(document);
      setNumber("parents", 1, 2)(document);
    },
    /parents|is the root or already has a parent/,
  ],
  [
    "a child with two parents",
    (document) => {
      setNumber("left_children", 2, 3)(document);
      setNumber("right_children", 2, 4)(document);
      setNumber("parents", 3, 2)(document);
      setNumber("parents", 4, 2)(document);
    },
    /parents/,
  ],
  [
    "a right child that does not follow the left one",
    setNumber("right_children", 0, 3),
    /tree 0 node 0: right child 3 does not follow left child 1/,
  ],
  [
    "a wrong parent",
    setNumber("parents", 4, 0),
    /tree 0 node 1: its children have parents 1 and 0/,
  ],
  [
    "a NaN threshold",
    setNumber("split_conditions", 0, NaN),
    /tree 0 node 0: threshold is NaN/,
  ],
  [
    "an infinite leaf value",
    setNumber("split_conditions", 6, Infinity),
    /tree 0 node 6: leaf value is Infinity/,
  ],
  [
    "a feature out of range",
    setNumber("split_indices", 0, 7),
    /tree 0 node 0: feature 7 is outside 0\.\.6/,
  ],
  [
    "an invalid default direction",
    setNumber("default_left", 0, 2),
    /tree 0 node 0: default_left 2 is neither 0 nor 1/,
  ],
  [
    "an array that is too short",
    (document) => void tree(document).set("split_indices", new Int32Array(6)),
    /tree 0\.split_indices: 6 values, expected 7/,
  ],
  [
    "a wrong number of nodes",
    (document) => void at(tree(document), "tree_param").set("num_nodes", "8"),
    /num_nodes: 8 is outside 7\.\.7/,
  ],
  [
    "undeclared unreachable nodes",
    (document) => {
      setNumber("left_children", 2, -1)(document);
      setNumber("right_children", 2, -1)(document);
    },
    /tree 0: 2 nodes without a parent, but num_deleted is 0/,
  ],
  [
    "a wrong number of trees",
    (document) =>
      void at(model(document), "gbtree_model_param").set("num_trees", "3"),
    /num_trees: 3 is outside 2\.\.2/,
  ],
  [
    "a duplicate tree id",
    (document) => void tree(document, 1).set("id", 0),
    /tree 1: duplicate id 0/,
  ],
  [
    "a group out of range",
    (document) => void model(document).set("tree_info", [0, 1]),
    /tree_info\[1\]: group 1 is outside 0\.\.0/,
  ],
  [
    "rounds that do not end with the trees",
    (document) => void model(document).set("iteration_indptr", [0, 1, 3]),
    /does not divide 2 trees into rounds/,
  ],
  [
    "another number of features in a tree",
    (document) => void at(tree(document), "tree_param").set("num_feature", "9"),
    /num_feature: 9 is outside 7\.\.7/,
  ],
  [
    "too few names",
    (document) => void at(document, "learner").set("feature_names", ["a", "b"]),
    /feature_names: 2 values for 7 features/,
  ],
  [
    "a duplicate name",
    (document) =>
      void at(document, "learner").set("feature_names", [..."abcdefa"]),
    /feature_names: duplicate name "a"/,
  ],
  [
    "an unknown objective",
    (document) =>
      void at(document, "learner", "objective").set("name", "reg:mystery"),
    /objective: "reg:mystery" is not supported; supported: reg:squarederror/,
  ],
  [
    "an unknown booster",
    (document) => void booster(document).set("name", "gbforest"),
    /unknown booster gbforest/,
  ],
  [
    "a future version",
    (document) => void document.set("version", [4, 0, 0]),
    /version: XGBoost 4\.0\.0 is not supported/,
  ],
  [
    "a base_score that is not a number",
    (document) => void param(document).set("base_score", "[x]"),
    /base_score: "\[x\]" is not a finite number/,
  ],
  [
    "a base_score with too many values",
    (document) => void param(document).set("base_score", "[1E-1,2E-1]"),
    /base_score: 2 values for 1 outputs/,
  ],
  [
    "a base_score that is not a probability",
    (document) => void param(document).set("base_score", "[2E0]"),
    /base_score: 2 is invalid for this objective/,
  ],
  [
    "a model without trees",
    (document) => {
      model(document).set("trees", []);
      at(model(document), "gbtree_model_param").set("num_trees", "0");
      model(document).set("tree_info", []);
      model(document).set("iteration_indptr", [0]);
    },
    /trees: the model has no trees; it is not trained/,
  ],
  [
    "a best round out of range",
    (document) =>
      void at(document, "learner").set(
        "attributes",
        new Map([["best_iteration", "2"], ["scikit_learn", "{}"]]),
      ),
    /best_iteration: round 2 is outside 0\.\.1/,
  ],
  [
    "an unknown key of the model",
    (document) => void model(document).set("tree_scale", [1, 1]),
    /gradient_booster\.model: unknown key "tree_scale"; XGBoost 1\.0 to 3\.4 does not write it/,
  ],
  [
    "an unknown key of a tree",
    (document) => void tree(document).set("leaf_scale", 1),
    /tree 0: unknown key "leaf_scale"/,
  ],
  [
    "an unknown key of a later tree",
    (document) => void tree(document, 1).set("leaf_scale", 1),
    /tree 1: unknown key "leaf_scale"/,
  ],
  [
    "an unknown parameter of a later tree",
    (document) => {
      at(tree(document, 1), "tree_param").set("leaf_scale", "1");
    },
    /tree 1\.tree_param: unknown key "leaf_scale"/,
  ],
  [
    "a duplicate among 200,000 names",
    (document) => {
      const names = Array.from({ length: 200_000 }, (_, n) => `f${n}`);
      names[199_999] = "f199998";
      at(document, "learner").set("feature_names", names);
      param(document).set("num_feature", "200000");
      for (const t of [0, 1]) {
        at(tree(document, t), "tree_param").set("num_feature", "200000");
      }
    },
    /feature_names: duplicate name "f199998"/,
  ],
  [
    "an unknown key of the learner",
    (document) => void at(document, "learner").set("bias", "0"),
    /learner: unknown key "bias"/,
  ],
  [
    "tree weights for only some trees",
    (document) => void model(document).set("weight_drop", [0.5]),
    /weight_drop: 1 values, expected 2/,
  ],
  [
    "trees that are not an array",
    (document) => void model(document).set("trees", "none"),
    /trees: expected an array, found string "none"/,
  ],
  [
    "a tree that is not an object",
    (document) => void model(document).set("trees", [1, 2]),
    /tree 0: expected an object, found number 1|trees: expected an array without a number type/,
  ],
  [
    "a tree without its parameters",
    (document) => void tree(document, 1).delete("tree_param"),
    /tree 1\.tree_param: missing/,
  ],
  [
    "a missing array",
    (document) => void tree(document, 1).delete("parents"),
    /tree 1\.parents: missing/,
  ],
  [
    "a string among numbers",
    (document) =>
      void tree(document, 1).set("split_conditions", [1, 2, "3", 4, 5, 6, 7]),
    /tree 1\.split_conditions\[2\]: expected a number, found string "3"/,
  ],
  [
    "a child that is not an integer",
    (document) =>
      void tree(document, 1).set("left_children", [1, 3, 5.5, -1, -1, -1, -1]),
    /tree 1\.left_children\[2\]: 5\.5 is not a 32-bit integer/,
  ],
  [
    "a statistic that is not a number",
    (document) =>
      void tree(document, 1).set("sum_hessian", [1, 2, 3, 4, 5, 6, null]),
    /tree 1\.sum_hessian\[6\]: expected a number, found null/,
  ],
  [
    "a serialized Booster",
    (document) => {
      document.set("Model", new Map());
      document.set("Config", new Map());
    },
    /serialized Booster.*save_model/,
  ],
];

for (const [name, change, message] of rejections) {
  Deno.test(`readXgboost() rejects ${name}`, () => {
    throws(() => read("logistic.ubj", change), (error) => {
      ok(error instanceof InputError);
      return message.test(error.message) || error;
    });
  });
}

Deno.test("readXgboost() finds DART's tree weights where each version writes them, but not in two places", () => {
  const readDart = (change: (document: Members) => void) =>
    read("dart.ubj", (document) => {
      const { length } = weights(document);
      const halves = Float32Array.from({ length }, (_, t) => 2 ** -t / 2);
      booster(document).set("weight_drop", halves);
      change(document);
    }) as TreeEnsemble;
  const inner = (document: Members) => at(booster(document), "gbtree", "model");
  const weights = (document: Members) =>
    booster(document).get("weight_drop") as Float32Array;
  const as33 = (document: Members) => {
    booster(document).set("name", "gbtree");
    booster(document).set("model", inner(document));
    booster(document).delete("gbtree");
  };
  const as34 = (document: Members) => {
    inner(document).set("weight_drop", weights(document));
    as33(document);
    booster(document).delete("weight_drop");
  };
  const old = readDart(() => {});
  for (const change of [as33, as34]) {
    deepStrictEqual(readDart(change).leaf, old.leaf);
  }
  const unweighted = readDart((document) => {
    as33(document);
    booster(document).delete("weight_drop");
  });
  ok(unweighted.leaf.some((value, n) => value !== old.leaf[n]));
  throws(
    () =>
      read("dart.ubj", (document) => {
        inner(document).set("weight_drop", weights(document));
      }),
    /weight_drop: tree weights in both the booster and the model/,
  );
  throws(
    () =>
      read(
        "dart.ubj",
        (document) => void booster(document).delete("weight_drop"),
      ),
    /gradient_booster\.weight_drop: missing/,
  );
});

Deno.test("readXgboost() rejects more vector leaf values than 32 bits can count", () => {
  const size = 2 ** 17 - 1;
  const inner = 2 ** 16 - 1;
  const by = (value: (node: number) => number) =>
    Int32Array.from({ length: size }, (_, node) => value(node));
  throws(
    () =>
      read("vectors.ubj", (document) => {
        param(document).set("num_target", "65536");
        param(document).set("base_score", "[5E-1]");
        const first = tree(document);
        model(document).set("trees", [first]);
        model(document).set("tree_info", [0]);
        model(document).set("iteration_indptr", [0, 1]);
        at(model(document), "gbtree_model_param").set("num_trees", "1");
        at(first, "tree_param").set("size_leaf_vector", "65536");
        at(first, "tree_param").set("num_nodes", String(size));
        const children = (side: number) =>
          by((node) => node < inner ? 2 * node + side : -1);
        first.set("left_children", children(1));
        first.set("right_children", children(2));
        first.set("parents", by((node) => (node - 1) >> 1));
        for (const key of ["split_indices", "default_left", "split_type"]) {
          first.set(key, by(() => 0));
        }
        first.set("split_conditions", new Float32Array(size));
        first.set("leaf_weights", new Float32Array(0));
      }),
    /tree 0\.leaf_weights: 0 values, expected 4294967296/,
  );
});

const categories: readonly [string, (document: Members) => void, RegExp][] = [
  [
    "a category set out of range",
    (document) =>
      void tree(document).set("categories_sizes", Float64Array.of(9999)),
    /categories/,
  ],
  [
    "a categorical node without categories",
    (document) => {
      const types = (tree(document).get("split_type") as Uint8Array).slice();
      types[types.indexOf(1)] = 0;
      tree(document).set("split_type", types);
    },
    /split type 0, with categories/,
  ],
  [
    "empty split types",
    (document) => {
      for (const each of at(model(document), "trees") as unknown as Members[]) {
        each.set("split_type", []);
      }
    },
    /tree 0\.split_type: 0 values, expected/,
  ],
  [
    "a negative category",
    (document) => {
      const list = tree(document).get("categories") as Int32Array;
      tree(document).set("categories", list.map(() => -5));
    },
    /category -5 is outside/,
  ],
  [
    "a category that would exhaust the memory",
    (document) => {
      const list = tree(document).get("categories") as Int32Array;
      tree(document).set("categories", list.map(() => 2 ** 31 - 1));
    },
    /category 2147483647 is outside 0\.\.16777215/,
  ],
];

for (const [name, change, message] of categories) {
  Deno.test(`readXgboost() rejects ${name}`, () => {
    throws(() => read("categories.ubj", change), message);
  });
}

Deno.test("readXgboost() stops at the best round of a scikit-learn model, but not of a Booster", () => {
  const stopped = (attributes: [string, string][]) =>
    read("logistic.ubj", (document) => {
      at(document, "learner").set("attributes", new Map(attributes));
    });
  const best: [string, string] = ["best_iteration", "0"];
  const whole = stopped([best]);
  const first = stopped([best, ["scikit_learn", "{}"]]);
  deepStrictEqual(whole.rounds, { total: 2, used: 2 });
  deepStrictEqual(first.rounds, { total: 2, used: 1 });
  strictEqual((first as TreeEnsemble).roots.length, 1);
});

for (
  const [text, expected] of [
    ["5E-1", 0.5],
    ["0.5", 0.5],
    ["[5E-1]", 0.5],
    [" [ 2.5E-1 ] ", 0.25],
    ["1", 1],
  ] as const
) {
  Deno.test(`readXgboost() reads base_score ${text}`, () => {
    const found = read("categories.ubj", (document) => {
      param(document).set("base_score", text);
    });
    strictEqual(found.baseMargins[0], expected);
  });
}

Deno.test("readXgboost() reads one base_score per output", () => {
  const found = read("vectors.ubj", (document) => {
    param(document).set("base_score", "[5E-1,-2.5E-1]");
  });
  deepStrictEqual(found.baseMargins, Float32Array.of(0.5, -0.25));
});

Deno.test("readXgboost() reads JSON as it reads UBJSON", () => {
  for (const name of ["logistic", "categories", "dart", "linear", "vectors"]) {
    const fromUbjson = parseModel(
      Deno.readFileSync(new URL(`${name}.ubj`, seeds)),
    );
    const fromJson = parseModel(
      Deno.readFileSync(new URL(`${name}.json`, seeds)),
    );
    deepStrictEqual(fromJson, fromUbjson);
    deepStrictEqual(read(`${name}.ubj`, () => {}, encodeJson), fromUbjson);
  }
});

Deno.test("readXgboost() orders nodes breadth first, with adjacent siblings", () => {
  const { left, roots } = read("logistic.ubj") as TreeEnsemble;
  deepStrictEqual([...roots], [0, 7]);
  deepStrictEqual([...left], [
    1,
    3,
    5,
    -1,
    -1,
    -1,
    -1,
    8,
    10,
    12,
    -1,
    -1,
    -1,
    -1,
  ]);
});

Deno.test("readXgboost() returns the parameters", () => {
  const { parameters } = read("logistic.ubj", (document) => {
    param(document).set("base_score", "[2.5E-1]");
  });
  deepStrictEqual(parameters, {
    objective: "binary:logistic",
    booster: "gbtree",
    num_boost_round: "2",
    num_trees: "2",
    num_parallel_tree: "1",
    max_depth: "2",
    base_score: "0.25",
    num_class: "0",
    num_feature: "7",
    scale_pos_weight: "1",
    xgboost_version: "3.2.0",
  });
});

for (const suffix of ["bin", "json"]) {
  testWithSeed(
    `parseModel() gives the ten probabilities from the seed's .${suffix}`,
    async () => {
      const model = parseModel(await readSeed(`xgb_churn_model_2.${suffix}`));
      const { predictions } = evaluate(model, await readSeedMatrix(), {
        rows: 10,
      });
      deepStrictEqual([...predictions], seedProbabilities);
    },
  );
}
