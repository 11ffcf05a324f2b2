/** Proposes which columns of a sample are a model's features, the id and the label, and says why. */
import { InputError } from "../base/errors.ts";
import { listSome } from "../base/phrases.ts";
import { openCategories } from "../rows/categories.ts";
import type { InputRow } from "../rows/json.ts";

/** What the rows of a sample show of one column. */
export interface SampleColumn {
  readonly name: string;
  /** Whether all values differ. */
  readonly isUnique: boolean;
  /** Whether every value is a number, true or false. */
  readonly isNumeric: boolean;
  /** Whether every row has 0 or 1 (or true or false), and both occur. */
  readonly isBinary: boolean;
  /** Whether every value is a text or a whole number. */
  readonly isIdentifier: boolean;
  /** The values, until there are more than {@linkcode mostValues}; undefined then. */
  readonly values: readonly unknown[] | undefined;
}

/** A column with more distinct values is not a column of categories. */
const mostValues = 1_000;

/** Returns the columns of a sample in the order in which its rows have them. */
export function toSampleColumns(rows: readonly InputRow[]): SampleColumn[] {
  const names = new Set(rows.flatMap(({ value }) => Object.keys(value)));
  return [...names].map((name) => {
    const cells = rows.map(({ value }) => value[name] ?? null);
    const filled = cells.filter((cell) => cell !== null);
    const distinct = new Set(filled);
    const isBit = (cell: unknown) =>
      cell === 0 || cell === 1 || typeof cell === "boolean";
    return {
      name,
      isUnique: distinct.size === filled.length,
      isNumeric: filled.every((cell) =>
        ["number", "boolean", "bigint"].includes(typeof cell)
      ),
      isBinary: filled.length === rows.length && filled.every(isBit) &&
        new Set(filled.map(Number)).size === 2,
      isIdentifier: filled.length > 0 &&
        filled.every((cell) =>
          typeof cell === "string" || typeof cell === "bigint" ||
          Number.isInteger(cell)
        ),
      values: distinct.size > mostValues ? undefined : [...distinct],
    };
  });
}

/** How the rows become a model's features. */
export interface FeatureProposal {
  /** The names of the model's features, in its order. */
  readonly names: readonly string[];
  /** Columns of the sample by the name that the model has for them. */
  readonly renamed: Readonly<Record<string, string>>;
  /** Columns that become one feature per category. */
  readonly oneHot: readonly {
    readonly column: string;
    /** Given if the sample alone does not show them. */
    readonly categories: readonly string[] | undefined;
  }[];
  /** The sample's columns that the model reads. */
  readonly used: ReadonlySet<string>;
  /** One sentence. */
  readonly reason: string;
}

/**
 * Matches the names of a model's features to the columns of a sample: the same
 * name; otherwise the name without regard to case and punctuation, as LightGBM
 * writes `Air_temperature` for "Air temperature"; otherwise a category of a
 * column, as `pandas.get_dummies` names it.
 *
 * @throws {InputError} If a feature has no column, or two equally good ones.
 */
export function matchFeatures(
  names: readonly string[],
  columns: readonly SampleColumn[],
): FeatureProposal {
  const present = new Set(columns.map(({ name }) => name));
  const missing = names.filter((name) => !present.has(name));
  const free = columns.filter(({ name }) => !names.includes(name));
  const renamed: Record<string, string> = {};
  for (const name of missing) {
    const alike = free.filter((column) => fold(column.name) === fold(name));
    if (alike.length > 1) throw ambiguous(name, alike);
    if (alike[0]) renamed[alike[0].name] = name;
  }
  const made = new Set(Object.values(renamed));
  const raw = free.filter(({ name }) => !Object.hasOwn(renamed, name));
  const oneHot = matchCategories(
    missing.filter((name) => !made.has(name)),
    raw,
  );
  const count = names.length - missing.length;
  return {
    names,
    renamed,
    oneHot,
    used: new Set([
      ...names.filter((name) => present.has(name)),
      ...Object.keys(renamed),
      ...oneHot.map(({ column }) => column),
    ]),
    reason: [
      `${count} of the model's ${names.length} feature names are columns of the sample`,
      ...Object.entries(renamed).map(([column, name]) =>
        `"${column}" is "${name}"`
      ),
      ...oneHot.length === 0 ? [] : [
        `the others are categories of ${
          list(oneHot.map(({ column }) => column))
        }`,
      ],
    ].join(", "),
  };
}

