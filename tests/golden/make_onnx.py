# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = [
#   "catboost==1.2.10", "skl2onnx==1.20.0", "onnxmltools==1.16.0", "lightgbm==4.6.0", "xgboost==3.0.5",
#   "scikit-learn==1.7.2", "onnx==1.20.1", "onnxruntime==1.23.2", "numpy==2.2.6",
# ]
# ///
"""Makes tests/golden/onnx/: graphs of CatBoost and of the converters of scikit-learn, LightGBM and XGBoost, and the models' own scores.

    uv run tests/golden/make_onnx.py

expected.json has `rows`, and a model each: `classes`, the labels of the columns as the model's `classes_` has them (null where there
are none); `kind`, whether the output is known to be probabilities; `expected`, rows × columns, from the model and not from the graph.
"""

import json
import pathlib
import warnings

import numpy as np
import onnxmltools
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier
from onnx import TensorProto, helper, numpy_helper
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from xgboost import XGBClassifier

warnings.simplefilter("ignore")
folder = pathlib.Path(__file__).parent / "onnx"
generator = np.random.default_rng(7)
X = generator.normal(size=(300, 5)).astype(np.float32)
two = (X[:, 0] + X[:, 1] > 0).astype(int)
three = np.digitize(X[:, 0], [-0.5, 0.5])
first = np.where(two == 1, "churn", "stay")  # the positive class is the first of the sorted labels
second = np.where(two == 1, "churned", "active")  # the positive class is the second
rows = X[:20]
small = {"iterations": 2, "depth": 2, "verbose": 0, "allow_writing_files": False}
forest = {"n_estimators": 3, "max_depth": 3, "random_state": 7}
MATRIX = {"zipmap": False}

SKLEARN = {
    "sklearn-forest": (RandomForestClassifier(3, max_depth=3, random_state=7), two, {}),
    "sklearn-logistic": (LogisticRegression(), two, {}),
    "sklearn-forest-of-three": (RandomForestClassifier(3, max_depth=3, random_state=7), three, {}),
    "sklearn-boosting": (GradientBoostingRegressor(n_estimators=3, random_state=7), X[:, 0], {}),
    "text-first": (LogisticRegression(), first, {}),
    "text-first-matrix": (LogisticRegression(), first, MATRIX),
    "text-second": (LogisticRegression(), second, {}),
    "text-second-matrix": (RandomForestClassifier(**forest), second, MATRIX),
    "integers-one-two": (RandomForestClassifier(**forest), two + 1, {}),
    "integers-one-two-matrix": (RandomForestClassifier(**forest), two + 1, MATRIX),
    "integers-signed-matrix": (LogisticRegression(), two * 2 - 1, MATRIX),
    "booleans": (LogisticRegression(), two == 1, {}),
    "booleans-matrix": (RandomForestClassifier(**forest), two == 1, MATRIX),
    "pipeline": (make_pipeline(StandardScaler(), RandomForestClassifier(**forest)), first, {}),
    "pipeline-matrix": (make_pipeline(StandardScaler(), LogisticRegression()), second, MATRIX),
    "calibrated": (CalibratedClassifierCV(RandomForestClassifier(**forest), cv=2), first, {}),
    "calibrated-matrix": (CalibratedClassifierCV(LogisticRegression(), cv=2), first, MATRIX),
    "boosted-matrix": (GradientBoostingClassifier(n_estimators=3, random_state=7), first, MATRIX),
    # Their inner classifiers have the labels 0 and 1; 1 is "stay".
    "stacking-matrix": (StackingClassifier([("a", LogisticRegression()), ("b", GaussianNB())]), first, MATRIX),
    "bagging-matrix": (BaggingClassifier(n_estimators=2, random_state=7), first, MATRIX),
    "network-matrix": (MLPClassifier((3,), max_iter=20, random_state=7), first, MATRIX),
    "descent-matrix": (SGDClassifier(loss="log_loss", random_state=7), first, MATRIX),
    "bayes-matrix": (GaussianNB(), first, MATRIX),
    # The outputs are named probabilities but are none.
    "raw-margins": (LogisticRegression(), first, {"zipmap": False, "raw_scores": True}),
    "support-vectors": (SVC(kernel="linear"), first, MATRIX),
    "ridge": (RidgeClassifier(), first, MATRIX),
    # Regressors with predictions from 0 to 1.
    "forest-of-shares": (RandomForestRegressor(**forest), two.astype(np.float32), {}),
    "linear": (LinearRegression(), two * 0.2 + 0.4, {}),
}
CATBOOST = {
    "catboost-binary": (CatBoostClassifier(**small), two),
    "catboost-three": (CatBoostClassifier(loss_function="MultiClass", **small), three),
    "catboost-regression": (CatBoostRegressor(**small), X[:, 0]),
    "catboost-text": (CatBoostClassifier(**small), first),
    "catboost-integers": (CatBoostClassifier(**small), two + 1),
}
TREES = {
    "lightgbm-text": (LGBMClassifier(n_estimators=2, max_depth=2, verbose=-1), first, {}),
    "lightgbm-text-matrix": (LGBMClassifier(n_estimators=2, max_depth=2, verbose=-1), first, MATRIX),
    "xgboost-matrix": (XGBClassifier(n_estimators=2, max_depth=2), two, None),
}


