# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "joblib==1.6.0",
#   "numpy==2.4.6",
#   "pandas==3.1.1",
#   "scikit-learn==1.9.1",
#   "scipy==1.17.1",
#   "xgboost==3.2.0",
# ]
#
# [tool.uv]
# # CUDA's communication library, 200 MB, which training on a CPU never loads.
# override-dependencies = ["nvidia-nccl-cu12 ; sys_platform == 'never'"]
# ///
r"""Trains churn models; the same run twice writes the same bytes.

    uv run models/train.py
    uv run models/train.py --variant geography-us --training FILE --output DIR \
        --training-date 2026-12-07 [--evaluation FILE]

The first form remakes everything that is shipped: data, models, manifests, the
tables of models/README.md and the expectations under tests/golden. The second
trains one model from a labelled JSON Lines file and writes
`xgb_churn_model_2.bin` and `manifest.json` into DIR, nothing else.
"""

import argparse
import datetime
import hashlib
import json
from pathlib import Path

import generate
import numpy as np
import pandas as pd
import readme
import sklearn
import sklearn.metrics
import xgboost
from players import VARIANTS, Variant, draw_split

MODEL_NAME = "xgb_churn_model_2.bin"
MANIFEST_NAME = "manifest.json"
LABEL = "churned"

# The day of the snapshot that the shipped models stand for: fixed, so that bytes are too.
SHIPPED_TRAINING_DATE = "2026-11-16"
GOLDEN_SCORES = 50
# Metrics are sums of logarithms, whose last digits may differ between processors.
METRIC_DIGITS = 10

PARAMETERS = {
    "objective": "binary:logistic",
    "n_estimators": 120,
    "max_depth": 4,
    "learning_rate": 0.06,
    "min_child_weight": 10,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
    "tree_method": "hist",
    "random_state": 2026,
    "n_jobs": 1,  # one thread adds gradients in one order
}


def main() -> None:
    """Retrains one model from a file, or remakes all that is shipped."""
    options = parse_options()
    if options.training is not None:
        retrain(options)
        return
    generate.write_all()
    manifests = {variant.key: train_shipped(variant) for variant in VARIANTS}
    write_json(generate.GOLDEN / "shipped_scores.json", golden_scores())
    readme.update(manifests)


def parse_options() -> argparse.Namespace:
    """The command line's options; retraining needs all of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variant", help="the variant's name, for the manifest")
    parser.add_argument("--training", type=Path, help="labelled JSON Lines file to train from")
    parser.add_argument("--output", type=Path, help="folder for the model and its manifest")
    parser.add_argument("--training-date", type=iso_date, help="YYYY-MM-DD, in UTC")
    parser.add_argument("--evaluation", type=Path, help="labelled file that is not trained on")
    parser.add_argument("--features", type=Path, help="feature names (default: data/churn)")
    options = parser.parse_args()
    needed = [options.variant, options.training, options.output, options.training_date]
    if any(needed) and not all(needed):
        parser.error("retraining needs --variant, --training, --output and --training-date")
    return options


def iso_date(text: str) -> str:
    """The same date, or an error that argparse shows."""
    return datetime.date.fromisoformat(text).isoformat()


def retrain(options: argparse.Namespace) -> None:
    """Trains from a file, and writes the model and its manifest into a folder."""
    names_path = options.features or generate.data_folder(VARIANTS[0]) / generate.FEATURES_NAME
    names = json.loads(names_path.read_text())
    players = read_lines(options.training)
    model = fit(to_features(players, names), to_labels(players))
    options.output.mkdir(parents=True, exist_ok=True)
    save(model, options.output / MODEL_NAME)
    files = {"model": options.output / MODEL_NAME, "features": names_path}
    source = {"name": options.training.name, "sha256": sha256(options.training)}
    manifest = describe(options.variant, options.training_date, model)
    manifest["training"] = summary(to_labels(players)) | source
    if options.evaluation is not None:
        files["evaluation"] = options.evaluation
        manifest["metrics"] = evaluate(model, options.evaluation)
    manifest["files"] = {role: describe_file(path) for role, path in files.items()}
    write_json(options.output / MANIFEST_NAME, manifest)


def train_shipped(variant: Variant) -> dict:
    """Trains a variant's model on its synthetic players; gives back the manifest."""
    players = draw_split(variant, "training")
    model = fit(generate.encode(players), players[LABEL])
    files = shipped_files(variant)
    files["model"].parent.mkdir(parents=True, exist_ok=True)
    save(model, files["model"])
    manifest = describe(variant.key, SHIPPED_TRAINING_DATE, model)
    manifest["geography"], manifest["company"] = variant.geography, variant.company
    manifest["training"] = summary(players[LABEL]) | {"players_seed": variant.seed}
    manifest["metrics"] = evaluate(model, files["evaluation"])
    manifest["files"] = {role: describe_file(path) for role, path in files.items()}
    weeks = [generate.week_file(variant, week) for week in generate.WEEKS]
    manifest["weekly"] = [describe_file(path) for path in weeks]
    write_json(files["model"].parent / MANIFEST_NAME, manifest)
    return manifest


