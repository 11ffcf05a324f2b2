# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = ["catboost==1.2.10", "skl2onnx==1.20.0", "scikit-learn", "onnx", "numpy"]
# ///
"""Makes tests/golden/onnx/: graphs as CatBoost and scikit-learn's converter write them, and what the models said of rows.

    uv run tests/golden/make_onnx.py
"""

import json
import pathlib
import warnings

import numpy as np
from catboost import CatBoostClassifier, CatBoostRegressor
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

warnings.simplefilter("ignore")
folder = pathlib.Path(__file__).parent / "onnx"
generator = np.random.default_rng(7)
X = generator.normal(size=(300, 5)).astype(np.float32)
two = (X[:, 0] + X[:, 1] > 0).astype(int)
three = np.digitize(X[:, 0], [-0.5, 0.5])
rows = X[:20]
small = {"iterations": 2, "depth": 2, "verbose": 0, "allow_writing_files": False}

SKLEARN = {
    "sklearn-forest": (RandomForestClassifier(3, max_depth=3, random_state=7), two),
    "sklearn-logistic": (LogisticRegression(), two),
    "sklearn-forest-of-three": (RandomForestClassifier(3, max_depth=3, random_state=7), three),
    "sklearn-boosting": (GradientBoostingRegressor(n_estimators=3, random_state=7), X[:, 0]),
}
CATBOOST = {
    "catboost-binary": (CatBoostClassifier(**small), two),
    "catboost-three": (CatBoostClassifier(loss_function="MultiClass", **small), three),
    "catboost-regression": (CatBoostRegressor(**small), X[:, 0]),
}


def prediction(model):
    if not hasattr(model, "predict_proba"):
        return model.predict(rows)
    probabilities = model.predict_proba(rows)
    return probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities


def refused():
    """Graphs that cannot be fed, by what is wrong with them."""
    matrix = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])
    integers = helper.make_tensor_value_info("x", TensorProto.INT64, ["n", 2])
    fixed = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])
    second = helper.make_tensor_value_info("second", TensorProto.FLOAT, ["n", 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 2])
    whole = helper.make_tensor_value_info("y", TensorProto.INT64, ["n", 2])
    same = helper.make_node("Identity", ["x"], ["y"])
    copy = helper.make_node("Identity", ["x"], ["z"])
    add = helper.make_node("Add", ["x", "second"], ["y"])
    return {
        "two-inputs": helper.make_graph([add], "g", [matrix, second], [y]),
        "integers": helper.make_graph([same], "g", [integers], [whole]),
        "one-row": helper.make_graph([same], "g", [fixed], [y]),
        "two-outputs": helper.make_graph([same, copy], "g", [matrix], [y, z]),
    }


def main():
    folder.mkdir(exist_ok=True)
    expected = {}
    for name, (model, labels) in SKLEARN.items():
        model.fit(X, labels)
        (folder / f"{name}.onnx").write_bytes(to_onnx(model, X[:1]).SerializeToString())
        expected[name] = prediction(model).ravel().tolist()
    for name, (model, labels) in CATBOOST.items():
        model.fit(X, labels)
        model.save_model(str(folder / f"{name}.onnx"), format="onnx")
        expected[name] = prediction(model).ravel().tolist()
    for name, graph in refused().items():
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
        (folder / f"refused-{name}.onnx").write_bytes(model.SerializeToString())
    document = {"rows": rows.ravel().tolist(), "expected": expected}
    (folder / "expected.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
