"""Reads, with MLflow's own client, a model that log-model registered and promote promoted; prints what came out as JSON.

Arguments: registered model's name, native model file, sample (JSON Lines), a CSV file to write the sample to.
The expected scores are XGBoost's own, of the native file that was given to log-model.
"""

import json
import sys

import mlflow
import numpy
import onnxruntime
import pandas
import xgboost
from mlflow.models import infer_signature

name, model_file, sample_file, csv_file = sys.argv[1:5]

booster = xgboost.Booster(model_file=model_file)
sample = pandas.read_json(sample_file, lines=True).drop(columns="player_id")
features = sample.reindex(columns=booster.feature_names or list(sample.columns))
expected = booster.predict(xgboost.DMatrix(features.astype("float32")))


def difference(scores):
    scores = numpy.asarray(scores, dtype="float64").reshape(-1)
    assert scores.shape == expected.shape, (scores.shape, expected.shape)
    return float(numpy.max(numpy.abs(scores - expected)))


def refusal(data):
    try:
        model.predict(data)
        return None
    except mlflow.exceptions.MlflowException as error:
        return str(error)


by_stage = f"models:/{name}/Production"
model = mlflow.pyfunc.load_model(by_stage)
champion = mlflow.pyfunc.load_model(f"models:/{name}@champion")
required = "months_active"  # has no missing values in the sample
shuffled = sample[list(reversed(sample.columns))].assign(unknown=1)

session = onnxruntime.InferenceSession(
    mlflow.onnx.load_model(by_stage).SerializeToString(), providers=["CPUExecutionProvider"]
)
matrix = features.astype("float32").to_numpy()
native = mlflow.xgboost.load_model(by_stage)
served = model.predict(model.input_example)
sample.to_csv(csv_file, index=False)

print(
    json.dumps(
        {
            "mlflow": mlflow.__version__,
            "rows": len(sample),
            "spread": float(expected.max() - expected.min()),
            "differences": {
                "pyfunc by stage": difference(model.predict(sample)),
                "pyfunc by alias": difference(champion.predict(sample)),
                "pyfunc with columns in another order": difference(model.predict(shuffled)),
                "onnx": difference(session.run(None, {session.get_inputs()[0].name: matrix})[-1]),
                "xgboost": difference(native.predict(xgboost.DMatrix(features.astype("float32")))),
            },
            "missing": refusal(sample.drop(columns=required)),
            "wrong_type": refusal(sample.assign(**{required: "many"})),
            "infers_same": infer_signature(features).inputs == model.metadata.get_input_schema(),
            "outputs": model.metadata.get_output_schema().to_dict(),
            "example_scores": [float(score) for score in served],
            "scores": [float(score) for score in model.predict(sample)],
            "run_id": model.metadata.run_id,
        }
    )
)
