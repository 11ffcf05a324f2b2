/**
 * The feature recipe: how raw columns become the columns a model was trained
 * on. It is declared per variant in `variants.yaml`, and its digest is part of
 * what makes a scored batch unique.
 */

/** One raw column of categories and the prefix of the model's columns for it, as `pandas.get_dummies` names them. */
export interface OneHot {
  readonly column: string;
  readonly prefix: string;
}

/** All steps of a recipe; a column that no step names passes through. */
export interface Recipe {
  readonly oneHot: readonly OneHot[];
}
