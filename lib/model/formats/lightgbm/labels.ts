/**
 * Labels of pandas' categories in LightGBM's models: the last line,
 * `pandas_categorical:[[…], …]`, which its Python package writes (`basic.py`,
 * `_dump_pandas_categorical`). It has one list per column of the training
 * frame that was of the type `category`, in the order of the columns, and does
 * not say which columns these are.
 */
import { modelError } from "../document.ts";
import { findLabelProblem, type Label } from "../../labels.ts";

const key = "pandas_categorical:";

/**
 * The labels per feature; undefined where the file has none.
 *
 * The lists belong to the features that the parameter `categorical_feature`
 * names, where these are as many as there are lists: so it is unless ordered
 * categories or a `categorical_feature` of the user's own were used. Otherwise
 * they belong to the only features, in their order, whose `feature_infos` allow
 * it.
 *
 * @param lines The whole file.
 * @param infos `feature_infos`: `[a:b]` of numbers, `a:b:c` of categories, `none` of an unused feature.
 * @throws {InputError} If the line is broken, or the lists may belong to several sets of features.
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
      `${lists.length} lists of labels, and the file does not say which of its ${infos.length} features they belong to ` +
        `(categorical_feature names ${
          declared?.size ?? "none"
        }); train with unordered categories only, without a categorical_feature of your own`,
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
        "expected a list of texts, numbers and booleans",
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

/** The features that the training parameters call categorical; undefined where they do not say so by number. */
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

/** Whether a feature's values can have been codes of so many labels. */
function fitsInfo(info: string, labels: number): boolean {
  if (info === "none") return true;
  const range = /^\[(.*):(.*)\]$/.exec(info);
  const codes = (range ? range.slice(1) : info.split(":")).map(Number);
  const least = range ? 0 : -1; // -1 stands for missing among categories
  return codes.every((code) =>
    Number.isInteger(code) && code >= least && code < labels
  );
}

/**
 * The feature of each list, when exactly one choice of features, in rising
 * order, fits all of them; otherwise undefined.
 */
function assignLists(
  count: { features: number; lists: number },
  fits: (feature: number, list: number) => boolean,
): number[] | undefined {
  /** Per list, the last feature that the lists up to it can end at, taken as late as possible, and as early as possible. */
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
  // Every choice lies between the earliest and the latest, list by list.
  return early.every((feature, list) => feature === late[list])
    ? early
    : undefined;
}
