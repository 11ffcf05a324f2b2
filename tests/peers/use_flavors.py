"""Loads logged models with mlflow.pyfunc and serves them; prints as JSON, per model, its loader and the scores by each way.

Arguments: a folder of model folders (NAME), a folder of samples (NAME.jsonl). Ways: the input example,
`validate_serving_input`, a POST to `/invocations` with the serving input example, and the whole sample as pandas frames,
texts as pandas reads them and as objects. `unseen` is the score of a text that no training row had, or the error.
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
import pandas as pd
from mlflow.models import validate_serving_input
from mlflow.pyfunc import scoring_server

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
folder, samples = sys.argv[1:3]


def flat(scores):
    return np.asarray(scores, dtype="float64").reshape(-1).tolist()


def flat_answer(answer):
    cells = answer["predictions"]
    return [float(next(iter(c.values()))) if isinstance(c, dict) else float(c) for c in np.ravel(cells).tolist()]


def serve(model, body):
    app = scoring_server.init(model)
    if hasattr(app, "test_client"):  # MLflow 2 serves with Flask
        answer = app.test_client().post("/invocations", data=body, content_type="application/json")
        return json.loads(answer.data)
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
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


def read_sample(name, schema):
    """The sample with the types that the signature asks for where pandas cannot know them."""
    frame = pd.DataFrame([json.loads(line) for line in open(f"{samples}/{name}.jsonl")]).drop(columns="player_id")
    for column, kind in zip(schema.input_names(), schema.input_types()):
        if kind.name == "double":
            frame[column] = frame[column].astype("float64")
        if kind.name == "string" and frame[column].isna().all():
            frame[column] = frame[column].astype(object)
    return frame


def as_objects(frame):
    return frame.assign(
        **{
            c: pd.Series([None if pd.isna(v) else v for v in frame[c]], dtype=object)
            for c in frame.columns
            if not pd.api.types.is_numeric_dtype(frame[c])
        }
    )


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
    sample = read_sample(name, model.metadata.get_input_schema())
    attempt("frame", lambda: flat(model.predict(sample)))
    attempt("frame of objects", lambda: flat(model.predict(as_objects(sample))))
    known = dict(ways)
    if "brand" in sample:
        for way, brand in (("unseen", "never seen"), ("missing", None)):
            one = as_objects(sample.head(1)).assign(brand=pd.Series([brand], dtype=object))
            attempt(way, lambda: flat(model.predict(one)))
    found[name] = {
        "loader": model.loader_module,
        "ways": known,
        "unseen": ways.get("unseen"),
        "missing": ways.get("missing"),
    }
print(json.dumps(found))
