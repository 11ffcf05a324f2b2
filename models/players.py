"""Synthetic players of sportsbooks, and the process that makes some of them churn.

Nobody real is in here: every value is drawn from the distributions below. A
snapshot of a player has four numbers (money and tenure) and three categories
(brand, login, product); `churned` says whether the player placed no bet in the
following month. The process is known, so a model trained on these rows can be
judged against the truth.

Everything is a pure function of a seed: the same seed gives the same players.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

MONEY = ["total_deposit", "total_handle", "total_ngr"]
NUMBERS = [*MONEY, "months_active"]

STATE_BRANDS = "AZ CA CO DC IA IN KS KY LA MA MD MI MS NC NE NJ NV NY OH PA TN VA WV WY".split()
NATIONAL_BRANDS = ["US"]
EUROPEAN_BRANDS = "ER GM IS NO".split()

# The values of each category, in the order of the model's one-hot columns.
CATEGORIES = {
    "brand_id": sorted([*STATE_BRANDS, *NATIONAL_BRANDS, *EUROPEAN_BRANDS]),
    "ben_login_id": [
        "BCCSB22",
        "BCUSA22L",
        "BCUSA22N",
        "BCUSA22NP",
        "actionnetwork",
        "starsportsmx",
        "wedgetraffic",
    ],
    "player_reg_product": ["BETTING", "BINGO", "CASINO", "POKER", "RACEBOOK"],
}
FEATURES = NUMBERS + [
    f"{column}_{value}" for column, values in CATEGORIES.items() for value in values
]

# Share of players whose category is one that the model has no column for.
UNKNOWN_SHARE = {"brand_id": 0.03, "ben_login_id": 0.05, "player_reg_product": 0.02}

# Share of values that are missing, at random and after the label is drawn.
MISSING_SHARE = {"total_deposit": 0.02, "total_handle": 0.03, "total_ngr": 0.05}

PRODUCT_WEIGHTS = {
    "BETTING": 55,
    "BINGO": 5,
    "CASINO": 30,
    "POKER": 6,
    "RACEBOOK": 4,
}
# Share of the handle that the house keeps on average, and its spread from player to player.
HOLD = {
    "BETTING": (0.07, 0.15),
    "BINGO": (0.20, 0.10),
    "CASINO": (0.05, 0.08),
    "POKER": (0.04, 0.03),
    "RACEBOOK": (0.16, 0.12),
}
UNKNOWN_HOLD = (0.06, 0.10)

MEAN_MONTHS = 9.0
MOST_MONTHS = 60
NEVER_DEPOSITED_SHARE = 0.45  # registered, and put no money in
FREE_BET_SHARE = 0.20  # of those, the share that played a free bet all the same
HEAVY_LOSS_SHARE = 0.30  # of the deposit kept by the house: a heavy loss


@dataclass(frozen=True)
class Process:
    """Coefficients of the churn process, in log-odds; an absent category counts 0."""

    intercept: float
    months: float  # for each unit of ln(months_active)
    newcomer: float  # months_active <= 2
    no_deposit: float  # total_deposit = 0
    handle: float  # for each unit of ln(1 + total_handle)
    heavy_loss: float  # total_ngr > HEAVY_LOSS_SHARE * total_deposit > 0
    casino_newcomer: float  # CASINO and months_active <= 2
    product: dict[str, float]
    brand: dict[str, float]
    login: dict[str, float]
    noise: float  # standard deviation of what no column explains


@dataclass(frozen=True)
class Variant:
    """One population, with its own model: all players, or those of a geography or company."""

    prefix: str  # folder of the variant, as in the bucket; empty for the base model
    code: str  # part of the player ids
    seed: int
    geography: str | None
    company: str | None
    brand_weights: dict[str, float]
    login_weights: dict[str, float]
    median_deposit: float  # of those who deposited, a month of activity
    process: Process
    rows: dict[str, int] = field(
        default_factory=lambda: {"training": 6000, "evaluation": 1000, "sample": 500}
    )

    @property
    def key(self) -> str:
        """The variant's name: `base`, `geography-us`, `geography-eu/company-clientb`."""
        return self.prefix or "base"


def evenly(values: list[str]) -> dict[str, float]:
    """The same weight for each value."""
    return dict.fromkeys(values, 1.0)


