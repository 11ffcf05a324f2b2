"""The tables of models/README.md, made from the process and the manifests."""

import re
from pathlib import Path

from players import MISSING_SHARE, UNKNOWN_SHARE, VARIANTS, Process

PATH = Path(__file__).with_name("README.md")
METRICS = ["rows", "base_rate", "auc", "log_loss", "brier", "accuracy", "precision", "recall"]

SCALARS = {
    "intercept": "1",
    "months": "ln(months_active)",
    "newcomer": "months_active ≤ 2",
    "no_deposit": "total_deposit = 0",
    "handle": "ln(1 + total_handle)",
    "heavy_loss": "total_ngr > 0.3 · total_deposit > 0",
    "casino_newcomer": "CASINO and months_active ≤ 2",
}
EFFECTS = {"product": "player_reg_product", "brand": "brand_id", "login": "ben_login_id"}


def update(manifests: dict[str, dict]) -> None:
    """Rewrites every table between its markers."""
    text = PATH.read_text()
    text = replace(text, "coefficients", coefficients())
    text = replace(text, "shares", shares())
    text = replace(text, "metrics", metrics(manifests))
    text = replace(text, "checksums", checksums(manifests))
    PATH.write_text(text)


def replace(text: str, name: str, content: str) -> str:
    """The text with new content between `<!-- NAME -->` and `<!-- /NAME -->`."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"Cannot write the table {name}: {PATH.name} has no markers for it")
    return pattern.sub(lambda found: f"{found[1]}\n{content}\n\n{found[2]}", text)


def coefficients() -> str:
    """A row for each term of the log-odds, a column for each variant."""
    processes = [variant.process for variant in VARIANTS]
    rows = [
        [label, *(signed(getattr(p, name)) for p in processes)] for name, label in SCALARS.items()
    ]
    for name, column in EFFECTS.items():
        rows += effect_rows(processes, name, column)
    rows.append(["noise, standard deviation", *(f"{p.noise:.2f}" for p in processes)])
    return table(["term", *(variant.key for variant in VARIANTS)], rows)


def effect_rows(processes: list[Process], name: str, column: str) -> list[list[str]]:
    """A row for each category that has an effect in some variant."""
    effects = [getattr(process, name) for process in processes]
    values = sorted(set().union(*effects))
    return [[f"{column} = {v}", *(signed(e.get(v, 0.0)) for e in effects)] for v in values]


def shares() -> str:
    """The documented shares of missing money and of unknown categories."""
    rows = [[name, "missing (`null`)", f"{share:.0%}"] for name, share in MISSING_SHARE.items()]
    rows += [
        [name, "none of its columns true", f"{share:.0%}"] for name, share in UNKNOWN_SHARE.items()
    ]
    return table(["column", "what", "share"], rows)


def metrics(manifests: dict[str, dict]) -> str:
    """scikit-learn's metrics on each evaluation set."""
    rows = [
        [key, *(number(manifest["metrics"][name]) for name in METRICS)]
        for key, manifest in manifests.items()
    ]
    return table(["variant", *METRICS], rows)


def checksums(manifests: dict[str, dict]) -> str:
    """Name, size and SHA-256 of each file, as its manifest has them."""
    rows = [
        [key, f"`{file['name']}`", f"{file['bytes']:,}", f"`{file['sha256']}`"]
        for key, manifest in manifests.items()
        for file in manifest["files"].values()
    ]
    return table(["variant", "file", "bytes", "sha256"], rows)


def signed(value: float) -> str:
    """A coefficient; nothing where there is no effect."""
    return f"{value:+.2f}" if value else "–"


def number(value: float) -> str:
    """A count as it is, a share with four decimals."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table with aligned columns, as `deno fmt` would write it."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