def shipped_files(variant: Variant) -> dict[str, Path]:
    """Where the repository keeps the variant's four files."""
    data = generate.data_folder(variant)
    return {
        "model": generate.ROOT / "models" / variant.prefix / "churn" / MODEL_NAME,
        "features": data / generate.FEATURES_NAME,
        "sample": data / generate.SAMPLE_NAME,
        "evaluation": data / generate.EVALUATION_NAME,
    }


def fit(features: pd.DataFrame, labels: pd.Series) -> xgboost.XGBClassifier:
    """A classifier that has been trained with all of its rounds: no early stopping."""
    return xgboost.XGBClassifier(**PARAMETERS).fit(features, labels)


def save(model: xgboost.XGBClassifier, path: Path) -> None:
    """Writes UBJSON, which XGBoost chooses by the suffix `.ubj`, under a name of ours."""
    written = path.with_suffix(".ubj")
    model.save_model(written)
    written.replace(path)


def read_lines(path: Path) -> pd.DataFrame:
    """The rows of a JSON Lines file; `null` becomes NaN."""
    with path.open() as lines:
        return pd.DataFrame([json.loads(line) for line in lines if line.strip()])


def to_features(players: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The named columns in that order, each of them numeric or boolean."""
    absent = [name for name in names if name not in players]
    if absent:
        raise SystemExit(f"Cannot train without the columns {', '.join(absent)}")
    features = players[names]
    empty = {name: float for name in names if features[name].isna().all()}
    features = features.astype(empty)
    wrong = [name for name in names if features[name].dtype.kind not in "bif"]
    if wrong:
        raise SystemExit(f"Cannot train on columns with text or gaps: {', '.join(wrong)}")
    return features


def to_labels(players: pd.DataFrame) -> pd.Series:
    """The column `churned`, which must hold both 0 and 1 and nothing else."""
    found = sorted(map(str, players[LABEL].unique())) if LABEL in players else []
    if found != ["0", "1"]:
        raise SystemExit(f'Cannot train: column "{LABEL}" must hold 0 and 1, found {found}')
    return players[LABEL].astype(int)


def predict(model: xgboost.XGBClassifier, players: pd.DataFrame) -> np.ndarray:
    """The chance of churn of each player, 32-bit floats as XGBoost gives them."""
    names = model.get_booster().feature_names
    return model.predict_proba(to_features(players, names))[:, 1]


def evaluate(model: xgboost.XGBClassifier, path: Path) -> dict[str, float]:
    """scikit-learn's metrics on a labelled file; a player above 0.5 counts as churning."""
    players = read_lines(path)
    labels, scores = to_labels(players), predict(model, players).astype(float)
    metrics = {
        "auc": sklearn.metrics.roc_auc_score(labels, scores),
        "log_loss": sklearn.metrics.log_loss(labels, scores),
        "brier": sklearn.metrics.brier_score_loss(labels, scores),
        "accuracy": sklearn.metrics.accuracy_score(labels, scores > 0.5),
        "precision": sklearn.metrics.precision_score(labels, scores > 0.5),
        "recall": sklearn.metrics.recall_score(labels, scores > 0.5),
    }
    rounded = {name: round(float(value), METRIC_DIGITS) for name, value in metrics.items()}
    return summary(labels) | rounded


def summary(labels: pd.Series) -> dict[str, float]:
    """How many rows, and the share of them that churned."""
    return {"rows": len(labels), "base_rate": round(float(labels.mean()), METRIC_DIGITS)}


def describe(variant: str, training_date: str, model: xgboost.XGBClassifier) -> dict:
    """The part of a manifest that every model has."""
    return {
        "variant": variant,
        "training_date": training_date,
        "seed": PARAMETERS["random_state"],
        "versions": {
            "numpy": np.__version__,
            "pandas": pd.__version__,
            "scikit-learn": sklearn.__version__,
            "xgboost": xgboost.__version__,
        },
        "trees": model.get_booster().num_boosted_rounds(),
        "parameters": PARAMETERS,
    }


def describe_file(path: Path) -> dict[str, str | int]:
    """A file's name, size and digest."""
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)}


def sha256(path: Path) -> str:
    """The digest of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def golden_scores() -> dict:
    """The first scores of each shipped sample, by the shipped model as it is read back."""
    scores = {variant.key: first_scores(variant) for variant in VARIANTS}
    return {"xgboost": xgboost.__version__, "rows": GOLDEN_SCORES, "scores": scores}


def first_scores(variant: Variant) -> list[float]:
    """Scores in the order of the sample; each is a 32-bit float, written exactly."""
    files = shipped_files(variant)
    model = xgboost.XGBClassifier()
    model.load_model(bytearray(files["model"].read_bytes()))
    return predict(model, read_lines(files["sample"]).head(GOLDEN_SCORES)).astype(float).tolist()


def write_json(path: Path, value: dict) -> None:
    """Indented JSON with a newline at the end."""
    path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
