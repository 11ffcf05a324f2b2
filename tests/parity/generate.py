"""Trains the models of the parity test and writes the library's scores.

    python generate.py FOLDER

Writes to FOLDER index.json and, per model, its file and little-endian matrices: NAME.rows (float32),
NAME.margins (float32 for XGBoost, double for LightGBM), NAME.predictions (float32).
"""

import json
import pathlib
import platform
import sys
import time

import lightgbm
import numpy as np
import xgboost

import lightgbm_models
import xgboost_models


def write(folder, stem, arrays):
    rows, margins, predictions = arrays
    margin_type = "<f4" if stem.startswith("xgboost") else "<f8"
    (folder / f"{stem}.rows").write_bytes(rows.astype("<f4").tobytes())
    (folder / f"{stem}.margins").write_bytes(np.asarray(margins).astype(margin_type).tobytes())
    (folder / f"{stem}.predictions").write_bytes(np.asarray(predictions).astype("<f4").tobytes())
    return {"rows": len(rows), "features": rows.shape[1]}


def main(folder):
    entries = []
    started = time.time()
    for library, source, cases in [
        ("xgboost", xgboost_models, xgboost_models.newest()),
        ("lightgbm", lightgbm_models, lightgbm_models.cases()),
    ]:
        for number, case in enumerate(cases):
            model, *arrays = source.train(case, number)
            stem = f"{library}-{number:03d}"
            suffix = ("ubj", "json")[number % 2] if library == "xgboost" else "txt"
            model.save_model(folder / f"{stem}.{suffix}")
            facts = {"library": library, "name": source.name_of(case), "stem": stem, "file": f"{stem}.{suffix}", "case": case}
            entries.append({**facts, **write(folder, stem, arrays)})
    versions = {"xgboost": xgboost.__version__, "lightgbm": lightgbm.__version__, "numpy": np.__version__, "python": platform.python_version()}
    (folder / "index.json").write_text(json.dumps({"versions": versions, "models": entries}))
    print(len(entries), "models in", round(time.time() - started, 1), "s")


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    main(target)