/** Returns the columns whose categories are features that the sample lacks. */
function matchCategories(
  missing: readonly string[],
  raw: readonly SampleColumn[],
): FeatureProposal["oneHot"] {
  const named = raw.flatMap(({ name, values }) => {
    const features = values
      ? shownFeatures(missing, { column: name, values })
      : [];
    return values && features.length > 0 ? [{ name, values, features }] : [];
  });
  const owners = new Map<string, string>();
  for (const feature of missing) {
    const able = named.filter(({ name }) => feature.startsWith(`${name}_`))
      .toSorted((a, b) => b.name.length - a.name.length);
    // As a recipe, the longest prefix wins: brand_id_NJ is a category of brand_id, not of brand.
    const [longest, ...others] = able;
    const alike = others.filter(({ features }) => features.includes(feature));
    if (longest && alike.length > 0) {
      throw ambiguous(feature, [longest, ...alike].toReversed());
    }
    if (longest) owners.set(feature, longest.name);
  }
  const lost = missing.filter((name) => !owners.has(name));
  if (lost.length > 0) {
    throw new InputError(
      `Cannot find ${lost.length === 1 ? "the feature" : "the features"} ${
        list(lost)
      } of the model in the sample: besides the features that were found it has ${
        list(raw.map(({ name }) => name), 20) || "no columns"
      }; add the columns to the sample, or write the entry by hand with a recipe that makes them (docs/data.md)`,
    );
  }
  return named.map(({ name: column, values }) => {
    const categories = missing.filter((name) => owners.get(name) === column)
      .map((name) => name.slice(column.length + 1));
    const find = openCategories(categories);
    const seen = new Set(values.map(find));
    const others = values.filter((value) => find(value) === -1);
    const dropped = droppedFirst(others, { categories });
    const isShown = categories.every((_, index) => seen.has(index));
    return {
      column,
      categories: isShown && dropped === undefined
        ? undefined
        : [...dropped === undefined ? [] : [dropped], ...categories],
    };
  });
}

/** Returns the features that are a category which a column has in some row. */
function shownFeatures(
  features: readonly string[],
  { column, values }: { column: string; values: readonly unknown[] },
): string[] {
  const prefix = `${column}_`;
  const own = features.filter((name) => name.startsWith(prefix));
  const find = openCategories(own.map((name) => name.slice(prefix.length)));
  const shown = new Set(values.map(find));
  return own.filter((_, index) => shown.has(index));
}

/**
 * Returns the category that `get_dummies(drop_first=True)` left out, spelled like
 * the others: the only value without a feature, if it sorts before all others.
 * Undefined if there is none.
 */
function droppedFirst(
  others: readonly unknown[],
  { categories }: { categories: readonly string[] },
): string | undefined {
  const [value, ...more] = others;
  if (value === undefined || more.length > 0) return undefined;
  if (typeof value === "number") {
    const isFirst = categories.every((category) => value < Number(category));
    const isDecimal = categories.every((category) => /\.\d/.test(category));
    return !isFirst
      ? undefined
      : isDecimal && Number.isInteger(value)
      ? `${value}.0`
      : String(value);
  }
  const text = typeof value === "boolean"
    ? value ? "True" : "False"
    : String(value);
  return categories.every((category) => text < category) ? text : undefined;
}

function ambiguous(
  feature: string,
  columns: readonly { readonly name: string }[],
): InputError {
  return new InputError(
    `Cannot tell which column is the feature "${feature}": ${
      list(columns.map(({ name }) => name))
    } fit equally well; rename one of them in the sample, or write the entry by hand with a recipe (docs/data.md)`,
  );
}

/**
 * Takes the columns of a sample that are neither id nor label as the features of
 * a model without names, in their order.
 *
 * @throws {InputError} If their number is not that of the model's features, or one of them is not a number.
 */
