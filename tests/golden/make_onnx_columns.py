# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = [
#   "skl2onnx==1.20.0", "scikit-learn==1.7.2", "onnx==1.20.1", "numpy==2.2.6", "pandas==3.1.1",
# ]
# ///
"""Makes tests/golden/onnx_columns/: pipelines of scikit-learn with one input per column, as skl2onnx converts them.

    uv run tests/golden/make_onnx_columns.py

Per pipeline NAME: NAME.onnx, and NAME.jsonl with labelled rows and `expected`, scikit-learn's own probability of class 1.
"""

import json
import pathlib

import numpy as np
import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import BooleanTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

folder = pathlib.Path(__file__).parent / "onnx_columns"
generator = np.random.default_rng(11)
count = 240
full = pd.DataFrame(
    {
        "spend": generator.gamma(2, 50, count).astype("float32"),
        "months": generator.integers(1, 60, count),
        "vip": generator.random(count) < 0.3,
        "brand": generator.choice(["US", "UK", "Ünïcode br"], count).astype(object),
        "tier": generator.choice(["gold", "silver"], count).astype(object),
    }
)
churned = ((full.spend < 80) & (full.months < 30) | full.vip & (full.brand == "US") | (generator.random(count) < 0.1)).astype(int)
gaps = full.copy()
gaps.loc[generator.random(count) < 0.2, "spend"] = np.nan
none = gaps.copy()
none.loc[generator.random(count) < 0.1, "brand"] = None
types = {
    "spend": FloatTensorType,
    "months": Int64TensorType,
    "vip": BooleanTensorType,
    "brand": StringTensorType,
    "tier": StringTensorType,
}
spend = ("spend", make_pipeline(SimpleImputer(), StandardScaler()), ["spend"])
months = ("months", "passthrough", ["months"])
ignore = OneHotEncoder(handle_unknown="ignore")
PIPELINES = {
    "mixed": (gaps, [spend, months, ("texts", ignore, ["brand", "tier"])]),
    "strict": (full, [spend, months, ("texts", OneHotEncoder(), ["brand", "tier"])]),
    "numbers": (gaps, [spend, months]),
    "booleans": (full, [("spend", StandardScaler(), ["spend"]), ("rest", "passthrough", ["months", "vip"])]),
    # None is a category of the training data.
    "none": (none, [spend, months, ("texts", ignore, ["brand"])]),
}
folder.mkdir(exist_ok=True)
for name, (frame, steps) in PIPELINES.items():
    columns = [column for *_, used in steps for column in used]
    model = make_pipeline(ColumnTransformer(steps), LogisticRegression(max_iter=2000)).fit(frame[columns], churned)
    inputs = [(column, types[column]([None, 1])) for column in columns]
    graph = to_onnx(model, initial_types=inputs, options={"zipmap": False}, target_opset={"": 18, "ai.onnx.ml": 3})
    (folder / f"{name}.onnx").write_bytes(graph.SerializeToString())
    scores = model.predict_proba(frame[columns])[:, 1]
    rows = []
    for index, cells in enumerate(frame[columns].to_dict("records")):
        plain = {c: None if v is None or v != v else getattr(v, "item", lambda v=v: v)() for c, v in cells.items()}
        outcome = {"player_id": f"p{index}", "churned": int(churned[index]), "expected": float(scores[index])}
        rows.append(json.dumps({**outcome, **plain}, ensure_ascii=False))
    (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
