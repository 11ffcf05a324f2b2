"""Applies a variant's recipe to raw rows, as `predict` does: docs/data.md, "Features"."""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from settings import Settings

UNKNOWN_LIMIT = 0.5
# The `repr` of a Python int or float, as get_dummies spells a number; `01` and `1.50` are texts.
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.(0|\d*[1-9]))?|-?[1-9](\.\d*[1-9])?e[+-]\d{2,3}")


def apply_recipe(
    rows: pd.DataFrame,
    settings: Settings,
    names: list[str] | None,
    known: frozenset[str] = frozenset(),
) -> pd.DataFrame:
    """The rows with the columns that steps and one_hot make; the others stay.

    `names` are the model's features; without them, each category that occurs becomes one.
    Those in `known` are categories of other rows, which these rows need not have.
    """
    defaults: set[str] = set()
    for step in settings.steps:
        [(kind, own)] = step.items()
        if kind == "default":
            defaults |= {name for name in own if name not in rows}
        rows = apply_step(rows, kind, own)
    return encode(rows, settings.one_hot, names, defaults=defaults, known=known)


def labels_of(settings: Settings, names: list[str] | None) -> dict[str, set[str]]:
    """The labels with which the cells of the file's columns are compared, by column."""
    found: dict[str, set[str]] = {}
    for position, step in enumerate(settings.steps):
        if "map" in step:
            own = step["map"]
            for column in origins(own["column"], settings.steps[:position]):
                found.setdefault(column, set()).update(map(key_text, own["values"]))
    for own in settings.one_hot:
        prefix = prefix_of(own)
        made = [name.removeprefix(prefix) for name in names or [] if name.startswith(prefix)]
        for column in origins(own["column"], settings.steps):
            found.setdefault(column, set()).update(own.get("categories") or made)
    return found


def origins(column: str, steps: list[dict[str, Any]]) -> set[str]:
    """The file's columns whose cells the column has after the steps; none if one computes it."""
    found = {column}
    for step in reversed(steps):
        [(kind, own)] = step.items()
        if kind == "rename":
            found = {old for old, new in own.items() if new in found} | (found - set(own))
        elif kind != "default":
            found.discard(own.get("to", own.get("column")))
    return found


