# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "pandas==3.1.1"]
# ///
"""Writes the synthetic data under `data/`; the same run twice writes the same bytes.

    uv run models/generate.py
    uv run models/generate.py --variant geography-us --training FILE --rows 5000 --seed 7

The second form writes a labelled file for `train.py --training`, as a real
export of labelled players would be.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from players import (
    CATEGORIES,
    FEATURES,
    NUMBERS,
    SPLITS,
    VARIANTS,
    WEEKS,
    Variant,
    draw_players,
    draw_split,
    draw_week,
    encode,
)

ROOT = Path(__file__).resolve().parent.parent

FEATURES_NAME = "feature_names_3.json"
SAMPLE_NAME = "X_test_sample_2.json"
EVALUATION_NAME = "evaluation.jsonl"

GOLDEN = ROOT / "tests" / "golden"
GOLDEN_ROWS = 24
# Categories as real exports have them: unknown, mistyped, empty, hostile, absent.
ODD_CATEGORIES = [
    ("ZZ", "unknownlogin", "KENO"),
    ("nj", "bccsb22", "casino"),
    (" NJ", "BCCSB22 ", "CASINO\n"),
    ("", "", ""),
    (None, None, None),
    ("N", "BCUSA22", "BET"),
    ("brand_id_NJ", "ben_login_id_BCCSB22", "player_reg_product_POKER"),
    ("__proto__", "constructor", "toString"),
    ("NY", None, "ΚΑΖΊΝΟ"),
    (None, "wedgetraffic", "POKER"),
]


def main() -> None:
    """Writes one labelled file, or everything that the repository ships."""
    options = parse_options()
    if options.training is None:
        write_all()
        return
    variant = find_variant(options.variant)
    players = training_players(variant, options.rows, options.seed)
    write_lines(options.training, with_label(players))


def write_all() -> None:
    """Every variant's data, and the expectation of the feature recipe."""
    for variant in VARIANTS:
        write_data(variant)
    write_golden()


def parse_options() -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--training", type=Path, help="write a labelled file here, and no more")
    parser.add_argument("--variant", default="base", help="whose players (with --training)")
    parser.add_argument("--rows", type=int, help="how many (default: as the shipped model)")
    parser.add_argument("--seed", type=int, help="draw other players than the shipped model's")
    return parser.parse_args()


def find_variant(key: str) -> Variant:
    """The variant of that key, in any spelling of its letters."""
    for variant in VARIANTS:
        if variant.key == key.lower():
            return variant
    known = ", ".join(variant.key for variant in VARIANTS)
    raise SystemExit(f'Cannot find the variant "{key}": there are {known}')


def training_players(variant: Variant, rows: int | None, seed: int | None) -> pd.DataFrame:
    """The variant's own training players, or others of the same population."""
    if rows is None and seed is None:
        return draw_split(variant, "training")
    rng = np.random.default_rng([variant.seed if seed is None else seed, len(SPLITS)])
    return draw_players(variant, rows or variant.rows["training"], rng)


def data_folder(variant: Variant) -> Path:
    """Where the repository keeps the variant's data."""
    return ROOT / "data" / variant.prefix / "churn"


def write_data(variant: Variant) -> None:
    """Feature names, new players without a label, and players with one."""
    folder = data_folder(variant)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FEATURES_NAME).write_text(to_json(FEATURES) + "\n")
    write_lines(folder / SAMPLE_NAME, without_label(draw_split(variant, "sample")))
    write_lines(folder / EVALUATION_NAME, with_label(draw_split(variant, "evaluation")))
    for week in WEEKS:
        write_lines(week_file(variant, week), raw(draw_week(variant, week)))


def week_file(variant: Variant, week: str) -> Path:
    """Where the repository keeps a week's players."""
    return data_folder(variant) / "weekly" / f"{week}.jsonl"


def raw(players: pd.DataFrame) -> pd.DataFrame:
    """`player_id`, the numbers, and the categories before they are encoded."""
    return players[["player_id", *NUMBERS, *CATEGORIES]]


def write_golden() -> None:
    """Raw players, and what pandas makes of them: the expectation of the recipe's test."""
    players = draw_split(VARIANTS[0], "sample").head(GOLDEN_ROWS)
    rows = raw(players).astype({c: object for c in CATEGORIES})
    rows.loc[: len(ODD_CATEGORIES) - 1, list(CATEGORIES)] = ODD_CATEGORIES
    write_lines(GOLDEN / "raw_players.jsonl", rows)
    write_lines(GOLDEN / "raw_players_encoded.jsonl", without_label(rows))


def without_label(players: pd.DataFrame) -> pd.DataFrame:
    """`player_id` and the 45 features."""
    return pd.concat([players[["player_id"]], encode(players)], axis="columns")


def with_label(players: pd.DataFrame) -> pd.DataFrame:
    """`player_id`, the 45 features and `churned`."""
    return pd.concat([without_label(players), players[["churned"]]], axis="columns")


def write_lines(path: Path, frame: pd.DataFrame) -> None:
    """JSON Lines: one object a line, keys in the order of the columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    path.write_text("".join(to_json(record) + "\n" for record in records))


def to_json(value: object) -> str:
    """JSON without spaces; missing values must be None by now."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


if __name__ == "__main__":
    main()
