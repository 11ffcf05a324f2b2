/**
 * The keys of XGBoost's model documents. Unknown keys are rejected, because a
 * key can change the meaning of the others: since 3.3, DART models are named
 * `gbtree`, and a reader that ignored their tree weights would score wrongly
 * without an error.
 */
import { type JsonValue, keysOf, modelError } from "../document.ts";

/** Per object, its keys. Source: the `SaveModel` functions of XGBoost's tags v1.0.2 to v3.4.1. */
const known = {
  document: new Set(["learner", "version"]),
  learner: new Set([
    "attributes",
    "feature_names",
    "feature_types",
    "gradient_booster",
    "learner_model_param",
    "objective",
  ]),
  learner_model_param: new Set([
    "base_score",
    "boost_from_average",
    "num_class",
    "num_feature",
    "num_target",
  ]),
  booster: new Set(["gbtree", "model", "name", "weight_drop"]),
  gbtree: new Set(["model", "name"]),
  model: new Set([
    "boosted_rounds",
    "cats",
    "gbtree_model_param",
    "iteration_indptr",
    "tree_info",
    "trees",
    "weight_drop",
    "weights",
  ]),
  cats: new Set(["enc", "feature_segments", "sorted_idx"]),
  enc: new Set(["offsets", "type", "values"]),
  gbtree_model_param: new Set([
    "num_parallel_tree",
    "num_trees",
    "size_leaf_vector",
  ]),
  tree: new Set([
    "base_weights",
    "categories",
    "categories_nodes",
    "categories_segments",
    "categories_sizes",
    "default_left",
    "id",
    "leaf_child_counts",
    "leaf_weights",
    "left_children",
    "loss_changes",
    "parents",
    "right_children",
    "split_conditions",
    "split_indices",
    "split_type",
    "sum_hessian",
    "tree_param",
  ]),
  tree_param: new Set([
    "num_deleted",
    "num_feature",
    "num_nodes",
    "size_leaf_vector",
  ]),
};

/**
 * Checks that an object has only keys that XGBoost writes.
 *
 * @throws {InputError} If there is another key, with its name.
 */
export function checkKeys(json: JsonValue, object: keyof typeof known): void {
  const names: ReadonlySet<string> = known[object];
  for (const key of keysOf(json)) {
    if (names.has(key)) continue;
    throw modelError(
      json.path || "top level",
      `unknown key ${
        JSON.stringify(key)
      }; XGBoost 1.0 to 3.4 does not write it; save the model with one of these versions`,
    );
  }
}
