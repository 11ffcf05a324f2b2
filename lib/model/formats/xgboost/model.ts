/**
 * Reads XGBoost's model documents (UBJSON or JSON) of versions 1.0 to 3.x.
 *
 * Sources: https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html
 * and, where that is incomplete, the `LoadModel` functions of XGBoost 3.2.0.
 */
import { toDouble } from "../float32.ts";
import {
  int32sOf,
  integerOf,
  isPresent,
  type JsonValue,
  limits,
  member,
  modelError,
  stringOf,
  stringsOf,
  valueOf,
} from "../document.ts";
import type { Features, Model, ModelFacts, Rounds } from "../../ensemble.ts";
import { objectiveOf, toMargin } from "./objective.ts";
import { readLinear, readTrees } from "./booster.ts";
import { checkKeys } from "./keys.ts";
import type { Learner } from "./tree.ts";

/**
 * Reads a model document.
 *
 * The rounds that score are those that MLflow's loader of the file would use:
 * all rounds of a Booster, but the rounds up to `best_iteration` of a model that
 * scikit-learn's interface saved (it has an attribute `scikit_learn`).
 *
 * @param root The whole document.
 * @throws {InputError} If the document is not a model, is inconsistent, or has an unsupported feature.
 */
export function readXgboost(root: JsonValue): Model {
  if (isPresent(member(root, "Model")) && isPresent(member(root, "Config"))) {
    throw modelError(
      "top level",
      "this is a serialized Booster (Config and Model); save the model with booster.save_model()",
    );
  }
  checkKeys(root, "document");
  const learner = readLearner(root);
  const booster = member(learner.json, "gradient_booster");
  checkKeys(booster, "booster");
  const name = stringOf(member(booster, "name"));
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
      if (!isPresent(weights)) throw modelError(weights.path, "missing");
      return readTrees(inner, { learner, best, facts, weights });
    }
    case "gblinear":
      return readLinear(booster, { learner, facts });
    default:
      throw modelError("gradient_booster.name", `unknown booster ${name}`);
  }
}

function readLearner(root: JsonValue): Learner {
  const version = readVersion(root);
  const json = member(root, "learner");
  checkKeys(json, "learner");
  const param = member(json, "learner_model_param");
  checkKeys(param, "learner_model_param");
  const count = (key: string, range: { min: number; max: number }) =>
    integerOf(member(param, key), range);
  const classes = count("num_class", { min: 0, max: limits.groups });
  const targets = isPresent(member(param, "num_target"))
    ? count("num_target", { min: 1, max: limits.groups })
    : 1;
  if (classes > 1 && targets > 1) {
    throw modelError(
      "learner_model_param",
      "num_class and num_target are both greater than 1",
    );
  }
  const groups = Math.max(classes, targets, 1);
  const objectiveName = stringOf(member(json, "objective", "name"));
  const objective = objectiveOf(objectiveName, { groups, version });
  if (objectiveName.startsWith("multi:")) {
    if (classes < 1) {
      const problem = `${classes} is invalid for ${objectiveName}`;
      throw modelError("num_class", problem);
    }
    integerOf(
      member(json, "objective", "softmax_multiclass_param", "num_class"),
      { min: classes, max: classes },
    );
  }
  return {
    json,
    version,
    groups,
    featureCount: count("num_feature", { min: 1, max: limits.features }),
    baseScores: readBaseScores(member(param, "base_score"), groups),
    objectiveName,
    objective,
  };
}

function readVersion(root: JsonValue): number[] {
  const version = Array.from(int32sOf(member(root, "version"), 3));
  const [major = 0] = version;
  if (version.some((part) => part < 0) || major < 1 || major > 3) {
    throw modelError(
      "version",
      `XGBoost ${version.join(".")} is not supported; expected 1.0 to 3.x`,
    );
  }
  return version;
}

/** Reads `base_score`: a scalar before 3.1 (`5E-1`), since then a list with one value per output (`[5E-1]`). */
function readBaseScores(json: JsonValue, groups: number): Float32Array {
  const text = stringOf(json).trim();
  const list = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  const scores = list.split(",").map((part) => {
    // XGBoost parses digits alone as a 64-bit integer; 15 digits are always exact.
    const isNumber = /^\s*-?(\d{1,15}|\d+\.\d*|\d+(\.\d*)?[eE][-+]?\d+)\s*$/
      .test(part);
    const number = isNumber ? Math.fround(toDouble(part.trim())) : NaN;
    if (Number.isFinite(number)) return number;
    throw modelError(
      json.path,
      `${JSON.stringify(text)} is not a finite number`,
    );
  });
  if (scores.length === groups) return Float32Array.from(scores);
  if (scores.length === 1) return new Float32Array(groups).fill(scores[0] ?? 0);
  throw modelError(
    json.path,
    `${scores.length} values for ${groups} outputs`,
  );
}

/** Returns `best_iteration` if scikit-learn's interface saved the model; undefined otherwise. */
function bestRound(learner: Learner): number | undefined {
  const attributes = member(learner.json, "attributes");
  const best = member(attributes, "best_iteration");
  if (!isPresent(best) || !isPresent(member(attributes, "scikit_learn"))) {
    return undefined;
  }
  return integerOf(best, { min: 0, max: 2 ** 31 });
}

function readFeatures(learner: Learner): Features {
  const { json, featureCount } = learner;
  const strings = (key: string): string[] => {
    const listed = member(json, key);
    if (!isPresent(listed)) return [];
    const found = stringsOf(listed);
    if (found.length === 0 || found.length === featureCount) return found;
    throw modelError(
      key,
      `${found.length} values for ${featureCount} features`,
    );
  };
  const names = strings("feature_names");
  const seen = new Set<string>();
  const duplicate = names.find((name) => seen.size === seen.add(name).size);
  if (duplicate !== undefined) {
    throw modelError(
      "feature_names",
      `duplicate name ${JSON.stringify(duplicate)}`,
    );
  }
  return { count: featureCount, names, types: strings("feature_types") };
}

function readFacts(
  learner: Learner,
  { booster, rounds, more }: {
    booster: string;
    rounds: Rounds;
    more: Record<string, string>;
  },
): ModelFacts {
  const { version, groups, objective, objectiveName, baseScores } = learner;
  const margins = Array.from(
    baseScores,
    (value) => toMargin(value, { objective, version }),
  );
  const isOne = baseScores.every((value) => value === baseScores[0]);
  const param = member(learner.json, "learner_model_param");
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
    // By XGBoost's names, with the values of the file.
    parameters: {
      objective: objectiveName,
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
      xgboost_version: version.join("."),
    },
  };
}

/** Returns the parameters of the objective, such as `scale_pos_weight`: the only training parameters in a model file. */
function objectiveParameters(learner: Learner): Record<string, string> {
  const found: Record<string, string> = {};
  const objective = valueOf(member(learner.json, "objective"));
  if (!(objective instanceof Map)) return found;
  for (const value of objective.values()) {
    if (!(value instanceof Map)) continue;
    for (const [key, text] of value) {
      if (typeof text === "string" && key !== "num_class") found[key] = text;
    }
  }
  return found;
}

/** Formats float32 values with the fewest digits that parse back to them. */
function shortest(values: Float32Array): string {
  return Array.from(values, (value) => {
    for (let digits = 1; digits <= 9; digits++) {
      const text = value.toPrecision(digits);
      if (Math.fround(Number(text)) === value) return String(Number(text));
    }
    return String(value);
  }).join(",");
}
