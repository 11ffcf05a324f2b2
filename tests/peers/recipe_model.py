"""Trains a model on columns that pandas made, and scores a week with two recipes.

Writes into the folder given: model.ubj, features.json, sample.jsonl and week.jsonl (raw rows with player ids),
encoded.csv (the sample as it was encoded for training), encoded_b.csv (with the other recipe) and expected.json
(XGBoost's probabilities of the week with both recipes).
"""

import json
import pathlib
import sys

import numpy as np
import pandas as pd
import xgboost as xgb

folder = pathlib.Path(sys.argv[1])
generator = np.random.default_rng(33)


def draw(count, first):
    days = np.datetime64("2026-01-01") + generator.integers(0, 200, count).astype("timedelta64[D]")
    frame = pd.DataFrame({
        "player_id": [f"P-{first + i}" for i in range(count)],
        "dep": np.round(generator.gamma(1, 100, count), 2),
        "wins": generator.integers(0, 20, count),
        "bets": generator.integers(0, 5, count).astype(float),
        "tier": generator.choice(["bronze", "silver", "gold"], count).astype(object),
        "first_bet": days.astype(str),
        "last_bet": (days + generator.integers(0, 90, count).astype("timedelta64[D]")).astype(str),
        "brand": generator.choice(["AZ", "NJ"], count),
    })
    frame.loc[generator.random(count) < 0.2, "dep"] = np.nan
    frame.loc[generator.random(count) < 0.1, "tier"] = None
    return frame


def encode(frame, ranks):
    frame = frame.rename(columns={"dep": "deposit"})
    frame["deposit"] = np.log1p(frame["deposit"].fillna(0).clip(0, 250))
    frame["win_rate"] = frame["wins"] / frame["bets"].where(frame["bets"] != 0)
    frame["tier"] = frame["tier"].map(ranks)
    frame["days"] = (pd.to_datetime(frame["last_bet"]) - pd.to_datetime(frame["first_bet"])).dt.days
    frame["visits"] = 3
    frame = pd.get_dummies(frame, columns=["brand"])
    return frame[["deposit", "win_rate", "tier", "days", "visits", "brand_AZ", "brand_NJ"]]


def write(frame, path):
    rows = json.loads(frame.to_json(orient="records", double_precision=15))
    (folder / path).write_text("\n".join(json.dumps(row) for row in rows))


a, b = {"bronze": 0, "silver": 1, "gold": 2}, {"bronze": 2, "silver": 1, "gold": 0}
train, week = draw(600, 0), draw(200, 1000)
X = encode(train, a)
signal = X["deposit"] * -0.5 + X["tier"].fillna(1) * 1.5 + X["win_rate"].fillna(5) * 0.2 - X["days"] * 0.02
y = (signal + generator.normal(0, 1, len(train)) > signal.median()).astype(int)
booster = xgb.train({"objective": "binary:logistic", "max_depth": 4, "seed": 1}, xgb.DMatrix(X, y), 30)
booster.save_model(folder / "model.ubj")
(folder / "features.json").write_text(json.dumps(list(X.columns)))
sample = train.head(50)
write(sample, "sample.jsonl")
write(week, "week.jsonl")
for name, ranks in (("encoded", a), ("encoded_b", b)):
    encoded = encode(sample, ranks)
    encoded.insert(0, "player_id", sample["player_id"])
    encoded.to_csv(folder / f"{name}.csv", index=False)
(folder / "expected.json").write_text(json.dumps({
    "version": xgb.__version__,
    **{name: [float(p) for p in booster.predict(xgb.DMatrix(encode(week, ranks)))] for name, ranks in (("a", a), ("b", b))},
}))
