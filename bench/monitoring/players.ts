/**
 * Synthetic players of the base variant, week by week: the population and the
 * churn process of `models/players.py`, with players who stay from one week to
 * the next. Everything is a function of a seed.
 */
import { randomFrom } from "../../tests/support/random.ts";

/** A row of a delivery as the base variant gets it; null means missing, or a category that is not known. */
export interface PlayerRow {
  readonly player_id: string;
  readonly total_deposit: number | null;
  readonly total_handle: number | null;
  readonly total_ngr: number | null;
  readonly months_active: number | null;
  readonly brand_id: string | null;
  readonly ben_login_id: string | null;
  readonly player_reg_product: string | null;
}

/** The players of one week and what became of them. */
export interface Week {
  readonly rows: readonly PlayerRow[];
  /** 1 for a player who placed no bet in the following month; in the order of the rows. */
  readonly outcomes: readonly number[];
}

/** The state of the world in one week; what is absent is as in the training data. */
export interface World {
  /** Mean of `months_active`, 9 by default. */
  readonly meanMonths?: number;
  /** Factor of `total_handle`, and of `total_ngr`, its share. */
  readonly handle?: number;
  /** Weights of brands of the players who come new, in place of their usual ones. */
  readonly brandWeights?: Readonly<Record<string, number>>;
  /** Added to the log-odds of churn. */
  readonly intercept?: number;
  /** Factor of the effect that tenure has on churn. */
  readonly monthsEffect?: number;
}

/** What changes slowly or not at all in a player; uniform numbers (0 to 1) and standard normal ones. */
interface Player {
  readonly number: number;
  readonly brand: string | null;
  readonly login: string | null;
  readonly product: string | null;
  readonly tenure: number;
  readonly deposits: boolean;
  readonly playsFreeBet: boolean;
  readonly amount: number;
  readonly turnover: number;
  readonly hold: number;
  readonly unexplained: number;
}

const states =
  "AZ CA CO DC IA IN KS KY LA MA MD MI MS NC NE NJ NV NY OH PA TN VA WV WY";
const evenly = (names: string) =>
  Object.fromEntries(names.split(" ").map((name) => [name, 1]));

/** The weights of the known categories by raw column, and the share of players without one. */
const categories = {
  brand_id: {
    weights: {
      ...evenly(`${states} ER GM IS NO US`),
      ...{ GM: 6, NJ: 4, NO: 3, NY: 4, PA: 3, US: 5 },
    },
    unknown: 0.03,
  },
  ben_login_id: {
    weights: {
      ...evenly(
        "BCCSB22 BCUSA22L BCUSA22N BCUSA22NP actionnetwork starsportsmx wedgetraffic",
      ),
      ...{ BCUSA22N: 4, BCUSA22L: 2 },
    },
    unknown: 0.05,
  },
  player_reg_product: {
    weights: { BETTING: 55, BINGO: 5, CASINO: 30, POKER: 6, RACEBOOK: 4 },
    unknown: 0.02,
  },
} as const;

/** Mean and spread of the share of the handle that the house keeps. */
const holds: Readonly<Record<string, readonly [number, number]>> = {
  BETTING: [0.07, 0.15],
  BINGO: [0.20, 0.10],
  CASINO: [0.05, 0.08],
  POKER: [0.04, 0.03],
  RACEBOOK: [0.16, 0.12],
};
const unknownHold = [0.06, 0.10] as const;

/** Coefficients of the churn process in log-odds; `BASE_PROCESS` of `models/players.py`. */
const effects = {
  intercept: -0.10,
  months: -0.55,
  newcomer: 0.45,
  noDeposit: 0.60,
  handle: -0.12,
  heavyLoss: 0.70,
  casinoNewcomer: 0.60,
  product: { BINGO: -0.30, CASINO: 0.25, POKER: -0.40, RACEBOOK: 0.15 },
  brand: { GM: 0.45, NJ: -0.35, NO: 0.30, NY: 0.40, PA: -0.25 },
  login: { BCUSA22NP: 0.35, actionnetwork: -0.30, wedgetraffic: 0.55 },
  noise: 0.40,
} as const;

/** Correlation of a player's money with that of the week before. */
const persistence = 0.98;

/** Random numbers of several distributions from one seed. */
export interface Draws {
  uniform(): number;
  normal(): number;
}

/** Returns the random numbers of a seed. */
export function drawsFrom(seed: number): Draws {
  const uniform = randomFrom(seed);
  return {
    uniform,
    // Box and Muller's transform; 1 - u is never 0.
    normal: () =>
      Math.sqrt(-2 * Math.log(1 - uniform())) *
      Math.cos(2 * Math.PI * uniform()),
  };
}

/** Draws weeks of players, some of whom stay. */
export class Population {
  readonly #draws: Draws;
  readonly #staying: number;
  #players: Player[] = [];
  #last = 0;

  /** @param options `staying`: share of a week's players who are in the next week, too; 0 for independent weeks. */
  constructor(seed: number, { staying }: { staying: number }) {
    this.#draws = drawsFrom(seed);
    this.#staying = staying;
  }

