"""Trains the LightGBM models of the parity test: objectives × boosting × missing × categorical."""

import itertools

import lightgbm as lgb
import numpy as np

from rows import boundary_rows
from training import labels, training_data

OBJECTIVES = [
    "regression", "regression_l1", "huber", "fair", "quantile", "mape", "poisson", "gamma", "tweedie", "binary",
    "cross_entropy", "cross_entropy_lambda", "multiclass", "multiclassova", "lambdarank", "rank_xendcg",
]
# The labels of each objective, by the XGBoost objective with the same labels.
LABELS = {
    "poisson": "count:poisson", "gamma": "reg:gamma", "tweedie": "reg:tweedie", "mape": "count:poisson", "binary": "binary:logistic",
    "cross_entropy": "reg:logistic", "cross_entropy_lambda": "reg:logistic", "multiclass": "multi:softprob",
    "multiclassova": "multi:softprob", "lambdarank": "rank:ndcg", "rank_xendcg": "rank:ndcg",
}
MISSING = {"nan": {}, "zero": {"zero_as_missing": True}, "none": {"use_missing": False}}


def cases():
    result = []
    for objective, missing in itertools.product(OBJECTIVES, MISSING):
        result.append({"objective": objective, "boosting": "gbdt", "missing": missing})
    for objective, boosting in itertools.product(["regression", "binary", "multiclass", "poisson"], ["dart", "rf"]):
        result.append({"objective": objective, "boosting": boosting, "missing": "nan"})
    for objective, missing in itertools.product(["regression", "binary", "multiclassova", "lambdarank"], MISSING):
        result.append({"objective": objective, "boosting": "gbdt", "missing": missing, "categorical": True})
    for more in (
        {"reg_sqrt": True}, {"num_leaves": 2}, {"num_leaves": 127, "min_data_in_leaf": 2}, {"data_sample_strategy": "goss"},
        {"extra_trees": True}, {"max_bin": 15}, {"rounds": 200},
    ):
        result.append({"objective": "regression", "boosting": "gbdt", "missing": "nan", **more})
    for more in ({"sigmoid": 2.5}, {"is_unbalance": True}, {"early": True}, {"complete": True}):
        result.append({"objective": "binary", "boosting": "gbdt", "missing": "nan", **more})
    return result


def name_of(case):
    parts = [f"{key}={value}" for key, value in case.items() if key not in ("objective", "boosting")]
    return " ".join([case["objective"], case["boosting"], *parts])


def parameters(case):
    own = {"missing", "categorical", "early", "rounds", "complete"}
    result = {key: value for key, value in case.items() if key not in own}
    result.update({"num_threads": 1, "seed": 7, "verbosity": -1, "deterministic": True, "min_data_in_leaf": case.get("min_data_in_leaf", 5)})
    result.update({"min_data_per_group": 5, "max_cat_threshold": 64, "cat_smooth": 1})
    result.update(MISSING[case["missing"]])
    if case["objective"].startswith("multiclass"):
        result["num_class"] = 3
    if case["boosting"] == "rf":
        result.update({"bagging_freq": 1, "bagging_fraction": 0.6})
    return result


def thresholds_of(booster, features):
    found = [[] for _ in range(features)]

    def walk(node):
        if "split_feature" in node:
            if node["decision_type"] == "<=":
                found[node["split_feature"]].append(node["threshold"])
            walk(node["left_child"])
            walk(node["right_child"])

    for tree in booster.dump_model()["tree_info"]:
        walk(tree["tree_structure"])
    return [sorted(set(values))[:200] for values in found]


def train(case, seed, row_count=1000):
    generator = np.random.default_rng(1000 + seed)
    X, signal, categorical = training_data({"missing": not case.get("complete"), "categorical": case.get("categorical")}, generator)
    y = labels({"objective": LABELS.get(case["objective"], "reg:squarederror")}, signal, generator)
    groups = [20] * (len(X) // 20) if case["objective"] in ("lambdarank", "rank_xendcg") else None
    data = lgb.Dataset(X, y, group=groups, categorical_feature=categorical or "auto", free_raw_data=False)
    more = {}
    rounds = case.get("rounds", 12)
    if case.get("early"):
        rounds = 200
        more = {"valid_sets": [data.create_valid(X + np.float32(0.5), y)], "callbacks": [lgb.early_stopping(2, verbose=False)]}
    booster = lgb.train(parameters(case), data, rounds, **more)
    if case.get("early"):
        assert 0 < booster.best_iteration < rounds, "training must have stopped early"
    rows = boundary_rows(generator, X, thresholds_of(booster, X.shape[1]), categorical, row_count)
    margins = booster.predict(rows, raw_score=True)
    if case["boosting"] == "rf":
        margins = margins / booster.current_iteration()  # LightGBM's raw score is not averaged
    return booster, rows, margins, booster.predict(rows)
