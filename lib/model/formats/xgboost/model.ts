/**
 * XGBoost's model document (UBJSON or JSON, versions 1.0 to 3.x) → `Model`.
 *
 * Schema: https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html;
 * where it is silent, the `LoadModel` functions of XGBoost 3.2.0.
 */
import { toDouble } from "../float32.ts";
import {
  int32sOf,
  integerOf,
  isThere,
  member,
  modelError,
  type Place,
  textOf,
  textsOf,
  valueOf,
} from "../document.ts";
import type { Features, Model, ModelFacts, Rounds } from "../../ensemble.ts";
import { objectiveOf, toMargin } from "./objective.ts";
import { readLinear, readTrees } from "./booster.ts";
import { checkKeys } from "./keys.ts";
import type { Learner } from "./tree.ts";

/** More than any model has; keeps products of counts exact and arrays small. */
const most = { features: 10_000_000, groups: 100_000 };

/**
 * The model that a document describes.
 *
 * @param root The whole document.
 *
 * Which rounds score is decided as MLflow's own loader of the file would: all
 * of a Booster's, and those up to `best_iteration` of a model that the
 * scikit-learn interface saved (it leaves an attribute `scikit_learn`).
 *
 * @throws {InputError} If the document is no model, contradicts itself, or holds what is not supported, by name.
 */
export function readXgboost(root: Place): Model {
  if (isThere(member(root, "Model")) && isThere(member(root, "Config"))) {
    throw modelError(
      "top level",
      "this is a snapshot of a Booster (Config and Model); save the model with booster.save_model()",
    );
  }
  checkKeys(root, "document");
  const learner = readLearner(root);
  const booster = member(learner.place, "gradient_booster");
  checkKeys(booster, "booster");
  const name = textOf(member(booster, "name"));
  const facts = (rounds: Rounds, more: Record<string, string>) =>
    readFacts(learner, { booster: name, rounds, more });
  const best = bestRound(learner);
  switch (name) {
    case "gbtree":
      return readTrees(booster, {
        learner,
        best,
        facts,
        weights: member(booster, "weight_drop"),
      });
    case "dart": {
      const inner = member(booster, "gbtree");
      checkKeys(inner, "gbtree");
      const weights = member(booster, "weight_drop");
      if (!isThere(weights)) throw modelError(weights.path, "missing");
      return readTrees(inner, { learner, best, facts, weights });
    }
    case "gblinear":
      return readLinear(booster, { learner, facts });
    default:
      throw modelError("gradient_booster.name", `unknown booster ${name}`);
  }
}

function readLearner(root: Place): Learner {
  const version = readVersion(root);
  const place = member(root, "learner");
  checkKeys(place, "learner");
  const param = member(place, "learner_model_param");
  checkKeys(param, "learner_model_param");
  const count = (key: string, range: { least: number; most: number }) =>
    integerOf(member(param, key), range);
  const classes = count("num_class", { least: 0, most: most.groups });
  const targets = isThere(member(param, "num_target"))
    ? count("num_target", { least: 1, most: most.groups })
    : 1;
  if (classes > 1 && targets > 1) {
    throw modelError("learner_model_param", "both classes and targets");
  }
  const groups = Math.max(classes, targets, 1);
  const objectiveName = textOf(member(member(place, "objective"), "name"));
  const objective = objectiveOf(objectiveName, { groups, version });
  if (objectiveName.startsWith("multi:")) {
    const own = member(
      member(member(place, "objective"), "softmax_multiclass_param"),
      "num_class",
    );
    if (classes < 1) {
      throw modelError("num_class", `${classes} for ${objectiveName}`);
    }
    integerOf(own, { least: classes, most: classes });
  }
  return {
    place,
    version,
    groups,
    featureCount: count("num_feature", { least: 1, most: most.features }),
    baseScores: readBaseScores(member(param, "base_score"), groups),
    objectiveName,
    objective,
  };
}

function readVersion(root: Place): number[] {
  const version = Array.from(int32sOf(member(root, "version"), 3));
  const [major = 0] = version;
  if (version.some((part) => part < 0) || major < 1 || major > 3) {
    throw modelError(
      "version",
      `XGBoost ${version.join(".")} is not supported; 1.0 to 3.x are`,
    );
  }
  return version;
}

