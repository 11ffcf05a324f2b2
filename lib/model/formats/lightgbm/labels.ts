/**
 * Reads the labels of pandas categories from the last line of LightGBM's model
 * files, `pandas_categorical:[[…], …]`, which its Python package writes
 * (`basic.py`, `_dump_pandas_categorical`). It has one list per training column
 * of the dtype `category`, in column order, but does not say which columns.
 */
import { modelError } from "../document.ts";
import { findLabelProblem, type Label } from "../../labels.ts";

const key = "pandas_categorical:";

/**
 * Returns the labels per feature, or undefined if the file has none.
 *
 * If the parameter `categorical_feature` names as many features as there are
 * lists, the lists belong to these. The numbers differ if ordered categories or
 * an explicit `categorical_feature` were used. Then the lists belong to the only
 * features, in order, whose `feature_infos` fit them.
 *
 * @param lines The whole file.
 * @param infos `feature_infos`: `[a:b]` for numbers, `a:b:c` for categories, `none` for an unused feature.
 * @throws {InputError} If the line is invalid, or the features of the lists are ambiguous.
 */
export function readLightgbmLabels(
  lines: readonly string[],
  infos: readonly string[],
): (readonly Label[] | undefined)[] | undefined {
  const last = lines.findLast((line) => line.trim() !== "") ?? "";
  if (!last.startsWith(key)) return undefined;
  const lists = parseLists(last.slice(key.length));
  if (lists.length === 0) return undefined;
  const declared = categoricalFeatures(lines);
  const isDeclared = declared?.size === lists.length;
  const fits = (feature: number, list: number) =>
    (!isDeclared || declared.has(feature)) &&
    fitsInfo(infos[feature] ?? "", lists[list]?.length ?? 0);
  const found = assignLists(
    { features: infos.length, lists: lists.length },
    fits,
  );
  if (found === undefined) {
    throw modelError(
      "pandas_categorical",
      `cannot assign ${lists.length} lists of labels to ${infos.length} features ` +
        `(categorical_feature names ${
          declared?.size ?? "none"
        }); train with unordered categories and without categorical_feature`,
    );
  }
  return infos.map((_, feature) => lists[found.indexOf(feature)]);
}

function parseLists(text: string): Label[][] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw modelError("pandas_categorical", (error as Error).message);
  }
  if (value === null) return [];
  const lists: unknown[] = Array.isArray(value) ? value : [undefined];
  return lists.map((list, i) => {
    const labels: unknown[] = Array.isArray(list) ? list : [undefined];
    if (!labels.every(isLabel)) {
      throw modelError(
        `pandas_categorical[${i}]`,
        "expected a list of strings, numbers and booleans",
      );
    }
    const problem = findLabelProblem(labels);
    if (problem === undefined) return labels;
    throw modelError(`pandas_categorical[${i}]`, problem);
  });
}

function isLabel(value: unknown): value is Label {
  return ["string", "number", "boolean"].includes(typeof value);
}

/** Returns the features in the parameter `categorical_feature`; undefined if it is absent or has names instead of numbers. */
function categoricalFeatures(
  lines: readonly string[],
): ReadonlySet<number> | undefined {
  const start = lines.indexOf("parameters:");
  const found = start < 0 ? undefined : lines.slice(start)
    .map((line) => /^\[categorical_feature: ([\d,]*)\]$/.exec(line)?.[1])
    .find((text) => text !== undefined);
  if (found === undefined) return undefined;
  return new Set(found === "" ? [] : found.split(",").map(Number));
}

/** Returns whether a feature's values fit into codes of `labels` labels. */
function fitsInfo(info: string, labels: number): boolean {
  if (info === "none") return true;
  const range = /^\[(.*):(.*)\]$/.exec(info);
  const codes = (range ? range.slice(1) : info.split(":")).map(Number);
  const min = range ? 0 : -1; // -1 means missing in a list of categories
  return codes.every((code) =>
    Number.isInteger(code) && code >= min && code < labels
  );
}

/**
 * Returns the feature of each list if exactly one ascending choice of features
 * fits all lists; otherwise undefined.
 */
function assignLists(
  count: { features: number; lists: number },
  fits: (feature: number, list: number) => boolean,
): number[] | undefined {
  // Per list, the first and the last feature that it can belong to.
  const early: number[] = [];
  for (let list = 0, feature = 0; list < count.lists; list++, feature++) {
    while (feature < count.features && !fits(feature, list)) feature++;
    if (feature >= count.features) return undefined;
    early.push(feature);
  }
  const late: number[] = [];
  for (
    let list = count.lists - 1, feature = count.features - 1;
    list >= 0;
    list--, feature--
  ) {
    while (feature >= 0 && !fits(feature, list)) feature--;
    late.unshift(feature);
  }
  // Every choice is between the two, list by list.
  return early.every((feature, list) => feature === late[list])
    ? early
    : undefined;
}
