# /// script
# requires-python = ">=3.9,<3.12"
# dependencies = ["xgboost==3.2.0", "lightgbm==4.7.0", "numpy", "scipy", "scikit-learn"]
# ///
"""Makes tests/golden/fuzz/: the smallest models with every kind of node, which the fuzz test corrupts.

    uv run tests/golden/make_fuzz_seeds.py
"""

import pathlib
import sys
import warnings

import numpy as np

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here.parent / "parity"))
warnings.simplefilter("ignore")

import lightgbm_models  # noqa: E402
import xgboost_models  # noqa: E402

XGBOOST = {
    "logistic": {"objective": "binary:logistic", "booster": "gbtree", "max_depth": 2, "missing": True},
    "categories": {"objective": "reg:squarederror", "booster": "gbtree", "max_depth": 2, "missing": True, "categorical": True, "max_cat_to_onehot": 1},
    "dart": {"objective": "multi:softprob", "booster": "dart", "max_depth": 1, "missing": True},
    "linear": {"objective": "count:poisson", "booster": "gblinear", "missing": True},
    "vectors": {"objective": "reg:squarederror", "booster": "gbtree", "max_depth": 1, "missing": True, "targets": 2, "multi_strategy": "multi_output_tree"},
}
LIGHTGBM = {
    "binary": {"objective": "binary", "boosting": "gbdt", "missing": "nan", "num_leaves": 4},
    "classes": {"objective": "multiclass", "boosting": "gbdt", "missing": "zero", "num_leaves": 3, "categorical": True},
}


def main():
    folder = here / "fuzz"
    folder.mkdir(exist_ok=True)
    for number, (name, case) in enumerate(XGBOOST.items()):
        booster = xgboost_models.train({"rounds": 2, **case}, number, 10)[0]
        booster.save_model(folder / f"{name}.ubj")
        booster.save_model(folder / f"{name}.json")
    for number, (name, case) in enumerate(LIGHTGBM.items()):
        text = lightgbm_models.train({"rounds": 2, **case}, number, 10)[0].model_to_string()
        (folder / f"{name}.txt").write_text(text[: text.index("\nparameters:")] + "\n")  # drops a hundred lines of parameters
    print(sum(path.stat().st_size for path in folder.iterdir()), "bytes")


if __name__ == "__main__":
    np.random.seed(7)
    main()
