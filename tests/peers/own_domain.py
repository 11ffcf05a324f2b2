"""Models of machine failures, and rows in several formats; for tests/scripts/init_test.ts.

Writes into the folder that the first argument names; expected.json has what the
libraries themselves score.
"""

import json
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import xgboost

folder = Path(sys.argv[1])
random = np.random.default_rng(7)
ROWS = 500

machines = pd.DataFrame(
    {
        "machine_id": [f"M-{row:04d}" for row in range(ROWS)],
        "Air temperature": random.normal(300, 2, ROWS).round(1),
        "torque": random.normal(40, 10, ROWS).round(2),
        "tool_wear": random.integers(0, 250, ROWS),
        "type": random.choice(["L", "M", "H"], ROWS),
    }
)
strain = 0.08 * (machines["torque"] - 40) + 0.02 * (machines["tool_wear"] - 125)
risk = 1 / (1 + np.exp(1 - strain - 0.5 * (machines["type"] == "L")))
machines["failed"] = (random.random(ROWS) < risk).astype(int)
features = pd.get_dummies(machines.drop(columns=["machine_id", "failed"]), columns=["type"])
machines.to_csv(folder / "machines.csv", index=False)
machines.to_json(folder / "machines.jsonl", orient="records", lines=True)

# Named features; LightGBM writes Air_temperature for "Air temperature".
classifier = lightgbm.LGBMClassifier(n_estimators=20, num_leaves=7, verbose=-1)
classifier.fit(features, machines["failed"])
classifier.booster_.save_model(folder / "machines.txt")

# A regressor without feature names: Column_0, Column_1, …
days = 300 - machines["tool_wear"] + random.normal(0, 5, ROWS)
regressor = lightgbm.LGBMRegressor(n_estimators=20, num_leaves=7, verbose=-1)
regressor.fit(features.to_numpy(dtype=float), days)
regressor.booster_.save_model(folder / "days_to_failure.txt")
(folder / "features.json").write_text(json.dumps(list(features.columns)))
encoded = features.astype(float)
encoded.insert(0, "machine_id", machines["machine_id"])
encoded.to_csv(folder / "encoded-2026-11-16.csv", index=False)

# XGBoost in its three formats, of the rows without the text column.
numbers = machines[["torque", "tool_wear"]]
boosted = xgboost.XGBClassifier(n_estimators=20, max_depth=3).fit(numbers, machines["failed"])
boosted.get_booster().save_model(folder / "boosted.ubj")
boosted.get_booster().save_model(folder / "boosted.json")
plain = machines[["machine_id", "torque", "tool_wear", "failed"]]
plain.to_csv(folder / "plain.csv", index=False)

expected = {
    "failed": classifier.predict_proba(features)[:, 1].tolist(),
    "days": regressor.predict(features.to_numpy(dtype=float)).tolist(),
    "boosted": boosted.predict_proba(numbers)[:, 1].astype(float).tolist(),
}
(folder / "expected.json").write_text(json.dumps(expected))
