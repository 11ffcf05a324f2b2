"""Trains models on pandas frames with columns of the dtype `category`.

Writes, per model, the model file and 500 rows as a user would send them (labels, numbers, booleans; None is
missing) with the library's scores. Argument: the folder for index.json and the model files.
"""

import json
import sys
import warnings

import lightgbm
import numpy as np
import pandas as pd
import xgboost

warnings.filterwarnings("ignore")
folder = sys.argv[1]
rows = 500
version = tuple(int(part) for part in xgboost.__version__.split(".")[:2])
index = []


def to_cell(value):
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.item() if hasattr(value, "item") else value


def draw(rng, labels, missing=0.1):
    """One label per row, in the type of the labels."""
    labels = pd.Index(labels)
    codes = rng.integers(0, len(labels), rows) if len(labels) else np.full(rows, -1)
    codes[rng.random(rows) < missing] = -1
    return pd.Categorical.from_codes(codes, categories=labels)


def frame_of(rng, categories, ordered=()):
    """A frame of float32 numbers (some missing), the given categories, integers and booleans."""
    spend = rng.normal(size=rows).astype("float32").astype("float64")
    spend[rng.random(rows) < 0.1] = np.nan
    frame = pd.DataFrame({"spend": spend})
    for name, labels in categories.items():
        column = draw(rng, labels)
        frame[name] = column.as_ordered() if name in ordered else column
    if not ordered:  # integers in a small range could also be codes of ordered categories
        frame["months"] = rng.integers(0, 9, rows)
        frame["vip"] = rng.integers(0, 2, rows).astype(bool)
    return frame


def target(rng, frame, classes=2):
    score = np.nan_to_num(frame["spend"].to_numpy())
    if "months" in frame:
        score = score + 0.2 * frame["months"].to_numpy()
    for name in frame.columns:
        if isinstance(frame[name].dtype, pd.CategoricalDtype):
            codes = frame[name].cat.codes.to_numpy()
            score = score + np.random.default_rng(5).normal(0, 1.5, 64)[codes]
    edges = np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1])
    labels = np.searchsorted(edges, score)
    flipped = rng.random(rows) < 0.1
    return np.where(flipped, rng.integers(0, classes, rows), labels)


def reorder(rng, frame):
    """The same rows with the categories of each column in another order, as in the frame of another week."""
    copy = frame.copy()
    for name in copy.columns:
        dtype = copy[name].dtype
        if isinstance(dtype, pd.CategoricalDtype) and not dtype.ordered and len(dtype.categories):
            copy[name] = copy[name].cat.reorder_categories(dtype.categories[rng.permutation(len(dtype.categories))])
    return copy


def column_type(series):
    if not isinstance(series.dtype, pd.CategoricalDtype):
        return {"f": "double", "i": "long", "b": "boolean"}[series.dtype.kind]
    kind = series.dtype.categories.inferred_type
    missing = series.isna().any()
    if kind == "boolean":
        return "double" if missing else "boolean"
    if kind == "integer":
        return "double" if missing else "long"
    return {"floating": "double", "string": "string", "empty": "string", "mixed-integer": "string"}[kind]


def write(library, name, file, frame, scores):
    index.append(
        {
            "library": library,
            "name": name,
            "file": file,
            "columns": [{"name": str(c), "type": column_type(frame[c])} for c in frame.columns],
            "rows": [[to_cell(v) for v in row] for row in zip(*(frame[c].astype(object) for c in frame.columns))],
            "scores": np.asarray(scores, dtype="float64").reshape(-1).tolist(),
        }
    )


def train_xgboost(name, categories, form="json", rounds=8, seed=0, missing=True, **params):
    rng = np.random.default_rng(seed)
    frame = frame_of(rng, categories)
    if not missing:
        for column in categories:
            frame[column] = frame[column].fillna(frame[column].cat.categories[0])
    params = {"objective": "binary:logistic", "max_depth": 4, "seed": 1, "nthread": 1, **params}
    label = target(rng, frame, params.get("num_class", 2))
    matrix = xgboost.DMatrix(frame, label=label, enable_categorical=True)
    booster = xgboost.train(params, matrix, rounds)
    file = f"xgboost-{name}.{form}"
    booster.save_model(f"{folder}/{file}")
    again = xgboost.Booster(model_file=f"{folder}/{file}")
    scores = again.predict(xgboost.DMatrix(reorder(rng, frame), enable_categorical=True))
    write("xgboost", name, file, frame, scores)


def train_classifier(name, categories, form="ubj"):
    rng = np.random.default_rng(11)
    frame = frame_of(rng, categories)
    label = target(rng, frame)
    model = xgboost.XGBClassifier(
        n_estimators=60, early_stopping_rounds=3, enable_categorical=True, learning_rate=0.7, n_jobs=1
    )
    model.fit(frame[:350], label[:350], eval_set=[(frame[350:], label[350:])], verbose=False)
    assert model.best_iteration < model.get_booster().num_boosted_rounds() - 1
    file = f"xgboost-{name}.{form}"
    model.save_model(f"{folder}/{file}")
    write("xgboost", name, file, frame, model.predict_proba(reorder(rng, frame))[:, 1])


