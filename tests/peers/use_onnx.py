"""Uses logged ONNX models as Python's MLflow does; prints as JSON, by folder, the scores of each way and scikit-learn's metrics.

Arguments: a JSON file with a list of {"name", "folder", "rows", "column", "ours"}: the model's folder, a file of JSON
lines with the outcome `churned`, the column of the churn class in the graph's own output, and the scores that this
project stored (for scikit-learn's metrics).
"""

import json
import logging
import sys
import warnings

import mlflow
import numpy as np
import onnxruntime
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, validate_serving_input
from sklearn import metrics

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


def read(path, schema):
    frame = pd.DataFrame([json.loads(line) for line in open(path)])
    for name, kind in zip(schema.input_names(), schema.input_types()):
        if kind.name == "double":
            frame[name] = frame[name].astype("float64")
    return frame


def feeds(session, frame):
    """The frame as the graph itself declares it, as a person would feed it by hand."""
    types = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64", "tensor(bool)": "bool"}
    inputs = session.get_inputs()
    if len(inputs) == 1:
        kind = types.get(inputs[0].type, object)
        return {inputs[0].name: frame.to_numpy(dtype=kind)}
    return {
        i.name: frame[i.name].astype(object).to_numpy(dtype=types.get(i.type, object)).reshape([-1] + [1] * (len(i.shape) - 1))
        for i in inputs
    }


def own_output(session, frame, column):
    *_, last = session.run(None, feeds(session, frame))
    if isinstance(last, list):  # ZipMap: a map per row
        return [float(list(row.values())[column]) for row in last]
    last = np.asarray(last)
    return last.reshape(len(frame), -1)[:, column].astype(float).tolist()


found = {}
for case in json.load(open(sys.argv[1])):
    folder = case["folder"]
    schema = Model.load(folder).get_input_schema()
    frame = read(case["rows"], schema)
    columns = frame[schema.input_names()]
    graph = mlflow.onnx.load_model(folder)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    model = mlflow.pyfunc.load_model(folder)
    flat = lambda scores: np.asarray(scores, dtype=float).reshape(-1).tolist()  # noqa: E731
    scores = flat(model.predict(columns))
    try:
        model.predict(columns.drop(columns=columns.columns[0]))
        enforced = "a frame without its first column was accepted"
    except MlflowException as error:
        enforced = str(error)
    result = {
        "graph": own_output(session, columns, case["column"]),
        "pyfunc": scores,
        "example": flat(model.predict(model.input_example)),
        "serving": flat(validate_serving_input(folder, open(f"{folder}/serving_input_example.json").read())),
        "enforced": enforced,
        "loader": model.loader_module,
    }
    if case["ours"]:
        outcome = frame["churned"]
        stored = np.asarray(case["ours"], dtype="float64")
        result["metrics"] = {
            "auc": metrics.roc_auc_score(outcome, stored),
            "log_loss": metrics.log_loss(outcome, stored),
            "brier": metrics.brier_score_loss(outcome, stored),
            "accuracy": metrics.accuracy_score(outcome, stored >= 0.5),
            "precision": metrics.precision_score(outcome, stored >= 0.5),
            "recall": metrics.recall_score(outcome, stored >= 0.5),
        }
    found[case["name"]] = result
print(json.dumps(found))
