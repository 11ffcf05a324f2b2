"""Weeks of raw rows, recipes, and what pandas makes of them, for tests/rows/steps_test.ts.

recipe_steps.py SEED COUNT FOLDER

Writes each week in every format to FOLDER and prints one JSON object: the version of pandas and the cases. A case
has `name` (of its files), `recipe` as in variants.yaml, `columns` (the model's, with the labels that the model
knows of a text column), and `matrix` (rows x columns, null for missing), as pandas encoded the week.
"""

import json
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

seed, count, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
random = np.random.default_rng(seed)
rows = 30


def chance(share):
    return random.random() < share


def pick(values, n=rows):
    return [values[i] for i in random.integers(0, len(values), n)]


def with_nulls(values, share=0.15):
    return [None if chance(share) else value for value in values]


def stamp():
    day = np.datetime64("2024-01-01") + np.timedelta64(int(random.integers(-900, 900)), "D")
    return str(day)


def moment(zone):
    text = f"{stamp()}{'T' if chance(0.5) else ' '}{random.integers(0, 24):02}:{random.integers(0, 60):02}"
    if chance(0.7):
        text += f":{random.integers(0, 60):02}"
        if chance(0.5):
            text += f".{random.integers(0, 10**6):06}"
    return text + (str(random.choice(["Z", "+00:00", "+05:30", "-08:00"])) if zone else "")


def raw_week():
    zone = chance(0.4)
    dates = (lambda: moment(True)) if zone else (lambda: moment(False) if chance(0.5) else stamp())
    week = {
        "player_id": [f"P{n:03}" for n in range(rows)],
        "spend": with_nulls([float(x) for x in np.round(random.normal(100, 200, rows), 2)]),
        "dep": with_nulls([float(x) for x in np.round(random.gamma(1, 100, rows), 3)]),
        "wins": [int(x) for x in random.integers(0, 5, rows)],
        "bets": with_nulls([int(x) for x in random.integers(0, 4, rows)]),
        "ggr": [float(x) for x in random.normal(0, 1e6, rows)],
        "tier": with_nulls(pick(["bronze", "silver", "gold", "vip", "é", "007"])),
        "level": with_nulls(pick([1, 2, 3, 4])),
        "optin": pick([True, False]),
        "first": with_nulls([dates() for _ in range(rows)]),
        "last": with_nulls([dates() for _ in range(rows)]),
        "brand": with_nulls(pick(["US", "NJ", "ca"])),
    }
    return week


def python_key(label):
    return {"true": True, "false": False}.get(label, int(label) if label in "1234" else label)


def apply(frame, step):
    [(kind, own)] = step.items()
    if kind == "rename":
        return frame.rename(columns=own)
    frame = frame.copy()
    if kind == "default":
        for name, value in own.items():
            if name not in frame:
                frame[name] = value
            else:
                frame[name] = frame[name].fillna(value)
        return frame
    if kind == "ratio":
        below = frame[own["denominator"]]
        frame[own["to"]] = frame[own["numerator"]] / below.where(below != 0)
        return frame
    if kind == "days_between":
        start, end = (pd.to_datetime(frame[own[name]], format="ISO8601", utc="+" in "".join(frame[own[name]].dropna().astype(str)) or "Z" in "".join(frame[own[name]].dropna().astype(str)) or None) for name in ("start", "end"))
        frame[own["to"]] = (end - start).dt.days
        return frame
    source, to = frame[own["column"]], own.get("to", own["column"])
    if kind == "map":
        frame[to] = source.map({python_key(label): value for label, value in own["values"].items()})
    elif kind == "clip":
        frame[to] = source.clip(lower=own.get("min"), upper=own.get("max"))
    else:
        frame[to] = np.log1p(source)
    return frame


def recipe_for(week):
    """Returns steps, and the columns that the model has, in the order in which they come to be."""
    steps, columns = [], ["spend", "wins", "bets", "ggr", "optin"]
    if chance(0.5):
        steps.append({"rename": {"dep": "deposit", **({"wins": "bets", "bets": "wins"} if chance(0.3) else {})}})
        columns.append("deposit")
        deposit = "deposit"
    else:
        deposit = "dep"
        columns.append("dep")
    if chance(0.5):
        name = str(random.choice(["spend", deposit, "bets"]))
        steps.append({"default": {name: float(random.choice([0.0, -1.5, 7.0]))}})
    if chance(0.4):
        steps.append({"default": {"visits": 3}})
        columns.append("visits")
        if chance(0.4):
            week["visits"] = with_nulls(pick([0, 1, 2]))
    if chance(0.3):
        steps.append({"default": {"tier": "bronze"}})
    if chance(0.6):
        to = {"to": "tier_rank"} if chance(0.5) else {}
        values = {"bronze": 0, "silver": 1.5, "gold": 3, "007": 7}
        steps.append({"map": {"column": "tier", **to, "values": values, "unknown": "none"}})
        columns.append("tier_rank" if to else "tier")
    if chance(0.4):
        steps.append({"map": {"column": "level", "to": "level_group", "values": {"1": "low", "2": "low", "3": "high"}, "unknown": 1}})
        columns.append("level_group")
    if chance(0.3):
        steps.append({"map": {"column": "optin", "values": {"true": -1, "false": 2}, "unknown": "error"}})
    if chance(0.7):
        bounds = [{"min": 0}, {"max": 150.5}, {"min": -10, "max": 100}][random.integers(0, 3)]
        to = {"to": "spend_clipped"} if chance(0.4) else {}
        steps.append({"clip": {"column": "spend", **bounds, **to}})
        columns += list(to.values())
    for name in ("spend", deposit):
        if chance(0.5):
            to = {"to": f"{name}_log"} if chance(0.5) else {}
            steps.append({"log1p": {"column": name, **to}})
            columns += list(to.values())
    if chance(0.6):
        steps.append({"ratio": {"numerator": str(random.choice(["wins", "ggr", "spend"])), "denominator": "bets", "to": "share"}})
        columns.append("share")
        if chance(0.3):
            steps.append({"clip": {"column": "share", "max": 1}})
    if chance(0.6):
        steps.append({"days_between": {"start": "first", "end": "last", "to": "days"}})
        columns.append("days")
        if chance(0.3):
            steps.append({"default": {"days": -1}})
    return steps, columns