def facts(name, model):
    """Returns the model's own scores; of a decision function, the columns that the graph outputs."""
    if name in ("raw-margins", "support-vectors"):
        margins = model.decision_function(rows)
        sign = 1 if name == "raw-margins" else -1  # skl2onnx negates that of SVC
        both = np.column_stack([-sign * margins, sign * margins])
        return {"classes": ["churn", "stay"], "kind": "unknown", "expected": both}
    if name == "ridge":
        return {"classes": ["churn", "stay"], "kind": "probability", "expected": model.decision_function(rows)}
    if not hasattr(model, "predict_proba"):
        return {"classes": None, "kind": "unknown", "expected": model.predict(rows)}
    labels = [str(int(label) if isinstance(label, np.bool_) else label) for label in model.classes_]
    return {"classes": labels, "kind": "probability", "expected": model.predict_proba(rows)}


WEIGHTS = np.array([[0.9, -0.4, 0.3, 0.2, -0.1]], dtype=np.float32).T


def nets():
    """Networks as exported by Keras and PyTorch, by name: nodes after `margin`, columns, kind, and the function that they compute."""
    node = helper.make_node
    one = helper.make_node("Constant", [], ["one"], value=numpy_helper.from_array(np.float32(1)))
    sigmoid = lambda margin: 1 / (1 + np.exp(-margin))  # noqa: E731
    pair = lambda margin: np.column_stack([1 - sigmoid(margin), sigmoid(margin)])  # noqa: E731
    both = [
        node("Neg", ["margin"], ["minus"]),
        node("Sub", ["margin", "margin"], ["zero"]),
        node("Concat", ["zero", "margin"], ["both"], axis=1),
    ]
    return {
        "net-sigmoid": ([node("Sigmoid", ["margin"], ["dense_1"])], "dense_1", "probability", sigmoid),
        "net-sigmoid-flat": (
            [node("Sigmoid", ["margin"], ["p"]), node("Flatten", ["p"], ["flat"])],
            "flat",
            "probability",
            sigmoid,
        ),
        "net-written-out": (
            [
                one,
                node("Neg", ["margin"], ["minus"]),
                node("Exp", ["minus"], ["power"]),
                node("Add", ["one", "power"], ["sum"]),
                node("Div", ["one", "sum"], ["y"]),
            ],
            "y",
            "probability",
            sigmoid,
        ),
        "net-softmax": ([*both[1:], node("Softmax", ["both"], ["y"], axis=1)], "y", "probability", pair),
        # Named like a probability, but the graph does not show that it is one.
        "net-named": (
            [node("Tanh", ["margin"], ["probability"])],
            "probability",
            "unknown",
            np.tanh,
        ),
        "net-tail": (
            [one, node("Sigmoid", ["margin"], ["p"]), node("Mul", ["p", "one"], ["y"])],
            "y",
            "unknown",
            sigmoid,
        ),
    }


def net(nodes, output):
    start = helper.make_node("MatMul", ["x", "weights"], ["margin"])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 5])
    y = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", None])
    return helper.make_graph([start, *nodes], "net", [x], [y], [numpy_helper.from_array(WEIGHTS, "weights")])


def refused():
    """Graphs that must be rejected, by their defect."""
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


def save(name, graph):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    (folder / f"{name}.onnx").write_bytes(model.SerializeToString())


def main():
    folder.mkdir(exist_ok=True)
    models = {}
    for name, (model, labels, options) in SKLEARN.items():
        model.fit(X, labels)
        graph = to_onnx(model, X[:1], options={id(model): options} if options else None, target_opset=15)
        (folder / f"{name}.onnx").write_bytes(graph.SerializeToString())
        models[name] = facts(name, model)
    for name, (model, labels) in CATBOOST.items():
        model.fit(X, labels)
        model.save_model(str(folder / f"{name}.onnx"), format="onnx")
        models[name] = facts(name, model)
    for name, (model, labels, options) in TREES.items():
        model.fit(X, labels)
        types = {"initial_types": [("input", FloatTensorType([None, 5]))], "target_opset": 15}
        convert = onnxmltools.convert_xgboost if options is None else onnxmltools.convert_lightgbm
        graph = convert(model, **types, **(options or {}))
        (folder / f"{name}.onnx").write_bytes(graph.SerializeToString())
        models[name] = facts(name, model)
    for name, (nodes, output, kind, function) in nets().items():
        save(name, net(nodes, output))
        models[name] = {"classes": None, "kind": kind, "expected": function(rows.astype(float) @ WEIGHTS.astype(float))}
    for name, graph in refused().items():
        save(f"refused-{name}", graph)
    for model in models.values():
        model["expected"] = np.asarray(model["expected"], dtype=float).ravel().tolist()
    document = {"rows": rows.ravel().tolist(), "models": models}
    (folder / "expected.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