def train_lightgbm(name, categories, seed=0, rounds=8, ordered=(), missing=True, unseen=None, **params):
    rng = np.random.default_rng(seed)
    frame = frame_of(rng, categories, ordered)
    if not missing:
        for column in categories:
            frame[column] = frame[column].fillna(frame[column].cat.categories[0])
    params = {
        "objective": "binary",
        "verbose": -1,
        "seed": 1,
        "num_threads": 1,
        "min_data_in_leaf": 5,
        "min_data_per_group": 5,
        "cat_smooth": 1,
        **params,
    }
    label = target(rng, frame, params.get("num_class", 2))
    booster = lightgbm.train(params, lightgbm.Dataset(frame, label=label), rounds)
    file = f"lightgbm-{name}.txt"
    booster.save_model(f"{folder}/{file}")
    again = lightgbm.Booster(model_file=f"{folder}/{file}")
    sent = reorder(rng, frame)
    if unseen is not None:  # every tenth row has a label that is not in the training frame
        column = next(iter(categories))
        values = sent[column].astype(object).to_numpy(copy=True)
        values[::10] = unseen
        sent[column] = pd.Categorical(values, categories=[*frame[column].cat.categories, unseen])
    write("lightgbm", name, file, sent, again.predict(sent))


texts = ["US", "EU", "", "x y", "1", "nan?", "us"]
ints = [10, -3, 7, 0, 1]

train_xgboost("texts json", {"brand": texts})
train_xgboost("texts ubj", {"brand": texts}, form="ubj")
train_xgboost("ints json", {"tier": ints})
train_xgboost("ints ubj", {"tier": ints}, form="ubj")
train_xgboost("ints present", {"tier": ints}, missing=False)
train_xgboost("int8 ubj", {"tier": np.array([5, -128, 127], dtype="int8")}, form="ubj")
train_xgboost("uint8 json", {"tier": np.array([200, 0, 7], dtype="uint8")})
train_xgboost("int16 ubj", {"tier": np.array([5, -300, 300], dtype="int16")}, form="ubj")
train_xgboost("int32 json", {"day": np.array([20230102, 20230101, 20230103], dtype="int32")})
train_xgboost("large ubj", {"id": [2**40 + 1, 2**40, -(2**52)]}, form="ubj")
train_xgboost("one-hot", {"brand": texts, "tier": ints}, max_cat_to_onehot=20)
train_xgboost("partitions", {"brand": [f"b{i}" for i in range(40)]}, max_cat_to_onehot=1, form="ubj")
train_xgboost("dart json", {"brand": texts, "tier": ints}, booster="dart", rate_drop=0.3)
train_xgboost("dart ubj", {"brand": texts}, booster="dart", rate_drop=0.3, form="ubj")
train_xgboost("classes", {"brand": texts, "tier": ints}, objective="multi:softprob", num_class=3)
train_xgboost("feature names of results", {"score": texts, "probability": ints, "_gather_1": ["a", "b"]})
train_classifier("early-stopped", {"brand": texts, "tier": ints})
train_classifier("early-stopped json", {"tier": ints}, form="json")
if version >= (3, 4):
    train_xgboost("unicode json", {"brand": ["é☃", "Ж", "a", "\U0001f600"]})
    train_xgboost("unicode ubj", {"brand": ["é☃", "Ж", "a", "\U0001f600"]}, form="ubj")

train_lightgbm("texts", {"brand": texts})
train_lightgbm("unicode", {"brand": ["é☃", "Ж", "a", "\U0001f600", 'q"\\']})
train_lightgbm("ints", {"tier": ints})
train_lightgbm("ints present", {"tier": ints}, missing=False)
train_lightgbm("large ints", {"day": [20230102, 20230101, 20230103, 2**40, 2**40 + 1]})
train_lightgbm("floats", {"rate": [1.5, -2.0, 0.25, 0.1, 3.0]})
train_lightgbm("booleans", {"flag": [True, False]})
train_lightgbm("booleans present", {"flag": [True, False]}, missing=False)
train_lightgbm("two columns", {"brand": texts, "tier": ints})
train_lightgbm("one category", {"const": ["k"], "brand": texts, "empty": pd.Index([], dtype=object)})
train_lightgbm("partitions", {"brand": [f"b{i}" for i in range(40)]}, max_cat_to_onehot=1)
train_lightgbm("one-hot", {"brand": texts}, max_cat_to_onehot=20)
train_lightgbm("dart", {"brand": texts, "tier": ints}, boosting="dart", drop_rate=0.3)
train_lightgbm("forest", {"brand": texts}, boosting="rf", bagging_freq=1, bagging_fraction=0.7)
train_lightgbm("classes", {"brand": texts}, objective="multiclass", num_class=3)
train_lightgbm("zero is missing", {"brand": texts}, zero_as_missing=True)
train_lightgbm("ordered", {"size": ["s", "m", "l", "xl", "a", "b", "c", "d", "e", "f"]}, ordered=("size",))
train_lightgbm("unseen texts", {"brand": texts}, unseen="other")
train_lightgbm("unseen ints", {"tier": ints}, unseen=99)
train_lightgbm("mixed", {"code": [1, "a", 0, "1"]})

with open(f"{folder}/index.json", "w") as file:
    json.dump({"xgboost": xgboost.__version__, "lightgbm": lightgbm.__version__, "models": index}, file)
