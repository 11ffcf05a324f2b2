"""Loads logged models with mlflow.pyfunc and serves them; prints as JSON, per model, its loader and the scores by each way.

Argument: a folder of model folders. Ways: the input example, `validate_serving_input` and a POST to `/invocations` with the
serving input example.
"""

import json
import logging
import os
import sys
import threading
import time
import urllib.request
import warnings

import mlflow
import numpy as np
import uvicorn
from mlflow.models import validate_serving_input
from mlflow.pyfunc import scoring_server

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
folder = sys.argv[1]


def flat(scores):
    return np.asarray(scores, dtype="float64").reshape(-1).tolist()


def flat_answer(answer):
    cells = answer["predictions"]
    return [float(next(iter(c.values()))) if isinstance(c, dict) else float(c) for c in np.ravel(cells).tolist()]


def serve(model, body):
    server = uvicorn.Server(uvicorn.Config(scoring_server.init(model), host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", body.encode(), {"Content-Type": "application/json"}
        )
        return json.load(urllib.request.urlopen(request))
    finally:
        server.should_exit = True
        thread.join()


found = {}
for name in sorted(os.listdir(folder)):
    path = f"{folder}/{name}"
    serving = open(f"{path}/serving_input_example.json").read()
    ways = {}
    loader = None

    def attempt(way, step):
        try:
            ways[way] = step()
        except Exception as error:
            ways[way] = f"{type(error).__name__}: {error}"[:400]

    model = mlflow.pyfunc.load_model(path)
    attempt("input example", lambda: flat(model.predict(model.input_example)))
    attempt("validate_serving_input", lambda: flat(validate_serving_input(path, serving)))
    attempt("invocations", lambda: flat_answer(serve(model, serving)))
    found[name] = {"loader": model.loader_module, "ways": ways}
print(json.dumps(found))
