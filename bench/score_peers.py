"""The Python peers of the benchmark: one JSON command a line in, one JSON answer a line out.

Usage: python score_peers.py FOLDER FEATURES
"""

import hashlib
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import tl2cgen
import treelite
import xgboost

# Answers alone go to stdout: the libraries' own messages are moved to stderr.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

folder = Path(sys.argv[1])
matrix = np.fromfile(folder / "matrix.f32", dtype=np.float32).reshape(-1, int(sys.argv[2]))


def open_xgboost(stem: str):
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray((folder / f"{stem}.ubj").read_bytes()))
    booster.set_param({"nthread": 1})
    return booster.inplace_predict


def open_gtil(stem: str):
    model = treelite.frontend.load_xgboost_model(folder / f"{stem}.json")
    return lambda rows: treelite.gtil.predict(model, rows, nthread=1)


def open_tl2cgen(stem: str):
    """Compiled once; the library is kept beside the model."""
    source = folder / f"{stem}.json"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    library = folder / f"{stem}-{digest}.so"
    if not library.exists():
        model = treelite.frontend.load_xgboost_model(source)
        params = {"parallel_comp": 32, "quantize": 1}
        tl2cgen.export_lib(model, toolchain="gcc", libpath=library, params=params, nthread=2)
    predictor = tl2cgen.Predictor(library, nthread=1)
    copies = {}  # its own copy of the rows is made once, and not counted

    def predict(rows):
        if len(rows) not in copies:
            copies[len(rows)] = tl2cgen.DMatrix(rows, dtype="float32")
        return predictor.predict(copies[len(rows)])

    return predict


def open_onnxruntime(stem: str):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / f"{stem}.onnx", options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    output = [o.name for o in session.get_outputs() if o.type == "tensor(float)"][-1]
    return lambda rows: session.run([output], {name: rows})[0]


OPENERS = {
    "XGBoost": open_xgboost,
    "treelite GTIL": open_gtil,
    "tl2cgen": open_tl2cgen,
    "onnxruntime": open_onnxruntime,
}
opened = {}


def answer(command: dict) -> dict:
    if command["do"] == "versions":
        packages = {"XGBoost": "xgboost", "treelite GTIL": "treelite", "tl2cgen": "tl2cgen", "onnxruntime": "onnxruntime"}
        return {name: version(package) for name, package in packages.items()}
    key = (command["engine"], command["stem"])
    if command["do"] == "open":
        start = time.perf_counter()
        opened[key] = OPENERS[command["engine"]](command["stem"])
        opened[key](matrix[:1])
        return {"openMs": (time.perf_counter() - start) * 1000}
    if command["do"] == "close":
        del opened[key]
        return {}
    predict, rows = opened[key], matrix[: command["rows"]]
    if command["do"] == "scores":
        return {"scores": np.asarray(predict(rows), dtype=np.float32).ravel().tolist()}
    times, seconds = 0, 0.0
    start = time.perf_counter()
    while seconds < command["seconds"]:
        predict(rows)
        times += 1
        seconds = time.perf_counter() - start
    return {"rowsPerSecond": len(rows) * times / seconds}


def say(value: dict) -> None:
    print(json.dumps(value), file=answers, flush=True)


say({"ready": True})
for line in sys.stdin:
    say(answer(json.loads(line)))
