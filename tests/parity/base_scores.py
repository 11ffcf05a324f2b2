"""Prints XGBoost's base margins for many base scores, as JSON.

Each model is trained once; its text has the placeholder BASE for the score.
"""

import base64
import json
import re

import numpy as np
import xgboost as xgb

random = np.random.default_rng(7)
rows = random.normal(size=(50, 3)).astype(np.float32)
data = xgb.DMatrix(rows, label=(rows[:, 0] > 0).astype(np.float32) + 0.0, nthread=1)
zeros = xgb.DMatrix(np.zeros((1, 3), np.float32), nthread=1)

found = []
for objective in ["binary:logistic", "reg:logistic", "count:poisson", "reg:tweedie"]:
    trained = xgb.train({"objective": objective, "max_depth": 2, "nthread": 1, "base_score": 0.5}, data, 1)
    text = re.sub(r'"base_score":"[^"]*"', '"base_score":"[BASE]"', trained.save_raw("json").decode())
    scores = [repr(float(score)) for score in random.uniform(0.001, 0.999, 1000).astype(np.float32)]
    margins = []
    for score in scores:
        booster = xgb.Booster({"nthread": 1}, model_file=bytearray(text.replace("[BASE]", f"[{score}]").encode()))
        margins.append(booster.predict(zeros, output_margin=True)[0])
    found.append({
        "objective": objective,
        "model": text,
        "scores": scores,
        "margins": base64.b64encode(np.array(margins, "<f4").tobytes()).decode(),
    })
print(json.dumps(found))
