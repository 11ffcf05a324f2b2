"""Weeks of raw rows and what pandas.get_dummies, reindexed to the columns of a training frame, makes of them.

Prints one JSON object: the version of pandas and the cases. A case has `lines` (the week as JSON Lines),
`columns` (the model's, in order), `drop_first`, `categories`, and `matrix` (rows x columns).
A week keeps the dtype of the training frame: otherwise pandas itself would spell categories otherwise (1, 1.0).
"""

import json
import sys

import numpy as np
import pandas as pd

generator = np.random.default_rng(int(sys.argv[1]))
texts = ["US", "ca", "New York", "é", "1", "True", "nan ", "count_", "", "日本"]
pools = {
    "text": texts,
    "boolean": [True, False],
    "int": [0, 1, 2, -3, 10, 123456789, 9007199254740991],
    "float": [0.0, 1.0, 2.5, -3.25, 1e-05, 123456.75, 0.1],
}


def draw(kind, count, nulls, unseen):
    pool = pools[kind]
    known = list(generator.permutation(len(pool))[: max(2, len(pool) // 2)])
    if kind == "boolean":
        known = [0, 1]
    train = [pool[i] for i in generator.choice(known, count)]
    week = [pool[i] for i in generator.choice(known, count)]
    if unseen:
        week = [pool[generator.integers(len(pool))] if generator.random() < 0.2 else cell for cell in week]
    if nulls:
        train = [None if generator.random() < 0.2 else cell for cell in train]
        week = [None if generator.random() < 0.2 else cell for cell in week]
        train[0] = week[0] = None
    return train, week


cases = []
while len(cases) < 200:
    kind = list(pools)[generator.integers(4)]
    nulls, dummy_na, drop_first = generator.random(3) < 0.4
    train, week = draw(kind, 40, nulls, generator.random() < 0.6)
    money = np.round(generator.gamma(1, 100, 40), 2).tolist()
    count = generator.integers(0, 9, 40).tolist()
    frame = pd.DataFrame({"spend": money, "c_count": count, "c": train})
    rows = [{"spend": s, "c_count": n, "c": c} for s, n, c in zip(money, count, week)]
    lines = [json.dumps(row) for row in rows]
    again = pd.DataFrame([json.loads(line) for line in lines])
    if again["c"].dtype != frame["c"].dtype:
        continue
    options = {"columns": ["c"], "dummy_na": bool(dummy_na)}
    full = [name for name in pd.get_dummies(frame, **options).columns if name not in frame.columns]
    trained = pd.get_dummies(frame, drop_first=bool(drop_first), **options)
    encoded = pd.get_dummies(again, **options)
    matrix = encoded.reindex(columns=trained.columns, fill_value=0)
    cases.append({
        "kind": kind, "nulls": bool(nulls), "dummy_na": bool(dummy_na), "drop_first": bool(drop_first),
        "lines": lines, "columns": list(trained.columns), "categories": [name[2:] for name in full],
        "matrix": matrix.astype(float).values.tolist(),
    })
print(json.dumps({"version": pd.__version__, "cases": cases}))
