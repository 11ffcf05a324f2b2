# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "joblib==1.6.0",
#   "numpy==2.4.6",
#   "pandas==3.1.1",
#   "pyarrow==26.0.1",
#   "ruamel.yaml==0.19.1",
#   "scikit-learn==1.9.1",
#   "scipy==1.17.1",
#   "xgboost==3.2.0",
# ]
#
# [tool.uv]
# # CUDA's communication library, 200 MB, which training on a CPU never loads.
# override-dependencies = ["nvidia-nccl-cu12 ; sys_platform == 'never'"]
# ///
r"""Trains models; the same run twice writes the same bytes.

    uv run models/train.py
    uv run models/train.py --variant geography-us --training FILE --output DIR \
        --training-date 2026-12-07 [--evaluation FILE] [--max-depth 4 ...]

The first form remakes everything that is shipped: data, models, manifests, the
tables of models/README.md and the expectations under tests/golden. The second
trains one model of any variant from labelled rows: CSV, Parquet, JSON Lines or a
JSON array, also with gzip. Label, id column, features and recipe are those of the
variant in variants.yaml. It writes `xgb_churn_model_2.bin` and `manifest.json`
into DIR, and `features.json` if no file names the features: they are then all
columns except label and id.
"""

import argparse
import datetime
import gzip
import hashlib
import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import generate
import numpy as np
import pandas as pd
import readme
import sklearn
import sklearn.metrics
import xgboost
from pandas._libs.parsers import STR_NA_VALUES
from players import VARIANTS, Variant, draw_split
from recipe import apply_recipe, labels_of
from settings import Settings, read_settings

MODEL_NAME = "xgb_churn_model_2.bin"
MANIFEST_NAME = "manifest.json"
FEATURES_NAME = "features.json"
LABEL = "churned"  # of the shipped variants

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
FLAGS = [
    "n_estimators",
    "max_depth",
    "learning_rate",
    "min_child_weight",
    "subsample",
    "colsample_bytree",
    "random_state",
]


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
    parser.add_argument("--variant", help="the variant's key, such as base or geography-us")
    parser.add_argument("--training", type=Path, help="labelled rows to train from")
    parser.add_argument("--output", type=Path, help="folder for the model and its manifest")
    parser.add_argument("--training-date", type=iso_date, help="YYYY-MM-DD, in UTC")
    parser.add_argument("--evaluation", type=Path, help="labelled rows that are not trained on")
    parser.add_argument("--features", type=Path, help="feature names (default: the variant's)")
    parser.add_argument("--label", help="outcome column, 1 or 0 (default: the variant's)")
    for name in FLAGS:
        flag, default = f"--{name.replace('_', '-')}", PARAMETERS[name]
        parser.add_argument(flag, type=type(default), default=default, help=f"({default})")
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another parameter of XGBClassifier, such as reg_lambda=2",
    )
    options = parser.parse_args()
    needed = [options.variant, options.training, options.output, options.training_date]
    if len(sys.argv) > 1 and not all(needed):
        parser.error(
            "training needs --variant, --training, --output and --training-date; "
            "without any option, everything that is shipped is remade"
        )
    return options


def parameters_of(options: argparse.Namespace) -> dict:
    """The parameters of the training: the defaults, and those of the flags."""
    more = {}
    for text in options.param:
        name, separator, value = text.partition("=")
        reason = refusal(name) if separator else "expected NAME=VALUE"
        if reason is not None:
            raise SystemExit(f"Cannot use --param {text}: {reason}")
        try:
            more[name] = json.loads(value)
        except json.JSONDecodeError:
            more[name] = value
    return PARAMETERS | {name: getattr(options, name) for name in FLAGS} | more


def refusal(name: str) -> str | None:
    """Why `--param` may not set a parameter; None if it may."""
    if name in FLAGS:
        return f"it has a flag, --{name.replace('_', '-')}"
    if name == "missing":
        return "predict would not know of it; set missing_value in variants.yaml"
    if name in PARAMETERS:
        return f"it is always {PARAMETERS[name]}"
    known = xgboost.XGBClassifier().get_params()
    return None if name in known else "XGBClassifier has no such parameter"


