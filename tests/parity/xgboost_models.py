"""Trains the XGBoost models of the parity test: objectives × boosters × depth × missing × categorical."""

import itertools
import json
import pathlib
import tempfile

import numpy as np
import xgboost as xgb

from rows import boundary_rows
from training import labels, training_data

SCALAR = [
    "reg:squarederror", "reg:squaredlogerror", "reg:logistic", "reg:pseudohubererror", "reg:absoluteerror",
    "reg:quantileerror", "binary:logistic", "binary:logitraw", "binary:hinge", "count:poisson", "survival:cox",
    "survival:aft", "reg:gamma", "reg:tweedie", "rank:pairwise", "rank:ndcg", "rank:map",
]
CLASSES = ["multi:softmax", "multi:softprob"]
# Objectives that gblinear does not support.
NOT_LINEAR = {"reg:absoluteerror", "reg:quantileerror", "binary:hinge"}


def newest():
    """All cases of the newest version, as arguments of `train`."""
    cases = []
    for objective in SCALAR + CLASSES:
        for booster, depth, missing in [("gbtree", 3, True), ("gbtree", 6, False), ("gbtree", 1, True), ("dart", 4, True)]:
            cases.append({"objective": objective, "booster": booster, "max_depth": depth, "missing": missing})
        if objective not in NOT_LINEAR:
            cases.append({"objective": objective, "booster": "gblinear", "missing": True})
    for objective, onehot, depth in itertools.product(
        ["binary:logistic", "reg:squarederror", "multi:softprob", "count:poisson", "rank:ndcg"], [100, 1], [2, 6]
    ):
        cases.append({"objective": objective, "booster": "gbtree", "max_depth": depth, "missing": True, "categorical": True, "max_cat_to_onehot": onehot})
    cases.append({"objective": "binary:logistic", "booster": "dart", "max_depth": 5, "missing": True, "categorical": True, "max_cat_to_onehot": 1})
    for objective, strategy, missing in itertools.product(
        ["reg:squarederror", "reg:pseudohubererror", "binary:logistic", "reg:absoluteerror"], ["one_output_per_tree", "multi_output_tree"], [True, False]
    ):
        cases.append({"objective": objective, "booster": "gbtree", "max_depth": 4, "missing": missing, "targets": 3, "multi_strategy": strategy})
    for quantiles in ([0.1, 0.5, 0.9], [0.25, 0.75]):
        cases.append({"objective": "reg:quantileerror", "booster": "gbtree", "max_depth": 4, "missing": True, "quantile_alpha": quantiles})
    for alpha in (0.1, 0.7):
        cases.append({"objective": "reg:expectileerror", "booster": "gbtree", "max_depth": 4, "missing": True, "expectile_alpha": alpha})
    for objective, more in itertools.product(
        ["binary:logistic", "multi:softprob"],
        [
            {"num_parallel_tree": 3, "subsample": 0.7}, {"grow_policy": "lossguide", "max_leaves": 20, "max_depth": 0},
            {"tree_method": "exact", "gamma": 2.0, "max_depth": 6}, {"tree_method": "approx"}, {"base_score": 0.1},
            {"base_score": 0.999}, {"booster": "dart", "rate_drop": 0.5, "normalize_type": "forest"}, {"max_depth": 12, "min_child_weight": 0},
        ],
    ):
        cases.append({"objective": objective, "booster": "gbtree", "max_depth": 4, "missing": True, **more})
    for objective, score in [("count:poisson", 3.0), ("reg:gamma", 0.2), ("survival:aft", 7.5), ("reg:tweedie", 1e-3), ("reg:squarederror", -2.5), ("binary:logitraw", 0.3), ("binary:hinge", 0.7)]:
        cases.append({"objective": objective, "booster": "gbtree", "max_depth": 3, "missing": True, "base_score": score})
    for objective in ["binary:logistic", "multi:softprob", "reg:squarederror", "rank:ndcg"]:
        cases.append({"objective": objective, "booster": "gbtree", "max_depth": 5, "missing": True, "early": "sklearn"})
        cases.append({"objective": objective, "booster": "gbtree", "max_depth": 5, "missing": True, "early": "booster"})
    cases.append({"objective": "binary:logistic", "booster": "gbtree", "max_depth": 3, "missing": False, "scale_pos_weight": 7.0})
    cases.append({"objective": "binary:logistic", "booster": "gbtree", "max_depth": 6, "missing": True, "rounds": 300})
    return cases


def name_of(case):
    parts = [f"{key}={value}" for key, value in case.items() if key not in ("objective", "booster")]
    return " ".join([case["objective"], case["booster"], *parts])