BASE_PROCESS = Process(
    intercept=-0.10,
    months=-0.55,
    newcomer=0.45,
    no_deposit=0.60,
    handle=-0.12,
    heavy_loss=0.70,
    casino_newcomer=0.60,
    product={"BINGO": -0.30, "CASINO": 0.25, "POKER": -0.40, "RACEBOOK": 0.15},
    brand={"GM": 0.45, "NJ": -0.35, "NO": 0.30, "NY": 0.40, "PA": -0.25},
    login={"BCUSA22NP": 0.35, "actionnetwork": -0.30, "wedgetraffic": 0.55},
    noise=0.40,
)
US_PROCESS = Process(
    intercept=0.65,
    months=-0.75,
    newcomer=0.25,
    no_deposit=0.45,
    handle=-0.14,
    heavy_loss=0.90,
    casino_newcomer=0.35,
    product={"BINGO": -0.10, "CASINO": 0.10, "POKER": -0.50, "RACEBOOK": 0.30},
    brand={"CO": 0.25, "MI": -0.20, "NJ": -0.50, "NV": 0.35, "NY": 0.55, "PA": -0.40},
    login={"BCUSA22L": -0.15, "BCUSA22NP": 0.50, "actionnetwork": -0.45},
    noise=0.40,
)
EU_CLIENTB_PROCESS = Process(
    intercept=-0.75,
    months=-0.35,
    newcomer=0.70,
    no_deposit=0.85,
    handle=-0.08,
    heavy_loss=0.45,
    casino_newcomer=0.80,
    product={"BINGO": -0.55, "CASINO": 0.40, "POKER": -0.30, "RACEBOOK": -0.10},
    brand={"ER": -0.25, "GM": 0.35, "IS": 0.20, "NO": 0.10},
    login={"BCCSB22": -0.30, "starsportsmx": 0.25, "wedgetraffic": 0.60},
    noise=0.50,
)
CLIENTA_PROCESS = Process(
    intercept=0.10,
    months=-0.60,
    newcomer=0.30,
    no_deposit=0.70,
    handle=-0.13,
    heavy_loss=0.60,
    casino_newcomer=0.50,
    product={"BINGO": -0.20, "CASINO": 0.30, "POKER": -0.35},
    brand={"GM": 0.40, "MI": -0.15, "NJ": -0.30, "PA": -0.30},
    login={"BCUSA22N": 0.15, "wedgetraffic": 0.45},
    noise=0.40,
)

VARIANTS = [
    Variant(
        prefix="",
        code="ALL",
        seed=20261101,
        geography=None,
        company=None,
        brand_weights={
            **evenly(CATEGORIES["brand_id"]),
            "GM": 6,
            "NJ": 4,
            "NO": 3,
            "NY": 4,
            "PA": 3,
            "US": 5,
        },
        login_weights={**evenly(CATEGORIES["ben_login_id"]), "BCUSA22N": 4, "BCUSA22L": 2},
        median_deposit=35.0,
        process=BASE_PROCESS,
        rows={"training": 10000, "evaluation": 1500, "sample": 1000},
    ),
    Variant(
        prefix="geography-us",
        code="US",
        seed=20261102,
        geography="US",
        company=None,
        brand_weights={**evenly(STATE_BRANDS), "US": 6, "NJ": 4, "NY": 5, "PA": 3, "MI": 2},
        login_weights={"BCUSA22L": 3, "BCUSA22N": 5, "BCUSA22NP": 2, "actionnetwork": 3},
        median_deposit=45.0,
        process=US_PROCESS,
    ),
    Variant(
        prefix="geography-eu/company-clientb",
        code="EU-CB",
        seed=20261103,
        geography="EU",
        company="ClientB",
        brand_weights={"ER": 2, "GM": 6, "IS": 1, "NO": 4},
        login_weights={"BCCSB22": 4, "starsportsmx": 2, "wedgetraffic": 3},
        median_deposit=25.0,
        process=EU_CLIENTB_PROCESS,
    ),
    Variant(
        prefix="company-clienta",
        code="CA",
        seed=20261104,
        geography=None,
        company="ClientA",
        brand_weights={"GM": 3, "MI": 2, "NJ": 4, "PA": 3, "US": 2},
        login_weights={"BCUSA22N": 4, "actionnetwork": 2, "wedgetraffic": 1},
        median_deposit=40.0,
        process=CLIENTA_PROCESS,
        rows={"training": 6000, "evaluation": 700, "sample": 300},
    ),
]

# First days of the shipped weeks, and how many players each has.
WEEKS = ["2026-11-09", "2026-11-16", "2026-11-23"]
WEEK_ROWS = 400
# Players who are gone by the next week; as many new ones come.
WEEKLY_CHANGE = 20

# Splits in the order in which players are numbered: no player is in two of them.
SPLITS = ["training", "evaluation", "sample"]


def draw_split(variant: Variant, split: str) -> pd.DataFrame:
    """The players of one split of a variant: `player_id`, raw columns, `churned`."""
    before = SPLITS[: SPLITS.index(split)]
    first = 1 + sum(variant.rows[name] for name in before)
    rng = np.random.default_rng([variant.seed, SPLITS.index(split)])
    return draw_players(variant, variant.rows[split], rng, first)


def draw_week(variant: Variant, week: str) -> pd.DataFrame:
    """The players of one shipped week: most of them are those of the week before."""
    index = WEEKS.index(week)
    first = 1 + sum(variant.rows.values()) + index * WEEKLY_CHANGE
    rng = np.random.default_rng([variant.seed, len(SPLITS) + 1 + index])
    return draw_players(variant, WEEK_ROWS, rng, first)


