"""Trains every kind of model that log-model accepts, and writes model, feature names, sample rows and the library's own scores.

Argument: a folder. Writes index.json, and NAME.model, NAME.features.json, NAME.jsonl for each model.
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
rows = 400
index = []
rng = np.random.default_rng(3)


def draw(labels, missing=0.1):
    codes = rng.integers(0, len(labels), rows)
    codes[rng.random(rows) < missing] = -1
    return pd.Categorical.from_codes(codes, categories=labels)


spend = rng.normal(size=rows).astype("float32").astype("float64")
spend[rng.random(rows) < 0.1] = np.nan
flag = rng.integers(0, 2, rows).astype("float64")
flag[rng.random(rows) < 0.1] = np.nan
numbers = pd.DataFrame(
    {
        "spend": spend,
        "months": rng.integers(0, 40, rows),
        "vip": rng.integers(0, 2, rows).astype(bool),
        "flag": flag,  # true, false and null in the sample
    }
)
texts = draw(["US", "EU", "", "a b", "1"])
present = draw([10, -3, 7, 20230102, 20230101], missing=0)
missing = draw([10, -3, 7])
booleans = draw([True, False])
floats = draw([0.5, -1.25, 0.1])
label = (np.nan_to_num(spend) + 0.05 * numbers["months"] + 0.7 * texts.codes % 3 + 0.4 * present.codes % 2 > 1.6).astype(int)
label = np.where(rng.random(rows) < 0.2, rng.integers(0, 2, rows), label)


def to_cell(value):
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.item() if hasattr(value, "item") else value


def write(name, loader, frame, scores):
    scores = np.asarray(scores, dtype="float64").reshape(-1)
    assert scores.max() - scores.min() > 0.1, name
    columns = list(frame.columns)
    with open(f"{folder}/{name}.features.json", "w") as file:
        json.dump(columns, file)
    with open(f"{folder}/{name}.jsonl", "w") as file:
        for row in zip(*(frame[c].astype(object) for c in columns)):
            cells = {c: to_cell(v) for c, v in zip(columns, row)}
            if cells.get("flag") is not None:
                cells["flag"] = bool(cells["flag"])
            file.write(json.dumps({"player_id": "p", **cells}) + "\n")
    index.append({"name": name, "loader": loader, "scores": scores.tolist()})


def booster(name, frame, loader, form="ubj", **params):
    params = {"objective": "binary:logistic", "max_depth": 4, "seed": 1, "nthread": 1, **params}
    model = xgboost.train(params, xgboost.DMatrix(frame, label=label, enable_categorical=True), 8)
    model.save_model(f"{folder}/{name}.{form}")
    import os

    os.rename(f"{folder}/{name}.{form}", f"{folder}/{name}.model")
    write(name, loader, frame, model.predict(xgboost.DMatrix(frame, enable_categorical=True)))


def classifier(name, frame):
    model = xgboost.XGBClassifier(
        n_estimators=80, early_stopping_rounds=3, learning_rate=0.8, enable_categorical=True, n_jobs=1
    )
    model.fit(frame[:300], label[:300], eval_set=[(frame[300:], label[300:])], verbose=False)
    assert model.best_iteration < model.get_booster().num_boosted_rounds() - 1
    import os

    model.save_model(f"{folder}/{name}.ubj")
    os.rename(f"{folder}/{name}.ubj", f"{folder}/{name}.model")
    write(name, "mlflow.onnx", frame, model.predict_proba(frame)[:, 1])


def light(name, frame, loader, stopped=False, **params):
    params = {"objective": "binary", "verbose": -1, "seed": 1, "num_threads": 1, "min_data_per_group": 5, **params}
    if stopped:
        train = lightgbm.Dataset(frame[:300], label=label[:300])
        valid = lightgbm.Dataset(frame[300:], label=label[300:], reference=train)
        model = lightgbm.train(
            {**params, "learning_rate": 0.8}, train, 80, [valid], callbacks=[lightgbm.early_stopping(3, verbose=False)]
        )
        assert 0 < model.best_iteration < 77
    else:
        model = lightgbm.train(params, lightgbm.Dataset(frame, label=label), 8)
    model.save_model(f"{folder}/{name}.model")
    write(name, loader, frame, model.predict(frame))


whole = numbers.drop(columns="flag")
booster("xgboost", numbers, "mlflow.xgboost")
booster("xgboost-json", whole, "mlflow.xgboost", form="json")
booster("xgboost-dart", numbers, "mlflow.xgboost", booster="dart", rate_drop=0.3)
booster("xgboost-linear", numbers, "mlflow.xgboost", booster="gblinear")
classifier("classifier-stopped", numbers)
classifier("classifier-stopped-one-column", numbers[["spend"]])
classifier("classifier-stopped-booleans-only", pd.DataFrame({"vip": numbers["vip"], "vip2": label.astype(bool)}))
classifier("classifier-stopped-texts", numbers.assign(brand=texts, tier=missing))
booster("xgboost-texts", numbers.assign(brand=texts), "mlflow.onnx")
booster("xgboost-texts-only", pd.DataFrame({"brand": texts}), "mlflow.onnx", form="json")
booster("xgboost-numbers", numbers.assign(tier=present), "mlflow.onnx")
booster("xgboost-numbers-missing", numbers.assign(tier=missing, day=present), "mlflow.onnx")
booster("xgboost-mixed", pd.DataFrame({"brand": texts, **numbers, "tier": present}), "mlflow.onnx", form="json")
light("lightgbm", numbers, "mlflow.lightgbm")
light("lightgbm-dart", whole, "mlflow.lightgbm", boosting="dart")
light("lightgbm-zero", numbers, "mlflow.lightgbm", zero_as_missing=True)
light("lightgbm-stopped", numbers, "mlflow.lightgbm", stopped=True)
light("lightgbm-texts", numbers.assign(brand=texts), "mlflow.onnx")
light("lightgbm-all", numbers.assign(brand=texts, tier=missing, day=present, yes=booleans, rate=floats), "mlflow.onnx")
light("lightgbm-numbers", numbers.assign(day=present, yes=booleans, rate=floats), "mlflow.onnx")
light("lightgbm-booleans", whole.assign(yes=booleans.fillna(True)), "mlflow.onnx")
light("lightgbm-texts-stopped", numbers.assign(brand=texts), "mlflow.onnx", stopped=True)

with open(f"{folder}/index.json", "w") as file:
    json.dump(index, file)
