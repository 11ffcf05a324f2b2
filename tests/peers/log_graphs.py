"""Logs ONNX files with MLflow's own client, each as the next version of one registered model.

Arguments: experiment's name, registered model's name, and the files. Prints a JSON object of versions by file.
"""

import json
import sys

import mlflow
import numpy
import onnx
import pandas
from mlflow.models import infer_signature

experiment_name, name, *files = sys.argv[1:]
frame = pandas.DataFrame(numpy.zeros((1, 5)) + 0.5, columns=[f"x{index}" for index in range(5)])
mlflow.set_experiment(experiment_name)
versions = {}
for file in files:
    with mlflow.start_run():
        logged = mlflow.onnx.log_model(
            onnx.load(file),
            name="churn_model",
            signature=infer_signature(frame),
            registered_model_name=name,
            pip_requirements=[],
        )
    versions[file] = int(logged.registered_model_version)
print(json.dumps(versions))