def matrix_of(X, y, case, categorical):
    types = None
    if categorical:
        types = ["c" if f in categorical else "float" for f in range(X.shape[1])]
    names = [f"column {f}" for f in range(X.shape[1])]
    d = xgb.DMatrix(X, label=None if case["objective"] == "survival:aft" else y, feature_names=names, feature_types=types, **({"enable_categorical": True} if categorical else {}))
    if case["objective"] == "survival:aft":
        lower = np.exp(y * 0.3)
        d.set_float_info("label_lower_bound", lower)
        d.set_float_info("label_upper_bound", np.where(y > 1, np.inf, lower))
    if case["objective"].startswith("rank:"):
        d.set_group([20] * (len(X) // 20))
    return d


def parameters(case):
    own = {"missing", "categorical", "targets", "early", "rounds", "finite"}
    result = {key: value for key, value in case.items() if key not in own}
    result.update({"nthread": 1, "seed": 7, "eta": 0.3, "verbosity": 0})
    if case["objective"] in CLASSES:
        result["num_class"] = 3
    if case["objective"] == "reg:quantileerror":
        result.setdefault("quantile_alpha", 0.4)
    if case["booster"] == "dart":
        result.setdefault("rate_drop", 0.2)
    return result


def thresholds_of(booster, features):
    found = [[] for _ in range(features)]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.json"
        booster.save_model(str(path))
        model = json.loads(path.read_text())["learner"]["gradient_booster"]
    for tree in model.get("gbtree", model).get("model", {}).get("trees", []):
        for left, feature, condition in zip(tree["left_children"], tree["split_indices"], tree["split_conditions"]):
            if left != -1 and condition == condition:
                found[feature].append(condition)
    return [sorted(set(values))[:200] for values in found]


def train(case, seed, row_count=1000):
    """Returns the booster or scikit-learn model, a matrix of boundary rows, its margins and predictions."""
    generator = np.random.default_rng(seed)
    X, signal, categorical = training_data(case, generator)
    y = labels(case, signal, generator)
    rounds = case.get("rounds", 12)
    if case.get("early") == "sklearn":
        return train_sklearn(case, X, y, generator, row_count)
    d = matrix_of(X, y, case, categorical)
    more = {}
    if case.get("early") == "booster":
        held = matrix_of(X + np.float32(0.5), y, case, categorical)
        more = {"evals": [(held, "held")], "early_stopping_rounds": 2, "verbose_eval": False}
        rounds = 200
    booster = xgb.train(parameters(case), d, rounds, **more)
    rows = boundary_rows(generator, X, thresholds_of(booster, X.shape[1]), categorical, row_count, infinite=case["booster"] != "gblinear" and not case.get("finite"))
    margins, predictions = score(booster, rows, case, categorical)
    return booster, rows, margins, predictions


def score(booster, rows, case, categorical=()):
    """Returns the margins and predictions of Booster.predict.

    A DMatrix rejects infinities, inplace_predict accepts them. For DART, inplace_predict sums in another order than
    predict, so infinities are replaced by the largest float32, which is on the same side of every finite threshold.
    """
    finite = np.clip(rows, -3.4028235e38, 3.4028235e38)
    infinite = np.isinf(rows).any(axis=1)
    d = matrix_of(finite, None, {**case, "objective": ""}, categorical)
    margins = booster.predict(d, output_margin=True)
    predictions = booster.predict(d)
    if infinite.any() and case["booster"] != "dart":
        kind = {"validate_features": False}
        margins[infinite] = booster.inplace_predict(rows[infinite], predict_type="margin", **kind)
        predictions[infinite] = booster.inplace_predict(rows[infinite], **kind)
    return margins, predictions


def train_sklearn(case, X, y, generator, row_count):
    options = {key: value for key, value in parameters(case).items() if key not in ("eta", "nthread", "seed", "num_class", "booster")}
    options.update({"n_estimators": 200, "n_jobs": 1, "early_stopping_rounds": 2, "random_state": 7, "learning_rate": 0.3})
    ranking = case["objective"].startswith("rank:")
    kinds = {"binary": xgb.XGBClassifier, "multi": xgb.XGBClassifier, "rank": xgb.XGBRanker, "reg": xgb.XGBRegressor}
    model = kinds[case["objective"].split(":")[0]](**options)
    groups = {"group": [20] * (len(X) // 20), "eval_group": [[20] * (len(X) // 20)]} if ranking else {}
    model.fit(X, y, eval_set=[(X + np.float32(0.5), y)], verbose=False, **groups)
    booster = model.get_booster()
    rows = boundary_rows(generator, X, thresholds_of(booster, X.shape[1]), rows=row_count)
    used = (0, model.best_iteration + 1)
    assert used[1] < booster.num_boosted_rounds(), "some rounds must be after the best one"
    margins = booster.inplace_predict(rows, iteration_range=used, predict_type="margin", validate_features=False)
    if hasattr(model, "predict_proba"):
        predictions = model.predict_proba(rows)
        predictions = predictions[:, 1] if case["objective"].startswith("binary") else predictions
    else:
        predictions = model.predict(rows)
    return model, rows, margins, predictions
