"""Trains a model as a user would, with pandas.get_dummies and missing=-999, and scores a week with it.

Writes into the folder given: model.ubj, features.json, sample.jsonl and week.jsonl (raw rows with player ids),
expected.json (XGBoost's probabilities of the week). The column brand_count begins with the recipe's prefix and is
no category; -999 is missing in money columns.
"""

import json
import pathlib
import sys

import numpy as np
import pandas as pd
import xgboost as xgb

folder = pathlib.Path(sys.argv[1])
generator = np.random.default_rng(20)
brands = ["AZ", "CA", "NJ", "NY"]


def draw(count, first):
    frame = pd.DataFrame({
        "player_id": [f"P-{first + i}" for i in range(count)],
        "deposit": np.round(generator.gamma(1, 100, count), 2),
        "handle": np.round(generator.gamma(1, 300, count), 2),
        "brand_count": generator.integers(1, 9, count).astype(float),
        "months": generator.integers(0, 36, count),
        "brand": generator.choice(brands, count),
    })
    frame.loc[generator.random(count) < 0.3, "deposit"] = -999
    frame.loc[generator.random(count) < 0.1, "handle"] = np.nan
    return frame


def encode(frame, columns=None):
    encoded = pd.get_dummies(frame.drop(columns="player_id"), columns=["brand"])
    return encoded if columns is None else encoded.reindex(columns=columns, fill_value=False)


def write(frame, path):
    rows = json.loads(frame.to_json(orient="records"))
    (folder / path).write_text("\n".join(json.dumps(row) for row in rows))


train, week = draw(600, 0), draw(200, 1000)
X = encode(train)
signal = train["months"] * -0.1 + (train["brand"] == "NJ") * 2 + (train["deposit"] == -999) * 2 + train["brand_count"] * 0.4
y = (signal + generator.normal(0, 1, len(train)) > 1).astype(int)
matrix = xgb.DMatrix(X, y, missing=-999)
booster = xgb.train({"objective": "binary:logistic", "max_depth": 4, "eta": 0.3, "seed": 1}, matrix, 30)
booster.save_model(folder / "model.ubj")
(folder / "features.json").write_text(json.dumps(list(X.columns)))
write(train.head(50), "sample.jsonl")
write(week, "week.jsonl")
scores = booster.predict(xgb.DMatrix(encode(week, X.columns), missing=-999))
plain = booster.predict(xgb.DMatrix(encode(week, X.columns)))
(folder / "expected.json").write_text(json.dumps({
    "version": xgb.__version__,
    "scores": [float(score) for score in scores],
    "without_missing": [float(score) for score in plain],
}))
