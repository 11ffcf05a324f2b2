"""Evidently's drift preset with its defaults, each week against the labelled set of its history.

Usage: evidently_weeks.py FOLDER ROWS FAULT...
"""

import json
import sys
from pathlib import Path

import evidently
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

NUMBERS = ["total_deposit", "total_handle", "total_ngr", "months_active", "score"]
CATEGORIES = ["brand_id", "ben_login_id", "player_reg_product"]
DEFINITION = DataDefinition(numerical_columns=NUMBERS, categorical_columns=CATEGORIES)
# A report takes a second, so not all weeks are looked at.
MOST_HISTORIES = 4
MOST_WEEKS = 6
QUIET_WEEKS = 52


def main() -> None:
    """Prints the alarms of all weeks as JSON."""
    folder, _, *names = sys.argv[1:]
    alarms = []
    for name in [*names, "quiet"]:
        rows = pd.read_csv(Path(folder) / f"{name}.csv", keep_default_na=False, na_values=[""])
        for history, of_history in rows.groupby("history"):
            if history >= MOST_HISTORIES:
                break
            labelled = to_dataset(of_history[of_history.week == 0])
            # Of an abrupt fault, the first week counts.
            most = QUIET_WEEKS if name == "quiet" else MOST_WEEKS if "slow" in name else 1
            for week in range(1, min(most, of_history.week.max()) + 1):
                found = find(to_dataset(of_history[of_history.week == week]), labelled)
                alarms.append(
                    {"file": name, "history": int(history), "week": week, "alarms": found}
                )
    title = f"Evidently {evidently.__version__}"
    print(json.dumps({"title": title, "alarms": alarms}))


def to_dataset(rows: pd.DataFrame) -> Dataset:
    """The raw columns and the score."""
    return Dataset.from_pandas(rows[NUMBERS + CATEGORIES], data_definition=DEFINITION)


def find(current: Dataset, reference: Dataset) -> list[str]:
    """The drifted columns, and "dataset" if at least half of them drifted."""
    report = Report([DataDriftPreset()], include_tests=True).run(current, reference)
    failed = [test for test in report.dict()["tests"] if test["status"] == "FAIL"]
    return [test["metric_config"]["params"].get("column", "dataset") for test in failed]


main()