/** A scalar before 3.1 (`5E-1`), since then a list with one value for each output (`[5E-1]`). */
function readBaseScores(place: Place, groups: number): Float32Array {
  const text = textOf(place).trim();
  const list = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  const scores = list.split(",").map((part) => {
    // XGBoost reads digits alone as an integer of 64 bits, which this stays far from.
    const isNumber = /^\s*-?(\d{1,15}|\d+\.\d*|\d+(\.\d*)?[eE][-+]?\d+)\s*$/
      .test(part);
    const number = isNumber ? Math.fround(toDouble(part.trim())) : NaN;
    if (Number.isFinite(number)) return number;
    throw modelError(place.path, `${JSON.stringify(text)} is no finite number`);
  });
  if (scores.length === groups) return Float32Array.from(scores);
  if (scores.length === 1) return new Float32Array(groups).fill(scores[0] ?? 0);
  throw modelError(
    place.path,
    `${scores.length} values for ${groups} outputs`,
  );
}

/** Only a model saved through scikit-learn's interface stops there by itself. */
function bestRound(learner: Learner): number | undefined {
  const attributes = member(learner.place, "attributes");
  const best = member(attributes, "best_iteration");
  if (!isThere(best) || !isThere(member(attributes, "scikit_learn"))) {
    return undefined;
  }
  return integerOf(best, { least: 0, most: 2 ** 31 });
}

function readFeatures(learner: Learner): Features {
  const { place, featureCount } = learner;
  const texts = (key: string): string[] => {
    const listed = member(place, key);
    if (!isThere(listed)) return [];
    const found = textsOf(listed);
    if (found.length === 0 || found.length === featureCount) return found;
    throw modelError(key, `${found.length} for ${featureCount} features`);
  };
  const names = texts("feature_names");
  const seen = new Set<string>();
  const twice = names.find((name) => seen.size === seen.add(name).size);
  if (twice !== undefined) {
    throw modelError("feature_names", `${JSON.stringify(twice)} stands twice`);
  }
  return { count: featureCount, names, types: texts("feature_types") };
}

function readFacts(
  learner: Learner,
  options: { booster: string; rounds: Rounds; more: Record<string, string> },
): ModelFacts {
  const { version, groups, objective, objectiveName, baseScores } = learner;
  const { rounds } = options;
  const margins = Array.from(
    baseScores,
    (value) => toMargin(value, { objective, version }),
  );
  return {
    library: "xgboost",
    libraryVersion: version.join("."),
    objective: objectiveName,
    transform: objective.transform,
    predictionKind: objective.predictionKind,
    groups,
    outputs: objective.transform.kind === "argmax" ? 1 : groups,
    baseMargins: Float32Array.from(margins),
    features: readFeatures(learner),
    rounds,
    parameters: readParameters(learner, options),
  };
}

/** The names are XGBoost's, the values the file's. */
function readParameters(
  learner: Learner,
  options: { booster: string; rounds: Rounds; more: Record<string, string> },
): Record<string, string> {
  const { booster, rounds, more } = options;
  const { baseScores } = learner;
  const isOne = baseScores.every((value) => value === baseScores[0]);
  const param = member(learner.place, "learner_model_param");
  return {
    objective: learner.objectiveName,
    booster,
    num_boost_round: String(rounds.total),
    ...(rounds.used === rounds.total ? {} : {
      used_boost_round: String(rounds.used),
    }),
    ...more,
    base_score: shortest(isOne ? baseScores.subarray(0, 1) : baseScores),
    num_class: String(valueOf(member(param, "num_class"))),
    num_feature: String(learner.featureCount),
    ...objectiveParameters(learner),
    xgboost_version: learner.version.join("."),
  };
}

/** Such as `scale_pos_weight` and `tweedie_variance_power`: all that a model file keeps of how it was trained. */
function objectiveParameters(learner: Learner): Record<string, string> {
  const found: Record<string, string> = {};
  const objective = valueOf(member(learner.place, "objective"));
  if (!(objective instanceof Map)) return found;
  for (const value of objective.values()) {
    if (!(value instanceof Map)) continue;
    for (const [key, text] of value) {
      if (typeof text === "string" && key !== "num_class") found[key] = text;
    }
  }
  return found;
}

/** The fewest digits that give back the float32 values. */
function shortest(values: Float32Array): string {
  return Array.from(values, (value) => {
    for (let digits = 1; digits <= 9; digits++) {
      const text = value.toPrecision(digits);
      if (Math.fround(Number(text)) === value) return String(Number(text));
    }
    return String(value);
  }).join(",");
}
