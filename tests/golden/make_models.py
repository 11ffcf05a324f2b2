# /// script
# requires-python = ">=3.9,<3.13"
# dependencies = ["numpy", "scipy", "scikit-learn"]
# ///
"""Makes tests/golden/models/: small models of old and new library versions, and their scores.

Run once per version (the argument names the library, the installed version the folder):

    uv run --with xgboost==1.0.2 --with 'numpy<2' --with 'scikit-learn<1.6' --with 'setuptools<80' tests/golden/make_models.py xgboost
    uv run --with xgboost==1.6.2 --with 'numpy<2' --with 'scikit-learn<1.6' --with 'setuptools<80' tests/golden/make_models.py xgboost
    uv run --with xgboost==1.7.6 --with 'numpy<2' --with 'scikit-learn<1.6' tests/golden/make_models.py xgboost
    uv run --with xgboost==2.1.4 --with 'scikit-learn<1.6' tests/golden/make_models.py xgboost
    uv run --with xgboost==3.0.5 --with 'scikit-learn<1.6' tests/golden/make_models.py xgboost
    uv run --with xgboost==3.1.3 tests/golden/make_models.py xgboost
    uv run --with xgboost==3.2.0 tests/golden/make_models.py xgboost
    uv run --python 3.12 --with xgboost==3.3.0 tests/golden/make_models.py xgboost
    uv run --python 3.12 --with xgboost==3.4.1 tests/golden/make_models.py xgboost
    uv run --with lightgbm==3.3.5 --with 'numpy<2' --with 'scikit-learn<1.6' tests/golden/make_models.py lightgbm
    uv run --with lightgbm==4.7.0 tests/golden/make_models.py lightgbm

expected.json has, per model, rows, margins and predictions as base64 of little-endian
numbers: float32, except LightGBM's margins, which are doubles.
"""

import base64
import importlib
import json
import pathlib
import sys
import warnings

import numpy

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here.parent / "parity"))
warnings.simplefilter("ignore")
for word, meaning in (("float", float), ("bool", bool), ("int", int)):  # NumPy names that XGBoost 1.0 uses
    if not hasattr(numpy, word):
        setattr(numpy, word, meaning)