def draw_players(
    variant: Variant, rows: int, rng: np.random.Generator, first: int = 1
) -> pd.DataFrame:
    """`rows` players with raw categories, numbered from `first`, with their label."""
    players = pd.DataFrame(
        {"player_id": [f"P-{variant.code}-{n:06d}" for n in range(first, first + rows)]}
    )
    players["brand_id"] = draw_category(rng, rows, "brand_id", variant.brand_weights)
    players["ben_login_id"] = draw_category(rng, rows, "ben_login_id", variant.login_weights)
    players["player_reg_product"] = draw_category(rng, rows, "player_reg_product", PRODUCT_WEIGHTS)
    players["months_active"] = draw_months(rng, rows)
    players = players.assign(**draw_money(rng, players, variant.median_deposit))
    chance = 1 / (1 + np.exp(-log_odds(players, variant.process, rng)))
    players["churned"] = (rng.random(rows) < chance).astype(int)
    return remove_some(rng, players)


def draw_category(
    rng: np.random.Generator, rows: int, column: str, weights: dict[str, float]
) -> np.ndarray:
    """Values of a category by weight; None for those the model does not know."""
    unknown = UNKNOWN_SHARE[column]
    total = sum(weights.values())
    shares = [(1 - unknown) * weight / total for weight in weights.values()]
    return rng.choice(np.array([*weights, None], dtype=object), rows, p=[*shares, unknown])


def draw_months(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Whole months since registration, from 1: many new players, a few old ones."""
    return np.minimum(rng.geometric(1 / MEAN_MONTHS, rows), MOST_MONTHS)


def draw_money(
    rng: np.random.Generator, players: pd.DataFrame, median_deposit: float
) -> dict[str, np.ndarray]:
    """Deposits, stakes and net gaming revenue in the brand's currency, to the cent."""
    rows = len(players)
    months = players["months_active"].to_numpy()
    amount = median_deposit * np.sqrt(months) * rng.lognormal(0, 1.2, rows)
    deposit = np.where(rng.random(rows) < NEVER_DEPOSITED_SHARE, 0, 5 * np.ceil(amount / 5))
    free_bet = np.where(rng.random(rows) < FREE_BET_SHARE, rng.lognormal(3, 0.8, rows), 0)
    handle = np.where(deposit > 0, deposit * rng.lognormal(1.5, 0.9, rows), free_bet)
    ngr = draw_ngr(rng, players, handle, deposit)
    # Adding zero turns -0.0, which JSON would show, into 0.0.
    return {
        name: np.round(v, 2) + 0.0 for name, v in zip(MONEY, (deposit, handle, ngr), strict=True)
    }


def draw_ngr(
    rng: np.random.Generator, players: pd.DataFrame, handle: np.ndarray, deposit: np.ndarray
) -> np.ndarray:
    """What the house kept: at most the deposit, negative where the player won."""
    holds = [HOLD.get(product, UNKNOWN_HOLD) for product in players["player_reg_product"]]
    mean, spread = np.array(holds).T
    kept = handle * rng.normal(mean, spread)
    return np.where(deposit > 0, np.minimum(kept, deposit), kept)


def log_odds(players: pd.DataFrame, process: Process, rng: np.random.Generator) -> np.ndarray:
    """The log-odds of churn: the sum of the process's terms, and noise."""
    months, deposit = players["months_active"], players["total_deposit"]
    new = months <= 2
    heavy = (deposit > 0) & (players["total_ngr"] > HEAVY_LOSS_SHARE * deposit)
    return (
        process.intercept
        + process.months * np.log(months)
        + process.newcomer * new
        + process.no_deposit * (deposit == 0)
        + process.handle * np.log1p(players["total_handle"])
        + process.heavy_loss * heavy
        + process.casino_newcomer * (new & (players["player_reg_product"] == "CASINO"))
        + effect(players["player_reg_product"], process.product)
        + effect(players["brand_id"], process.brand)
        + effect(players["ben_login_id"], process.login)
        + rng.normal(0, process.noise, len(players))
    ).to_numpy()


def effect(column: pd.Series, effects: dict[str, float]) -> np.ndarray:
    """The effect of each row's category; 0 for those that have none."""
    return np.array([effects.get(value, 0.0) for value in column])


def remove_some(rng: np.random.Generator, players: pd.DataFrame) -> pd.DataFrame:
    """The players with a share of each money column missing."""
    for column, share in MISSING_SHARE.items():
        missing = rng.random(len(players)) < share
        players[column] = players[column].mask(missing)
    return players


def encode(players: pd.DataFrame) -> pd.DataFrame:
    """The 45 features in the model's order; categories become one-hot columns.

    A category that has no column, or none at all, leaves its whole group false.
    """
    encoded = pd.get_dummies(players, columns=list(CATEGORIES), prefix_sep="_")
    return encoded.reindex(columns=FEATURES, fill_value=False)