  /** Returns the next week. */
  next({ rows, world = {} }: { rows: number; world?: World }): Week {
    const { uniform } = this.#draws;
    const staying = this.#players.filter(() => uniform() < this.#staying)
      .slice(0, rows).map((player) => this.#age(player));
    const coming = Array.from(
      { length: rows - staying.length },
      () => this.#draw(world.brandWeights),
    );
    this.#players = [...staying, ...coming];
    const drawn = this.#players.map((player) => this.#toRow(player, world));
    return {
      rows: drawn.map(({ row }) => row),
      outcomes: drawn.map(({ outcome }) => outcome),
    };
  }

  #draw(brandWeights: World["brandWeights"]): Player {
    const { uniform, normal } = this.#draws;
    return {
      number: ++this.#last,
      brand: this.#category("brand_id", brandWeights),
      login: this.#category("ben_login_id"),
      product: this.#category("player_reg_product"),
      tenure: uniform(),
      deposits: uniform() >= 0.45,
      playsFreeBet: uniform() < 0.20,
      amount: normal(),
      turnover: normal(),
      hold: normal(),
      unexplained: normal(),
    };
  }

  #age(player: Player): Player {
    // An autoregressive step keeps the distribution standard normal.
    const step = (value: number) =>
      persistence * value +
      Math.sqrt(1 - persistence ** 2) * this.#draws.normal();
    return {
      ...player,
      amount: step(player.amount),
      turnover: step(player.turnover),
      hold: step(player.hold),
    };
  }

  #category(
    column: keyof typeof categories,
    changed: Readonly<Record<string, number>> = {},
  ): string | null {
    const { weights, unknown } = categories[column];
    const { uniform } = this.#draws;
    if (uniform() < unknown) return null;
    const all = Object.entries({ ...weights, ...changed });
    let rest = uniform() * all.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of all) {
      rest -= weight;
      if (rest < 0) return name;
    }
    return all.at(-1)![0];
  }

  #toRow(
    player: Player,
    { meanMonths = 9, handle: factor = 1, ...concept }: World,
  ): { row: PlayerRow; outcome: number } {
    const { uniform } = this.#draws;
    const { product, brand, login } = player;
    // The inverse of the geometric distribution.
    const months = Math.min(
      60,
      Math.max(
        1,
        Math.ceil(Math.log(1 - player.tenure) / Math.log(1 - 1 / meanMonths)),
      ),
    );
    const amount = 35 * Math.sqrt(months) * Math.exp(1.2 * player.amount);
    const deposit = player.deposits ? 5 * Math.ceil(amount / 5) : 0;
    const handle = factor *
      (deposit > 0
        ? deposit * Math.exp(1.5 + 0.9 * player.turnover)
        : player.playsFreeBet
        ? Math.exp(3 + 0.8 * player.turnover)
        : 0);
    const [mean, spread] = holds[product ?? ""] ?? unknownHold;
    const kept = handle * (mean + spread * player.hold);
    const ngr = deposit > 0 ? Math.min(kept, deposit) : kept;
    const isNew = months <= 2;
    const logOdds = effects.intercept + (concept.intercept ?? 0) +
      effects.months * (concept.monthsEffect ?? 1) * Math.log(months) +
      (isNew ? effects.newcomer : 0) +
      (deposit === 0 ? effects.noDeposit : 0) +
      effects.handle * Math.log1p(handle) +
      (deposit > 0 && ngr > 0.30 * deposit ? effects.heavyLoss : 0) +
      (isNew && product === "CASINO" ? effects.casinoNewcomer : 0) +
      effectOf(effects.product, product) + effectOf(effects.brand, brand) +
      effectOf(effects.login, login) + effects.noise * player.unexplained;
    const outcome = Number(uniform() < 1 / (1 + Math.exp(-logOdds)));
    // Values are lost after the label is drawn.
    const orMissing = (value: number, share: number) =>
      uniform() < share ? null : cents(value);
    const row = {
      player_id: `D-${String(player.number).padStart(6, "0")}`,
      total_deposit: orMissing(deposit, 0.02),
      total_handle: orMissing(handle, 0.03),
      total_ngr: orMissing(ngr, 0.05),
      months_active: months,
      brand_id: brand,
      ben_login_id: login,
      player_reg_product: product,
    };
    return { row, outcome };
  }
}

function effectOf(
  table: Readonly<Record<string, number>>,
  category: string | null,
): number {
  return category === null ? 0 : table[category] ?? 0;
}

function cents(value: number): number {
  // Adding zero turns -0 into 0.
  return Math.round(value * 100) / 100 + 0;
}

/** The raw columns and the prefixes of their one-hot columns. */
const encoded = Object.keys(categories).map((column) =>
  [column, `${column}_`] as const
);

/**
 * Returns a week as a labelled file, with the columns as `pandas.get_dummies` encodes them.
 *
 * @param names The model's features, in order.
 */
export function toLabelledRows(
  { rows, outcomes }: Week,
  names: readonly string[],
): Record<string, unknown>[] {
  return rows.map((row, index) => {
    const raw: Readonly<Record<string, unknown>> = { ...row };
    const features = names.map((name) => {
      const [column, prefix = ""] = encoded.find(([, prefix]) =>
        name.startsWith(prefix)
      ) ?? [];
      return [
        name,
        column === undefined
          ? raw[name]
          : raw[column] === name.slice(prefix.length),
      ];
    });
    return {
      player_id: row.player_id,
      ...Object.fromEntries(features),
      churned: outcomes[index],
    };
  });
}