XGBOOST = [
    {"objective": "binary:logistic", "booster": "gbtree", "max_depth": 4, "missing": True},
    {"objective": "binary:logistic", "booster": "gbtree", "max_depth": 3, "missing": False, "base_score": 0.1},
    {"objective": "binary:logistic", "booster": "gbtree", "max_depth": 3, "missing": True, "num_parallel_tree": 2, "subsample": 0.7},
    {"objective": "binary:logistic", "booster": "gbtree", "max_depth": 5, "missing": True, "tree_method": "exact", "gamma": 2.0},
    {"objective": "binary:logistic", "booster": "gbtree", "max_depth": 4, "missing": True, "early": "sklearn"},
    {"objective": "binary:logistic", "booster": "gbtree", "max_depth": 4, "missing": True, "early": "booster"},
    {"objective": "binary:logistic", "booster": "gbtree", "max_depth": 4, "missing": True, "categorical": True, "max_cat_to_onehot": 1, "tree_method": "hist"},
    {"objective": "reg:squarederror", "booster": "gbtree", "max_depth": 3, "missing": True, "categorical": True, "max_cat_to_onehot": 100, "tree_method": "hist"},
    {"objective": "reg:squarederror", "booster": "gbtree", "max_depth": 3, "missing": True, "targets": 3},
    {"objective": "binary:logistic", "booster": "dart", "max_depth": 3, "missing": True},
    {"objective": "binary:logistic", "booster": "gblinear", "missing": True},
    {"objective": "multi:softprob", "booster": "gbtree", "max_depth": 3, "missing": True},
    {"objective": "multi:softprob", "booster": "gblinear", "missing": True},
    {"objective": "multi:softmax", "booster": "gbtree", "max_depth": 3, "missing": True},
    {"objective": "count:poisson", "booster": "gbtree", "max_depth": 3, "missing": True},
    {"objective": "survival:cox", "booster": "gbtree", "max_depth": 3, "missing": True},
    {"objective": "survival:aft", "booster": "gbtree", "max_depth": 3, "missing": True},
    {"objective": "rank:ndcg", "booster": "gbtree", "max_depth": 3, "missing": True},
    {"objective": "reg:gamma", "booster": "gbtree", "max_depth": 3, "missing": True},
    {"objective": "binary:logitraw", "booster": "gbtree", "max_depth": 3, "missing": True},
]
# Supported by 1.0 to 1.6; without infinities, which these versions predict differently.
OLD = [
    {"objective": objective, "booster": booster, "missing": True, "finite": True, **({} if booster == "gblinear" else {"max_depth": 3})}
    for objective in ("binary:logistic", "multi:softprob", "count:poisson", "reg:squarederror")
    for booster in ("gbtree", "dart", "gblinear")
] + [{"objective": "binary:logistic", "booster": "gbtree", "max_depth": 5, "missing": True, "finite": True, "tree_method": "exact", "gamma": 2.0}]
# Base scores with margin 0, for 1.0 to 1.2, which added the base margin last and so got other last bits.
ZERO_MARGIN = {"binary:logistic": 0.5, "multi:softprob": 0.0, "count:poisson": 1.0, "reg:squarederror": 0.0}
VECTORS = {"objective": "reg:squarederror", "booster": "gbtree", "max_depth": 3, "missing": True, "targets": 3, "multi_strategy": "multi_output_tree", "tree_method": "hist"}
# An objective of 3.3, quantiles that 3.4 sorts, and DART's weights where 3.3 and 3.4 write them.
NEWEST = [
    {"objective": "reg:expectileerror", "booster": "gbtree", "max_depth": 3, "missing": True, "expectile_alpha": 0.3},
    {"objective": "reg:quantileerror", "booster": "gbtree", "max_depth": 3, "missing": True, "quantile_alpha": [0.1, 0.5, 0.9]},
    {"objective": "multi:softprob", "booster": "dart", "max_depth": 3, "missing": True},
]
LIGHTGBM = [
    {"objective": "binary", "boosting": "gbdt", "missing": "nan"},
    {"objective": "binary", "boosting": "gbdt", "missing": "zero"},
    {"objective": "regression", "boosting": "gbdt", "missing": "none"},
    {"objective": "multiclass", "boosting": "gbdt", "missing": "nan"},
    {"objective": "multiclassova", "boosting": "gbdt", "missing": "nan", "categorical": True},
    {"objective": "poisson", "boosting": "rf", "missing": "nan"},
    {"objective": "lambdarank", "boosting": "dart", "missing": "zero"},
]


def text(array, kind):
    return base64.b64encode(array.astype(kind).tobytes()).decode()


def main(library):
    module = importlib.import_module(library)
    source = importlib.import_module(f"{library}_models")
    version = module.__version__
    is_old = library == "xgboost" and version < "1.7"
    cases = OLD if is_old else XGBOOST if library == "xgboost" else LIGHTGBM
    if library == "xgboost" and version >= "2":
        cases = [*cases, VECTORS]
    if library == "xgboost" and version >= "3.3":
        cases = [*cases, *NEWEST]
    if is_old and version < "1.3":
        cases = [{**case, "base_score": ZERO_MARGIN[case["objective"]]} for case in OLD]
    folder = here / "models" / f"{library}-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for number, case in enumerate(cases):
        model, rows, margins, predictions = source.train({"rounds": 5, **case}, number, 100)
        file = f"{number:02d}.{'txt' if library == 'lightgbm' else 'json' if is_old or number % 4 == 3 else 'ubj'}"
        model.save_model(str(folder / file))
        margin_type = "<f4" if library == "xgboost" else "<f8"
        entry = {"name": source.name_of(case), "file": file, "rows": text(rows, "<f4"), "margins": text(margins, margin_type)}
        entries.append({**entry, "predictions": text(predictions, "<f4")})
    (folder / "expected.json").write_text(json.dumps({"library": library, "version": version, "models": entries}, indent=1) + "\n")
    print(folder.name, len(entries), "models")


if __name__ == "__main__":
    main(sys.argv[1])