def iso_date(text: str) -> str:
    """The same date, or an error that argparse shows."""
    return datetime.date.fromisoformat(text).isoformat()


def retrain(options: argparse.Namespace) -> None:
    """Trains from a file, and writes the model and its manifest into a folder."""
    settings = read_settings(options.variant)
    label = options.label or settings.label
    parameters = parameters_of(options)
    if settings.missing_value is not None:
        parameters["missing"] = settings.missing_value
    names_path = options.features or settings.features
    names = json.loads(names_path.read_text()) if names_path.exists() or options.features else None
    kinds = {"id_column": settings.id_column, "labels": labels_of(settings, names)}
    raw = read_rows(options.training, **kinds)
    rows = apply_recipe(raw, settings, names)
    labels = to_labels(rows, label)
    options.output.mkdir(parents=True, exist_ok=True)
    if names is None:
        names_path = options.output / FEATURES_NAME
        names = [name for name in rows if name not in (label, settings.id_column)]
        write_json(names_path, names)
    wrong = [name for name in names if name in (label, settings.id_column)]
    if wrong:
        raise SystemExit(f"Cannot train on {', '.join(wrong)}: it is the label or the id")
    model = fit(to_features(rows, names), labels, parameters)
    save(model, options.output / MODEL_NAME)
    files = {"model": options.output / MODEL_NAME, "features": names_path}
    source = {"name": options.training.name, "sha256": sha256(options.training)}
    manifest = describe(options.variant, options.training_date, model, parameters)
    manifest["training"] = {"label": label} | summary(labels) | source
    if options.evaluation is not None:
        files["evaluation"] = options.evaluation
        known = frozenset(name for name in names if name not in raw)
        held_out = read_rows(options.evaluation, **kinds)
        rows = apply_recipe(held_out, settings, names, known)
        manifest["metrics"] = evaluate(model, rows, label)
    manifest["files"] = {role: describe_file(path) for role, path in files.items()}
    write_json(options.output / MANIFEST_NAME, manifest)


def train_shipped(variant: Variant) -> dict:
    """Trains a variant's model on its synthetic players; gives back the manifest."""
    players = draw_split(variant, "training")
    model = fit(generate.encode(players), players[LABEL], PARAMETERS)
    files = shipped_files(variant)
    files["model"].parent.mkdir(parents=True, exist_ok=True)
    save(model, files["model"])
    manifest = describe(variant.key, SHIPPED_TRAINING_DATE, model, PARAMETERS)
    manifest["geography"], manifest["company"] = variant.geography, variant.company
    manifest["training"] = summary(players[LABEL]) | {"players_seed": variant.seed}
    manifest["metrics"] = evaluate(model, read_rows(files["evaluation"]), LABEL)
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


def fit(features: pd.DataFrame, labels: pd.Series, parameters: dict) -> xgboost.XGBClassifier:
    """A classifier that has been trained with all of its rounds: no early stopping."""
    return xgboost.XGBClassifier(**parameters).fit(features, labels)


def save(model: xgboost.XGBClassifier, path: Path) -> None:
    """Writes UBJSON, which XGBoost chooses by the suffix `.ubj`, under a name of ours."""
    written = path.with_suffix(".ubj")
    model.save_model(written)
    written.replace(path)


