"""What a user would write in Python: reads a file of players, scores them and stores the scores.

Usage: python rows_peers.py PEER FILE FOLDER URL RUN. FOLDER holds `model.ubj`
and `features.json`; the scores go into the table `peer_scores` at URL.
"""

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

BATCH_ROWS = 100_000
TABLE = "peer_scores"
COLUMNS = ["scoring_run_id", "row_number", "player_id", "churn_probability"]
ID = "player_id"
NUMBERS = 4  # the features before the one-hot columns


def score_plain(file: Path, features: list[str], url: str, run: int) -> None:
    """MLflow's model, pandas and to_sql; nothing tuned."""
    import mlflow
    import numpy as np
    import pandas as pd
    import sqlalchemy

    model = mlflow.pyfunc.load_model("models:/churn-prediction-model/Production")
    # Without types, pandas makes integers of amounts that happen to be whole, which MLflow refuses.
    types = dict.fromkeys(features[:NUMBERS], "float64") | {"months_active": "int64"}
    players = {
        ".jsonl": lambda: pd.read_json(file, lines=True, dtype=types),
        ".csv": lambda: pd.read_csv(file, dtype=types),
        ".parquet": lambda: pd.read_parquet(file),
    }[file.suffix]()
    rows = np.arange(1, len(players) + 1, dtype=np.int32)
    scores = model.predict(players[features])
    columns = dict(zip(COLUMNS, [run, rows, players[ID], scores]))
    engine = sqlalchemy.create_engine(url.replace("postgresql", "postgresql+psycopg2", 1))
    pd.DataFrame(columns).to_sql(TABLE, engine, if_exists="append", index=False)


def read_duckdb(file: Path, features: list[str]) -> Iterator[tuple]:
    """A fixed-size array of all features: DuckDB builds the matrix, and Arrow hands it over uncopied."""
    import duckdb

    numbers = dict.fromkeys(features[:NUMBERS], "FLOAT")
    columns = {ID: "VARCHAR", **numbers, **dict.fromkeys(features[NUMBERS:], "BOOLEAN")}
    source = {
        ".jsonl": f"read_json('{file}', format='newline_delimited', columns={columns})",
        ".csv": f"read_csv('{file}', header=true, columns={columns})",
        ".parquet": f"read_parquet('{file}')",
    }[file.suffix]
    # A null would cost a copy later on.
    floats = [f"coalesce({name}::FLOAT, 'nan')" for name in numbers]
    floats += [f"{name}::FLOAT" for name in features[NUMBERS:]]
    array = f"[{', '.join(floats)}]::FLOAT[{len(features)}]"
    query = f"select {ID}, {array} as features from {source}"
    for batch in duckdb.sql(query).to_arrow_reader(BATCH_ROWS):
        matrix = batch["features"].flatten().to_numpy(zero_copy_only=False)
        yield batch[ID], matrix.reshape(-1, len(features))


def read_polars(file: Path, features: list[str]) -> Iterator[tuple]:
    """A lazy frame, collected batch by batch."""
    import polars as pl

    numbers = dict.fromkeys(features[:NUMBERS], pl.Float32)
    schema = {ID: pl.String, **numbers, **dict.fromkeys(features[NUMBERS:], pl.Boolean)}
    frame = {
        ".jsonl": lambda: pl.scan_ndjson(file, schema=schema),
        ".csv": lambda: pl.scan_csv(file, schema=schema),
        ".parquet": lambda: pl.scan_parquet(file),
    }[file.suffix]()
    floats = frame.with_columns(pl.col(features).cast(pl.Float32))
    for batch in floats.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
        yield batch[ID].to_arrow(), batch.select(features).to_numpy(order="c")


def read_pyarrow(file: Path, features: list[str]) -> Iterator[tuple]:
    """A table whose columns XGBoost reads where they are, without a matrix."""
    import pyarrow as pa
    from pyarrow import csv, json, parquet

    types = [pa.float32()] * NUMBERS + [pa.bool_()] * (len(features) - NUMBERS)
    schema = pa.schema(list(zip([ID, *features], [pa.string(), *types])))
    block_bytes = 16 << 20
    table = {
        ".jsonl": lambda: json.read_json(
            file,
            json.ReadOptions(block_size=block_bytes),
            json.ParseOptions(explicit_schema=schema),
        ),
        ".csv": lambda: csv.read_csv(
            file,
            csv.ReadOptions(block_size=block_bytes),
            convert_options=csv.ConvertOptions(column_types=schema),
        ),
        ".parquet": lambda: parquet.read_table(file),
    }[file.suffix]()
    for batch in table.to_batches(BATCH_ROWS):
        yield batch[ID], pa.table(batch.select(features))


def score_tuned(batches: Iterator[tuple], model: Path, url: str, run: int) -> None:
    """Scores and stores batch by batch, so that Postgres works while the next one is read."""
    import numpy as np
    import psycopg
    import pyarrow as pa
    import xgboost
    from pyarrow.csv import WriteOptions, write_csv

    booster = xgboost.Booster()
    booster.load_model(model)
    options = WriteOptions(include_header=False)
    statement = f"copy {TABLE} ({', '.join(COLUMNS)}) from stdin (format csv)"
    done = 0
    with psycopg.connect(url) as connection, connection.cursor().copy(statement) as copy:
        for ids, features in batches:
            scores = booster.inplace_predict(features, validate_features=False)
            rows = np.arange(done + 1, done + 1 + len(ids), dtype=np.int32)
            done += len(ids)
            columns = [np.full(len(ids), run), rows, ids, scores]
            text = pa.BufferOutputStream()
            write_csv(pa.table(columns, COLUMNS), text, options)
            copy.write(text.getvalue())


READERS = {"duckdb": read_duckdb, "polars": read_polars, "pyarrow": read_pyarrow}

peer, file, folder, url, run = sys.argv[1:]
warnings.filterwarnings("ignore")
features = json.loads((Path(folder) / "features.json").read_text())
if peer == "plain":
    score_plain(Path(file), features, url, int(run))
else:
    score_tuned(READERS[peer](Path(file), features), Path(folder) / "model.ubj", url, int(run))
