"""Logs models with MLflow's own client, each as the next version of one registered model; prints what each should score.

Arguments: experiment's name, registered model's name, sample (JSON Lines). Prints a JSON list of
{"kind", "version", "scores"}; scores are the library's own probabilities, from the model as MLflow loads it
again, null where scoring must be refused.
"""

import json
import sys

import mlflow
import numpy
import onnx
import pandas
import xgboost
from mlflow.models import infer_signature
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

experiment_name, name, sample_file = sys.argv[1:4]
is_three = int(mlflow.__version__.split(".")[0]) >= 3

sample = pandas.read_json(sample_file, lines=True).drop(columns="player_id")
features = sample.astype("float32")
random = numpy.random.default_rng(7)
labels = (features.iloc[:, 3].fillna(0).to_numpy() * 0.2 + random.normal(size=len(features)) > 1).astype(int)
assert 0 < labels.sum() < len(labels)


def booster():
    data = xgboost.DMatrix(features, label=labels)
    return xgboost.train({"objective": "binary:logistic", "max_depth": 3, "seed": 7}, data, num_boost_round=12)


def classifier(**options):
    model = xgboost.XGBClassifier(n_estimators=40, max_depth=3, random_state=7, **options)
    half = len(features) // 2
    fit = {"eval_set": [(features[half:], labels[half:])], "verbose": False} if options else {}
    return model.fit(features[:half], labels[:half], **fit)


def logistic_graph():
    width = features.shape[1]
    weights = random.normal(size=(width, 1)).astype("float32") * 0.01
    filled = helper.make_node("Where", ["is_missing", "zero", "x"], ["filled"])
    nodes = [
        helper.make_node("IsNaN", ["x"], ["is_missing"]),
        filled,
        helper.make_node("MatMul", ["filled", "weights"], ["margin"]),
        helper.make_node("Sigmoid", ["margin"], ["probability"]),
    ]
    graph = helper.make_graph(
        nodes,
        "logistic",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(numpy.float32(0).reshape(1), "zero")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    zeros = features.fillna(0).to_numpy(dtype="float64")
    return model, 1 / (1 + numpy.exp(-(zeros @ weights.astype("float64")).reshape(-1)))


class Constant(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return numpy.full(len(model_input), 0.5)


def log(kind, flavor, model, score, **options):
    where = {"name": "churn_model"} if is_three else {"artifact_path": "churn_model"}
    key = {"pyfunc": "python_model", "onnx": "onnx_model", "sklearn": "sk_model", "xgboost": "xgb_model"}[flavor]
    signature = infer_signature(sample, numpy.zeros(1, dtype="float32"))
    with mlflow.start_run(run_name=kind):
        logged = getattr(mlflow, flavor).log_model(
            **{key: model}, **where, signature=signature, registered_model_name=name, pip_requirements=[], **options
        )
    scores = None if score is None else score(getattr(mlflow, flavor).load_model(logged.model_uri))
    out.append(
        {
            "kind": kind,
            "version": int(logged.registered_model_version),
            "scores": None if scores is None else [float(value) for value in scores],
        }
    )


def of_booster(model):
    return model.predict(xgboost.DMatrix(features))


def of_classifier(model):
    return model.predict_proba(features)[:, 1]


out = []
mlflow.set_experiment(experiment_name)
plain = booster()
for file_format in ["ubj", "json", "xgb"]:
    log(f"Booster {file_format}", "xgboost", plain, of_booster, model_format=file_format)
for file_format in ["ubj", "json"]:
    log(f"XGBClassifier {file_format}", "xgboost", classifier(), of_classifier, model_format=file_format)
stopped = classifier(early_stopping_rounds=2)
whole = stopped.get_booster()
assert stopped.best_iteration + 1 < whole.num_boosted_rounds(), "it did not stop early"
assert numpy.abs(of_booster(whole) - of_classifier(stopped)).max() > 1e-3, "its last rounds change nothing"
log("XGBClassifier stopped early", "xgboost", stopped, of_classifier)
log("Booster stopped early", "xgboost", whole, of_booster)
graph, scores = logistic_graph()
log("ONNX", "onnx", graph, lambda _: scores)
log("sklearn", "sklearn", LogisticRegression(max_iter=1000).fit(features.fillna(0), labels), None)
log("pyfunc", "pyfunc", Constant(), None)
print(json.dumps(out))
