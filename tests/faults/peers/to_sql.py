"""Appends players and scores with pandas, in a retry as the documentation of retry libraries shows it."""

import sys
import time

import pandas
import sqlalchemy

url, rows = sys.argv[1], int(sys.argv[2])
frame = pandas.DataFrame(
    {
        "player_id": [f"P-{row}" for row in range(1, rows + 1)],
        "churn_probability": [row / rows for row in range(1, rows + 1)],
    }
)
engine = sqlalchemy.create_engine(url, pool_pre_ping=True)
print("writing", flush=True)
start = time.monotonic()
for attempt in range(3):
    try:
        # With an engine, all chunks are one transaction.
        frame.to_sql(
            "scores",
            engine,
            schema="peers",
            if_exists="append",
            index=False,
            chunksize=1000,
        )
        break
    except sqlalchemy.exc.OperationalError:
        if attempt == 2:
            raise
        time.sleep(0.1)
print(time.monotonic() - start, flush=True)
print(f"pandas {pandas.__version__}, SQLAlchemy {sqlalchemy.__version__}")