def read_rows(
    path: Path, id_column: str | None = None, labels: dict[str, set[str]] | None = None
) -> pd.DataFrame:
    """The rows of a file, whose content shows its format; `null` becomes NaN.

    In CSV, a cell of a column of `labels` is a label as it is spelled there, even `NA`.
    """
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    if data.startswith(b"PAR1"):
        return pd.read_parquet(io.BytesIO(data))
    text = data.decode("utf-8-sig")
    if text.lstrip().startswith("["):
        return pd.DataFrame(json.loads(text))
    if text.lstrip().startswith("{"):
        return pd.DataFrame([json.loads(line) for line in text.split("\n") if line.strip()])
    header = text.partition("\n")[0]
    separator = max(",;\t|", key=header.count)
    columns = pd.read_csv(io.StringIO(text), sep=separator, nrows=0).columns
    exact = {column: own for column, own in (labels or {}).items() if column in columns}
    rows = pd.read_csv(
        io.StringIO(text),
        sep=separator,
        dtype=dict.fromkeys([*exact, *([] if id_column is None else [id_column])], str),
        na_values={column: [] if column in exact else STR_NA_VALUES for column in columns},
        keep_default_na=False,
    )
    typed = {name: rows[name].astype(object).map(cell_reader(own)) for name, own in exact.items()}
    return rows.assign(**typed)


def cell_reader(labels: set[str]) -> Callable[[str], str | float | bool]:
    """Reads a cell of CSV: one of the labels, or what pandas would read."""

    def read(text: str) -> str | float | bool:
        if text in labels:
            return text
        if text in STR_NA_VALUES:
            return np.nan
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        if re.fullmatch(r"[ \t]*[+-]?\d+[ \t]*", text):
            return int(text)
        if re.fullmatch(r"[ \t]*[+-]?(\d+\.\d*|\.?\d+)([eE][+-]?\d+)?[ \t]*", text):
            return float(text)
        return text

    return read


def to_features(rows: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The named columns in that order, each of them numeric or boolean."""
    absent = [name for name in names if name not in rows]
    if absent:
        raise SystemExit(f"Cannot train without the columns {', '.join(absent)}")
    features = rows[names]
    empty = {name: float for name in names if features[name].isna().all()}
    features = features.astype(empty)
    wrong = [name for name in names if features[name].dtype.kind not in "biuf"]
    if wrong:
        raise SystemExit(f"Cannot train on columns with text or gaps: {', '.join(wrong)}")
    return features


def to_labels(rows: pd.DataFrame, label: str) -> pd.Series:
    """The outcome, which must be 0 or 1 (or true or false) in every row, and both occur."""
    found = sorted({str(value) for value in rows[label].unique()}) if label in rows else []
    if found not in (["0", "1"], ["0.0", "1.0"], ["False", "True"]):
        shown = ", ".join(found[:8]) or "no such column"
        raise SystemExit(f'Cannot train: column "{label}" must hold 0 and 1, found {shown}')
    return rows[label].astype(int)


def predict(model: xgboost.XGBClassifier, rows: pd.DataFrame) -> np.ndarray:
    """The probability of the outcome in each row, 32-bit floats as XGBoost gives them."""
    names = model.get_booster().feature_names
    return model.predict_proba(to_features(rows, names))[:, 1]


def evaluate(
    model: xgboost.XGBClassifier, rows: pd.DataFrame, label: str
) -> dict[str, float]:
    """scikit-learn's metrics on labelled rows; a score above 0.5 counts as the outcome 1."""
    labels, scores = to_labels(rows, label), predict(model, rows).astype(float)
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
    """How many rows, and the share of them with the outcome 1."""
    return {"rows": len(labels), "base_rate": round(float(labels.mean()), METRIC_DIGITS)}


def describe(
    variant: str, training_date: str, model: xgboost.XGBClassifier, parameters: dict
) -> dict:
    """The part of a manifest that every model has."""
    return {
        "variant": variant,
        "training_date": training_date,
        "seed": parameters["random_state"],
        "versions": {
            "numpy": np.__version__,
            "pandas": pd.__version__,
            "scikit-learn": sklearn.__version__,
            "xgboost": xgboost.__version__,
        },
        "trees": model.get_booster().num_boosted_rounds(),
        "parameters": parameters,
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
    sample = read_rows(files["sample"]).head(GOLDEN_SCORES)
    return predict(model, sample).astype(float).tolist()


def write_json(path: Path, value: dict) -> None:
    """Indented JSON with a newline at the end."""
    path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
