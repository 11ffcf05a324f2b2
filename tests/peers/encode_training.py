"""What models/recipe.py makes of rows, for tests/scripts/recipe_test.ts.

encode_training.py MODELS CASES

MODELS is the folder of train.py. Prints a list: per case of the JSON file CASES (`files`, `recipe`, and `columns`, the
model's) the matrix of each file, null for missing, or the text with which training ends.
"""

import json
import sys

import pandas as pd

sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from pathlib import Path

from recipe import apply_recipe, labels_of
from settings import Settings
from train import read_rows


def encode(path, case):
    recipe, columns = case["recipe"], case["columns"]
    names = [column["name"] for column in columns]
    steps, one_hot = recipe.get("steps", []), recipe.get("one_hot", [])
    settings = Settings("churned", "player_id", Path(), steps, one_hot, None)
    try:
        rows = read_rows(Path(path), settings.id_column, labels_of(settings, names))
        rows = apply_recipe(rows, settings, names)
    except SystemExit as error:
        return str(error)
    for column in columns:
        if "labels" in column:
            codes = {label: code for code, label in enumerate(column["labels"])}
            rows[column["name"]] = rows[column["name"]].map(codes)
    matrix = rows[names].astype(float).astype("float32").to_numpy()
    return [[None if pd.isna(cell) else float(cell) for cell in row] for row in matrix]


print(json.dumps([[encode(path, case) for path in case["files"]] for case in json.loads(Path(sys.argv[2]).read_text())]))
