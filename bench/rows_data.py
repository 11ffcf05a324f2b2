"""Writes the files of `deno task bench-rows`: rows in three formats, and a model trained on others.

Usage: python rows_data.py model FOLDER
       python rows_data.py rows FILE ROWS

The players are those of `models/players.py` for the base model, and every block
of rows has its own seed: a file with more rows begins like one with fewer.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import xgboost as xgb

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "models"))
from players import CATEGORIES, FEATURES, NUMBERS, VARIANTS, draw_players, encode  # noqa: E402

SEED = 7
BLOCK_ROWS = 100_000
TRAINING_ROWS = 20_000
# Amounts converted from another currency and not rounded: 16 or 17 digits, as Python prints them.
RATE = 1 / 1.0901
CONVERTED = ["total_handle", "total_ngr"]
# What DuckDB writes by default; all readers can work on several groups at once.
ROW_GROUP_ROWS = 122_880


def draw(rows: int, block: int) -> pd.DataFrame:
    """Players of one block, categories as texts."""
    random = np.random.default_rng([SEED, block])
    players = draw_players(VARIANTS[0], rows, random, first=block * BLOCK_ROWS + 1)
    players[CONVERTED] *= RATE
    return players


def blocks(rows: int) -> Iterator[pd.DataFrame]:
    """The players of a file."""
    for block, start in enumerate(range(0, rows, BLOCK_ROWS), start=1):
        # Drawn whole, so that the first rows do not depend on how many are wanted.
        yield draw(BLOCK_ROWS, block).head(rows - start)


def write_model(folder: Path) -> None:
    """A model of 150 trees of depth 6 with 8,600 nodes, its feature names and a sample."""
    players = draw(TRAINING_ROWS, block=0)
    types = ["int" if f == "months_active" else "float" if f in NUMBERS else "i" for f in FEATURES]
    matrix = xgb.DMatrix(
        encode(players), label=players["churned"], feature_names=FEATURES, feature_types=types
    )
    params = {
        "objective": "binary:logistic",
        "max_depth": 6,
        "min_child_weight": 10,
        "eta": 0.1,
        "nthread": 2,
        "seed": SEED,
    }
    xgb.train(params, matrix, 150).save_model(folder / "model.ubj")
    (folder / "features.json").write_text(json.dumps(FEATURES))
    write_rows(folder / "sample.jsonl", 1000)


def flags(number: int, column: str, form: str) -> str:
    """The one-hot columns of a category as text, by the number of its value; -1 for none."""
    return ",".join(
        form.format(f"{column}_{value}", "true" if n == number else "false")
        for n, value in enumerate(CATEGORIES[column])
    )


def write_text(file: TextIO, players: pd.DataFrame, form: str, line: str, missing: str) -> None:
    """Rows as text: `form` is one flag with its name, `line` a row."""
    parts = []
    for column, values in CATEGORIES.items():
        texts = [flags(number, column, form) for number in range(-1, len(values))]
        numbers = pd.Categorical(players[column], categories=values).codes
        parts.append([texts[number + 1] for number in numbers])
    numbers = [
        [missing if value != value else repr(value) for value in players[column].tolist()]
        for column in NUMBERS
    ]
    file.writelines(line.format(*row) for row in zip(players["player_id"], *numbers, *parts))


def write_rows(path: Path, rows: int) -> None:
    """JSON Lines, CSV or Parquet, by the name of the file."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    match path.suffix:
        case ".jsonl":
            names = ["player_id", *NUMBERS]
            values = ['"{}"', "{}", "{}", "{}", "{}"]
            fields = [f'"{name}":{value}' for name, value in zip(names, values)]
            line = "{{" + ",".join([*fields, "{}", "{}", "{}"]) + "}}\n"
            with unfinished.open("w") as file:
                for players in blocks(rows):
                    write_text(file, players, '"{}":{}', line, missing="null")
        case ".csv":
            line = ",".join(["{}"] * 8) + "\n"
            with unfinished.open("w") as file:
                file.write(",".join(["player_id", *FEATURES]) + "\n")
                for players in blocks(rows):
                    write_text(file, players, "{1}", line, missing="")
        case ".parquet":
            numbers = [pa.int64() if name == "months_active" else pa.float64() for name in NUMBERS]
            types = [pa.string(), *numbers, *[pa.bool_()] * (len(FEATURES) - len(NUMBERS))]
            schema = pa.schema(zip(["player_id", *FEATURES], types))
            table = pa.concat_tables(
                pa.Table.from_pandas(
                    pd.concat([players["player_id"], encode(players)], axis=1),
                    schema,
                    preserve_index=False,
                )
                for players in blocks(rows)
            )
            pq.write_table(table, unfinished, compression="zstd", row_group_size=ROW_GROUP_ROWS)
    unfinished.rename(path)


match sys.argv[1:]:
    case ["model", folder]:
        write_model(Path(folder))
    case ["rows", file, rows]:
        write_rows(Path(file), int(rows))
    case _:
        sys.exit(__doc__)
