"""NannyML's univariate drift (Jensen-Shannon) and realized AUC with their defaults, by week.

The limits come from ten quiet weeks in `reference.csv`, a week a chunk.

Usage: nannyml_weeks.py FOLDER ROWS FAULT...
"""

import json
import sys
import warnings
from pathlib import Path

import nannyml
import pandas as pd

NUMBERS = ["total_deposit", "total_handle", "total_ngr", "months_active", "score"]
CATEGORIES = ["brand_id", "ben_login_id", "player_reg_product"]


def main() -> None:
    """Prints the alarms of all weeks as JSON."""
    warnings.simplefilter("ignore")
    folder, rows, *names = sys.argv[1:]
    reference = read(folder, "reference")
    reference = reference[reference.week > 0]
    drift = nannyml.UnivariateDriftCalculator(
        column_names=NUMBERS + CATEGORIES,
        treat_as_categorical=CATEGORIES,
        chunk_size=int(rows),
    ).fit(reference)
    performance = nannyml.PerformanceCalculator(
        y_true="churned",
        y_pred_proba="score",
        problem_type="classification_binary",
        metrics=["roc_auc"],
        chunk_size=int(rows),
    ).fit(reference)
    alarms = []
    for name in [*names, "quiet"]:
        weeks = read(folder, name)
        for (history, week), of_week in weeks[weeks.week > 0].groupby(["history", "week"]):
            found = drifted(drift, of_week) + degraded(performance, of_week)
            alarms.append(
                {"file": name, "history": int(history), "week": int(week), "alarms": found}
            )
    title = f"NannyML {nannyml.__version__}"
    print(json.dumps({"title": title, "alarms": alarms}))


def read(folder: str, name: str) -> pd.DataFrame:
    """The rows of a file; an empty cell is missing."""
    rows = pd.read_csv(Path(folder) / f"{name}.csv", keep_default_na=False, na_values=[""])
    return rows.reset_index(drop=True)


def drifted(calculator: nannyml.UnivariateDriftCalculator, week: pd.DataFrame) -> list[str]:
    """The columns that alarm in a week of any size."""
    result = calculator.calculate(week).filter(period="analysis").to_df()
    return [
        column
        for column in NUMBERS + CATEGORIES
        if result[(column, "jensen_shannon", "alert")].any()
    ]


def degraded(calculator: nannyml.PerformanceCalculator, week: pd.DataFrame) -> list[str]:
    """`performance` if the AUC alarms."""
    result = calculator.calculate(week).filter(period="analysis").to_df()
    return ["performance"] if result[("roc_auc", "alert")].any() else []


main()
