"""What `variants.yaml` says about one variant, as far as training needs it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """The settings of a variant: those of its entry, otherwise those of the top level."""

    label: str
    id_column: str | None
    features: Path
    """The file of the feature names in this repository; it may not exist."""
    steps: list[dict[str, Any]]
    one_hot: list[dict[str, Any]]
    missing_value: float | None


def read_settings(key: str) -> Settings:
    """The settings of the variant with this key, such as `geography-us/company-acme` or `base`.

    A variant that is not listed has the settings of the top level.
    """
    # YAML 1.2, as the commands read it: in 1.1, the geography NO would be `false`.
    whole = YAML(typ="safe", pure=True).load((ROOT / "variants.yaml").read_text())
    dimensions = whole.pop("dimensions", None) or []
    entries = {key_of(entry, dimensions): entry for entry in whole.pop("variants", None) or []}
    merged = whole | entries.get(key.lower(), {})
    files, recipe = merged.get("files") or {}, merged.get("recipe") or {}
    id_column = merged.get("id_column") or "player_id"
    prefix = "" if key == "base" else f"{key.lower()}/"
    features = files.get("features") or "data/churn/feature_names_3.json"
    top, _, rest = features.partition("/")
    return Settings(
        label=merged.get("label") or "churned",
        id_column=None if id_column == "none" else id_column,
        features=ROOT / (f"{top}/{prefix}{rest}" if rest else f"{prefix}{top}"),
        steps=recipe.get("steps") or [],
        one_hot=recipe.get("one_hot") or [],
        missing_value=merged.get("missing_value"),
    )


def key_of(entry: dict[str, Any] | None, dimensions: list[str]) -> str:
    """The key of an entry: `base`, `geography-us`, `geography-eu/company-clientb/brand-nj`."""
    values = (entry or {}) | ((entry or {}).get("dimensions") or {})
    parts = [
        f"{part}-{values[part]}".lower()
        for part in ("geography", "company", *dimensions)
        if values.get(part) is not None
    ]
    return "/".join(parts) or "base"
