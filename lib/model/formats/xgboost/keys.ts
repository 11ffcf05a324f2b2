/**
 * The keys that XGBoost's models have. A key that is not known could change
 * what all others mean: since 3.3 models with the weights of DART's trees call
 * themselves `gbtree`, and a reader that passed over the weights would score
 * wrongly and say nothing.
 */
import { keysOf, modelError, type Place } from "../document.ts";

/** Source: the `SaveModel` functions of XGBoost's tags v1.0.2 to v3.4.1. */
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
 * Checks that an object has no other keys than XGBoost's models have there.
 *
 * @throws {InputError} With the first other key.
 */
export function checkKeys(place: Place, object: keyof typeof known): void {
  const names: ReadonlySet<string> = known[object];
  for (const key of keysOf(place)) {
    if (names.has(key)) continue;
    throw modelError(
      place.path || "top level",
      `unknown key ${
        JSON.stringify(key)
      }: no XGBoost from 1.0 to 3.4 writes it, so what the model means is not known; save it with one of these`,
    );
  }
}
