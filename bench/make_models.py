"""Trains the models of the benchmark and draws its matrix, all from one seed.

Usage: python make_models.py FOLDER. Writes NAME.ubj and NAME.json (the same
model twice, as not every peer reads both), matrix.f32 and models.json.
"""

import json
import sys
from pathlib import Path

import numpy as np
import xgboost as xgb

FEATURES = 45
ROWS = 500_000
MULTI = {"objective": "multi:softprob", "num_class": 5}
SHAPES = {
    "10x3": (10, 3, {}),
    "150x6": (150, 6, {}),
    "1000x8": (1000, 8, {}),
    "100x6, 5 classes": (100, 6, MULTI),
}


def draw(random: np.random.Generator, rows: int) -> np.ndarray:
    """Fifteen continuous features, five whole numbers, 25 flags; 3 % missing."""
    matrix = random.normal(size=(rows, FEATURES)).astype(np.float32)
    matrix[:, 15:20] = random.integers(0, 50, (rows, 5))
    matrix[:, 20:] = random.random((rows, 25)) < 0.3
    matrix[random.random((rows, FEATURES)) < 0.03] = np.nan
    return matrix


def outcome(random: np.random.Generator, matrix: np.ndarray) -> np.ndarray:
    """A score with interactions and noise, so that trees grow to their full depth."""
    x = np.nan_to_num(matrix)
    score = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + x[:, 3] ** 2 - x[:, 20]
    score += 0.05 * x[:, 15] + x[:, 4] * x[:, 21]
    score += 0.3 * x[:, 5:15].sum(axis=1) * x[:, 22]
    return score + random.normal(size=len(score))


def main(folder: Path) -> None:
    random = np.random.default_rng(7)
    matrix = draw(random, 40_000)
    score = outcome(random, matrix)
    classes = np.digitize(score, np.quantile(score, [0.2, 0.4, 0.6, 0.8]))
    models = []
    for name, (rounds, depth, more) in SHAPES.items():
        params = {"objective": "binary:logistic", "max_depth": depth, "eta": 0.1, "nthread": 2, **more}
        label = classes if more else score > np.median(score)
        booster = xgb.train(params, xgb.DMatrix(matrix, label=label), rounds)
        stem = name.split(",")[0]
        booster.save_model(folder / f"{stem}.ubj")
        booster.save_model(folder / f"{stem}.json")
        trees = booster.get_dump()
        leaves = sum(tree.count("leaf=") for tree in trees)
        models.append({"name": name, "stem": stem, "trees": len(trees), "leaves": leaves})
    draw(random, ROWS).tofile(folder / "matrix.f32")
    (folder / "models.json").write_text(json.dumps({"features": FEATURES, "rows": ROWS, "models": models}))


main(Path(sys.argv[1]))
