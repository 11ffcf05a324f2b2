"""Applies a variant's recipe to raw rows, as `predict` does: docs/data.md, "Features"."""

from typing import Any

import numpy as np
import pandas as pd
from settings import Settings

UNKNOWN_LIMIT = 0.5


def apply_recipe(rows: pd.DataFrame, settings: Settings, names: list[str] | None) -> pd.DataFrame:
    """The rows with the columns that steps and one_hot make; the others stay.

    `names` are the model's features; without them, each category that occurs becomes one.
    """
    for step in settings.steps:
        [(kind, own)] = step.items()
        rows = apply_step(rows, kind, own)
    return encode(rows, settings.one_hot, names)


def apply_step(rows: pd.DataFrame, kind: str, own: dict[str, Any]) -> pd.DataFrame:
    """The rows after one step."""
    if kind == "rename":
        both = [new for old, new in own.items() if old in rows and new in rows and new not in own]
        if both:
            raise SystemExit(f"Cannot rename to {both}: the training file has such columns, too")
        return rows.rename(columns=own)
    if kind == "default":
        filled = {
            name: rows[name].fillna(value) if name in rows else value
            for name, value in own.items()
        }
        return rows.assign(**filled)
    roles = ("column", "numerator", "denominator", "start", "end")
    absent = [own[role] for role in roles if role in own and own[role] not in rows]
    if absent:
        shown = ", ".join(absent)
        raise SystemExit(f'Cannot train without the columns {shown} of the step "{kind}"')
    return rows.assign(**{own.get("to", own.get("column")): result_of(rows, kind, own)})


def result_of(rows: pd.DataFrame, kind: str, own: dict[str, Any]) -> pd.Series:
    """The column that a step makes."""
    if kind == "ratio":
        below = rows[own["denominator"]]
        return rows[own["numerator"]] / below.where(below != 0)
    if kind == "days_between":
        start, end = (
            pd.to_datetime(rows[own[name]], format="ISO8601", utc=True) for name in ("start", "end")
        )
        return (end - start).dt.days
    source = rows[own["column"]]
    if kind == "map":
        result = source.map(own["values"])
        refuse_unknown(source, result.isna() & source.notna() & ~source.isin(own["values"]), own)
        return result
    if kind == "clip":
        return source.clip(lower=own.get("min"), upper=own.get("max"))
    if kind == "log1p":
        if (source == -1).any():
            raise SystemExit(f'Cannot use log1p: column "{own["column"]}" has -1')
        return np.log1p(source.where(source > -1))
    raise SystemExit(f'Cannot train with the step "{kind}" of the recipe: it is not known')


def refuse_unknown(source: pd.Series, unknown: pd.Series, own: dict[str, Any]) -> None:
    """Ends if more rows have an unlisted label than `unknown` allows."""
    limit = {"error": 0, "none": 1}.get(own.get("unknown"), own.get("unknown", UNKNOWN_LIMIT))
    if unknown.mean() > limit:
        raise SystemExit(
            f'Cannot map column "{own["column"]}": {unknown.mean():.1%} of the rows have a label '
            f"that variants.yaml does not list, such as {source[unknown].iloc[0]!r}"
        )


def encode(
    rows: pd.DataFrame, steps: list[dict[str, Any]], names: list[str] | None
) -> pd.DataFrame:
    """The rows with a column per category, as by `pandas.get_dummies` and a reindex."""
    raw = [(own["column"], own.get("prefix") or f"{own['column']}_", own) for own in steps]
    raw = [(column, prefix, own) for column, prefix, own in raw if column in rows]
    made: dict[str, pd.Series] = {}
    for column, prefix, own in raw:
        if names is None:
            made |= dict(pd.get_dummies(rows[column], prefix=prefix, prefix_sep="").items())
            continue
        longer = [other for _, other, _ in raw if other.startswith(prefix) and other != prefix]
        own_names = [
            name
            for name in names
            if name.startswith(prefix)
            and name not in rows
            and not any(name.startswith(other) for other in longer)
        ]
        for name in own_names:
            category = name.removeprefix(prefix)
            made[name] = equals(rows[column], category)
            if not made[name].any() and category not in (own.get("categories") or []):
                raise SystemExit(
                    f'Cannot make the feature "{name}": no training row has "{category}" in '
                    f'"{column}"; if it is a category, list it in categories of the recipe'
                )
    return rows.drop(columns=[column for column, _, _ in raw]).assign(**made)


def equals(column: pd.Series, category: str) -> pd.Series:
    """Where a cell has the category, as `pandas.get_dummies` names it."""
    if category == "nan":
        return column.isna()
    if pd.api.types.is_bool_dtype(column):
        return column == (category == "True") if category in ("True", "False") else column.isna()
    if pd.api.types.is_numeric_dtype(column):
        try:
            return column == float(category)
        except ValueError:
            return pd.Series(False, index=column.index)
    return (column == category).fillna(False).astype(bool)