export function takeFeatures(
  columns: readonly SampleColumn[],
  options: {
    count: number | undefined;
    others: readonly (string | undefined)[];
  },
): FeatureProposal {
  const { others } = options;
  const taken = columns.filter(({ name }) => !others.includes(name));
  const names = taken.map(({ name }) => name);
  const { count = taken.length } = options;
  const advice =
    "name the model's columns in its order with --features FILE (a JSON array)";
  const text = taken.find(({ isNumeric }) => !isNumeric);
  const disordered = names.find((name) => /^\d+$/.test(name));
  const problem = names.length !== count
    ? `it has ${count} features without names, and the sample has ${names.length} columns besides id and label (${
      list(names)
    })`
    : text
    ? `its features have no names, and the column "${text.name}" of the sample has strings`
    : disordered !== undefined
    ? `its features have no names, and the order of columns named with digits ("${disordered}") is not known`
    : undefined;
  if (problem !== undefined) {
    throw new InputError(
      `Cannot propose the features of the model: ${problem}; ${advice}`,
    );
  }
  return {
    names,
    renamed: {},
    oneHot: [],
    used: new Set(names),
    reason:
      `the model has no feature names, so the sample's columns are taken in their order`,
  };
}

/** A proposal for one column, or the candidates if none is better than the others. */
export type ColumnProposal =
  | { readonly column: string | undefined; readonly reason: string }
  | { readonly candidates: readonly string[]; readonly reason: string };

/** Tells whether a column's name is that of an id: `id`, `machine_id`, `machineId`, `order key`. */
function namesAnId(name: string): boolean {
  return /(^|[_\s.-])(id|uuid|guid|key|identifier)$/i.test(name) ||
    /[a-z](Id|ID|UUID|Key)$/.test(name);
}

/**
 * Proposes the column that identifies a row: the one that the settings name, or
 * that its name shows; otherwise the only one whose values all differ.
 *
 * @param columns Those that are neither features nor the label.
 * @param usual The column that `variants.yaml` names for all variants.
 */
export function proposeId(
  columns: readonly SampleColumn[],
  usual: string | undefined,
): ColumnProposal {
  const able = columns.filter(({ isIdentifier }) => isIdentifier);
  const own = able.find(({ name }) => name === usual);
  if (own) {
    return { column: own.name, reason: "the id column in variants.yaml" };
  }
  const named = able.filter(({ name }) => namesAnId(name));
  const isNamed = named.length > 0;
  const found = isNamed ? named : able.filter(({ isUnique }) => isUnique);
  const kind = isNamed
    ? "has the name of an id"
    : "has a different value in every row";
  return proposeOnly(found, {
    none:
      "no other column has the name of an id or a different value in every row",
    several: `each of them ${kind}`,
    one: `the only column besides the features that ${kind}${
      found[0]?.isUnique ? "" : ", although rows share it"
    }`,
  });
}

/** Proposes the only column that was found, with the reason for their number. */
function proposeOnly(
  found: readonly SampleColumn[],
  reasons: { none: string; several: string; one: string },
): ColumnProposal {
  if (found.length > 1) {
    const candidates = found.map(({ name }) => name);
    return { candidates, reason: reasons.several };
  }
  const [only] = found;
  return { column: only?.name, reason: only ? reasons.one : reasons.none };
}

/**
 * Proposes the column with the outcome: the one that the settings name, otherwise
 * the only one that has 0 or 1 in every row.
 *
 * @param columns Those that are neither features nor the id.
 * @param usual The label that `variants.yaml` names for all variants.
 */
export function proposeLabel(
  columns: readonly SampleColumn[],
  usual: string,
): ColumnProposal {
  const able = columns.filter(({ isBinary }) => isBinary);
  const own = columns.find(({ name }) => name === usual);
  if (own?.isBinary) {
    return { column: own.name, reason: "the label in variants.yaml" };
  }
  if (own) {
    return {
      candidates: [own, ...able].map(({ name }) => name),
      reason:
        `"${usual}" is the label in variants.yaml, but not 0 or 1 in every row`,
    };
  }
  const kind = "exactly the values 0 and 1";
  return proposeOnly(able, {
    none: `no other column has ${kind}`,
    several: `each of them has ${kind}`,
    one: `the only column besides the features with ${kind}`,
  });
}

/** Returns a name in lower case without anything but letters and digits. */
function fold(name: string): string {
  return name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, "");
}

/** Returns names in quotes, at most `most` of them. */
function list(names: readonly string[], most = 8): string {
  return listSome(names.map((name) => `"${name}"`), most);
}
