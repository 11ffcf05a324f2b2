"""Scores model files, which may be corrupt, with XGBoost and LightGBM.

    python score_files.py FOLDER

FOLDER/index.json lists {"file", "rows", "features"}; FOLDER/FILE.rows has little-endian float32 rows. Each file is
read in a child process, because a library may crash or hang. Writes FOLDER/verdicts.json with, per file,
{"margins": base64 of float32 (LightGBM: double)}, {"rejected": message} or {"crashed": status}.
"""

import base64
import json
import os
import pathlib
import resource
import signal
import sys

import lightgbm as lgb
import numpy as np
import xgboost as xgb


def score(folder, entry):
    rows = np.fromfile(folder / f"{entry['file']}.rows", "<f4").reshape(entry["rows"], entry["features"])
    if entry["file"].endswith(".txt"):
        return lgb.Booster(model_file=str(folder / entry["file"])).predict(rows, raw_score=True, num_threads=1).astype("<f8")
    booster = xgb.Booster({"nthread": 1})
    booster.load_model(str(folder / entry["file"]))
    types = ["c" if kind == "c" else "float" for kind in booster.feature_types] if booster.feature_types else None
    data = xgb.DMatrix(rows, feature_names=booster.feature_names, feature_types=types, enable_categorical=True, nthread=1)
    return booster.predict(data, output_margin=True).astype("<f4")


def child(folder, entry, pipe):
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(2)
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    try:
        verdict = {"margins": base64.b64encode(score(folder, entry).tobytes()).decode()}
    except Exception as error:
        verdict = {"rejected": str(error)[:300]}
    os.write(pipe, json.dumps(verdict).encode())
    os._exit(0)


def score_in_child(folder, entry):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        child(folder, entry, write)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        verdict = stream.read()
    _, status = os.waitpid(pid, 0)
    return json.loads(verdict) if verdict else {"crashed": status}


def main(folder):
    entries = json.loads((folder / "index.json").read_text())
    verdicts = {entry["file"]: score_in_child(folder, entry) for entry in entries}
    (folder / "verdicts.json").write_text(json.dumps(verdicts))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
