"""Loads players and scores with dlt, in the retry that its documentation shows for production."""

import os
import sys
import time

import dlt
from dlt.pipeline.helpers import retry_load
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

rows, disposition = int(sys.argv[1]), sys.argv[2]


@dlt.resource(
    name="scores",
    write_disposition=disposition,
    primary_key="player_id" if disposition == "merge" else None,
)
def scores():
    for row in range(1, rows + 1):
        yield {"player_id": f"P-{row}", "churn_probability": row / rows}


# The credentials are in the environment: DESTINATION__POSTGRES__CREDENTIALS.
pipeline = dlt.pipeline(
    pipeline_name="churn", destination="postgres", dataset_name="peers"
)
print("writing", flush=True)
start = time.monotonic()
for attempt in Retrying(
    stop=stop_after_attempt(3),
    wait=wait_exponential(multiplier=0.1, max=1),
    retry=retry_if_exception(retry_load(("extract", "load"))),
    reraise=True,
):
    with attempt:
        pipeline.run(scores())
print(time.monotonic() - start, flush=True)
print(f"dlt {dlt.__version__}", flush=True)