cases = []
for index in range(count):
    week = raw_week()
    steps, columns = recipe_for(week)
    names = list(week)
    random.shuffle(names)
    week = {name: week[name] for name in names}
    recipe = {"steps": steps}
    dummies = ["brand_NJ", "brand_US", "brand_ca"]
    form = random.choice(["none", "raw", "encoded"])
    frame = pd.DataFrame(week)
    if form == "raw":
        recipe["one_hot"] = [{"column": "brand", "categories": ["NJ", "US", "ca"]}]
    if form == "encoded":
        # A week that pandas has encoded, in which a category does not occur.
        absent = str(random.choice(dummies))
        steps.append({"default": {absent: False}})
        recipe["one_hot"] = [{"column": "brand", "categories": ["NJ", "US", "ca"]}]
        brand = pd.get_dummies(frame[["brand"]]).drop(columns=absent)
        frame = frame.drop(columns="brand").join(brand)
        week = {name: frame[name].tolist() if name in brand else week[name] for name in frame}
    encoded = frame
    for step in steps:
        encoded = apply(encoded, step)
    if form == "raw":
        encoded = pd.get_dummies(encoded, columns=["brand"])
    if form != "none":
        columns += dummies
    labels = {"level_group": ["high", "low"]} if "level_group" in columns else {}
    for name, own in labels.items():
        encoded[name] = pd.Categorical(encoded[name], categories=own).codes.astype(float)
        encoded[name] = encoded[name].where(encoded[name] >= 0)
    encoded = encoded.reindex(columns=columns, fill_value=0)
    matrix = encoded.astype(float).astype("float32")
    name = f"{folder}/{seed}-{index}"
    records = [{key: week[key][row] for key in week} for row in range(rows)]
    # Nulls may be left out, unless the whole column would be gone.
    sparse = [
        {key: cell for key, cell in record.items() if cell is not None or (row > 0 and chance(0.5))} if row else record
        for row, record in enumerate(records)
    ]
    with open(f"{name}.jsonl", "w") as file:
        file.writelines(json.dumps(record) + "\n" for record in sparse)
    with open(f"{name}.json", "w") as file:
        json.dump(records, file)
    with open(f"{name}.split.json", "w") as file:
        json.dump({"columns": list(week), "data": [list(record.values()) for record in records]}, file)
    frame.to_csv(f"{name}.csv", index=False)
    frame.to_parquet(f"{name}.parquet", index=False)
    frame.to_feather(f"{name}.arrow")
    typed = frame.assign(**{key: pd.to_datetime(frame[key], format="ISO8601", utc=("Z" in "".join(frame[key].dropna()) or "+" in "".join(frame[key].dropna())) or None) for key in ("first", "last")})
    typed.to_parquet(f"{name}.typed.parquet", index=False)
    typed.to_feather(f"{name}.typed.arrow")
    cases.append({
        "name": name,
        "recipe": recipe,
        "columns": [{"name": column, **({"labels": labels[column]} if column in labels else {})} for column in columns],
        "matrix": [[None if np.isnan(cell) else float(cell) for cell in row] for row in matrix.to_numpy()],
    })
# Dates and times of every unit, with missing ones.
days = [{"days_between": {"start": "first", "end": "last", "to": "days"}}]
for unit, zone in [(unit, zone) for unit in ("day", "ms day", "s", "ms", "us", "ns") for zone in (None, "UTC", "America/New_York") if "day" not in unit or not zone]:
    kind = {"day": pa.date32(), "ms day": pa.date64()}.get(unit) or pa.timestamp(unit, zone)
    low, high = (-3000, 3000) if "day" in unit else (-(10**8), 10**8)
    scale = {"ms day": 86400000, "ms": 1000, "us": 10**6, "ns": 10**9}.get(unit, 1)
    counts = lambda: with_nulls([int(x) * scale + (int(random.integers(0, scale)) if "day" not in unit else 0) for x in random.integers(low, high, rows)])
    width = pa.int32() if unit == "day" else pa.int64()
    table = pa.table({key: pa.array(counts(), width).cast(kind) for key in ("first", "last")})
    frame = table.to_pandas()
    expected = (pd.to_datetime(frame["last"]) - pd.to_datetime(frame["first"])).dt.days
    name = f"{folder}/{seed}-{unit.replace(' ', '-')}-{(zone or 'none').split('/')[0]}"
    for version in ("1.0", "2.6"):
        if version == "2.6" or unit != "ns":
            pq.write_table(table, f"{name}.{version}.parquet", version=version, use_dictionary=version == "2.6")
    feather.write_feather(table, f"{name}.arrow")
    cases.append({
        "name": name,
        "formats": ["arrow", "2.6.parquet"] + (["1.0.parquet"] if unit != "ns" else []),
        "recipe": {"steps": days},
        "columns": [{"name": "days"}],
        "matrix": [[None if np.isnan(cell) else float(cell)] for cell in expected],
    })
print(json.dumps({"version": pd.__version__, "cases": cases}))