def apply_step(rows: pd.DataFrame, kind: str, own: dict[str, Any]) -> pd.DataFrame:
    """The rows after one step."""
    if kind == "rename":
        both = [new for old, new in own.items() if old in rows and new in rows and new not in own]
        if both:
            raise SystemExit(f"Cannot rename to {both}: the training file has such columns, too")
        return rows.rename(columns=own)
    if kind == "default":
        filled = {
            name: rows[name].astype(object).fillna(value).infer_objects() if name in rows else value
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
        above, below = (to_numbers(rows[own[name]], kind) for name in ("numerator", "denominator"))
        return above / below.where(below != 0)
    if kind == "days_between":
        start, end = (
            pd.to_datetime(rows[own[name]], format="ISO8601", utc=True) for name in ("start", "end")
        )
        return (end - start).dt.days
    source = rows[own["column"]]
    if kind == "map":
        values = {key_text(label): value for label, value in own["values"].items()}
        found = spelled(source, values, truths=(str, key_text))
        refuse_unknown(source, found.isna() & source.notna(), own)
        return found.map(values).infer_objects()
    if kind == "clip":
        return to_numbers(source, kind).clip(lower=own.get("min"), upper=own.get("max"))
    if kind == "log1p":
        numbers = to_numbers(source, kind)
        if (numbers == -1).any():
            raise SystemExit(f'Cannot use log1p: column "{own["column"]}" has -1')
        return np.log1p(numbers.where(numbers > -1))
    raise SystemExit(f'Cannot train with the step "{kind}" of the recipe: it is not known')


def to_numbers(column: pd.Series, kind: str) -> pd.Series:
    """The cells in float64, as the commands compute; a narrow type such as uint8 would overflow."""
    if pd.api.types.is_numeric_dtype(column):
        return column.astype("float64")
    present = column[column.notna()].astype(object)
    wrong = present[~present.map(lambda cell: isinstance(cell, int | float | Decimal))]
    if not wrong.empty:
        found = wrong.iloc[0]
        raise SystemExit(
            f'Cannot use {kind}: column "{column.name}" must hold numbers, found {found!r}'
        )
    return present.astype("float64").reindex(column.index)


def key_text(key: object) -> str:
    """A key of a YAML mapping as the commands read it: `1` and `1.0` are "1", `true` is "true"."""
    if isinstance(key, bool):
        return str(key).lower()
    return str(int(key)) if isinstance(key, float) and key.is_integer() else str(key)


def spelled(
    column: pd.Series, labels: Iterable[str], truths: tuple[Callable[[bool], str], ...] = (str,)
) -> pd.Series:
    """Each cell as the label that it is, as lib/rows/categories.ts finds it; None for any other.

    A text is the label with the same spelling, and a number the one with the same value: 1 and
    1.0 are the same. `truths` spell a boolean: `True`, as get_dummies does, unless told otherwise.
    """
    texts = set(labels)
    numbers: dict[float, list[str]] = {}
    for text in texts:
        if NUMBER.fullmatch(text):
            numbers.setdefault(float(text), []).append(text)

    def spell(cell: object) -> str | None:
        if isinstance(cell, bool):
            return next((text for truth in truths if (text := truth(cell)) in texts), None)
        if isinstance(cell, str):
            return cell if cell in texts else None
        if not isinstance(cell, int | float):
            return None
        same = numbers.get(cell, [])
        if len(same) > 1:
            shown = " and ".join(sorted(same))
            raise SystemExit(
                f'Cannot tell which label {cell} of "{column.name}" is: {shown} are equal'
            )
        return same[0] if same else None

    return column.astype(object).map(spell).astype(object)


def prefix_of(own: dict[str, Any]) -> str:
    """How the names of the columns begin that a step of one_hot makes."""
    return own.get("prefix") or f"{own['column']}_"


def refuse_unknown(source: pd.Series, unknown: pd.Series, own: dict[str, Any]) -> None:
    """Ends if more rows have an unlisted label than `unknown` allows."""
    limit = {"error": 0, "none": 1}.get(own.get("unknown"), own.get("unknown", UNKNOWN_LIMIT))
    if unknown.mean() > limit:
        raise SystemExit(
            f'Cannot map column "{own["column"]}": {unknown.mean():.1%} of the rows have a label '
            f"that variants.yaml does not list, such as {source[unknown].tolist()[0]!r}"
        )


def encode(
    rows: pd.DataFrame,
    steps: list[dict[str, Any]],
    names: list[str] | None,
    *,
    defaults: set[str],
    known: frozenset[str],
) -> pd.DataFrame:
    """The rows with a column per category, as by `pandas.get_dummies` and a reindex.

    `defaults` are columns that no row has, which a default has made: categories replace them.
    """
    made: dict[str, pd.Series] = {}
    raw = [own for own in steps if own["column"] in rows]
    for own in raw:
        column, prefix, declared = rows[own["column"]], prefix_of(own), own.get("categories") or []
        if names is None and not declared:
            made |= dict(pd.get_dummies(column, prefix=prefix, prefix_sep="").items())
            continue
        own_names = [name for name in names or [] if own is owner_of(name, steps)]
        categories = [name.removeprefix(prefix) for name in own_names] or declared
        found = spelled(column, categories).where(column.notna(), "nan")
        for category in categories:
            name = f"{prefix}{category}"
            is_category = found == category
            is_encoded = name in rows and name not in defaults
            is_known = category in declared or (name in known and name not in rows)
            if is_category.any() or is_known:
                if is_encoded and (rows[name].astype(bool) != is_category)[column.notna()].any():
                    raise SystemExit(
                        f'Cannot use "{name}": it contradicts "{column.name}" in some row'
                    )
                made[name] = rows[name] if is_encoded else is_category
            elif name not in rows:
                raise SystemExit(
                    f'Cannot make the feature "{name}": no training row has "{category}" in '
                    f'"{own["column"]}"; if it is a category, list it in categories of the recipe'
                )
    return rows.drop(columns=[own["column"] for own in raw]).assign(**made)


def owner_of(name: str, steps: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The step of one_hot that makes a column: the one with the longest prefix."""
    able = [own for own in steps if name.startswith(prefix_of(own))]
    return max(able, key=lambda own: len(prefix_of(own)), default=None)
