/**
 * Reads LightGBM's text models, `version=v2` to `v4`.
 *
 * There is no specification; the sources are LightGBM's
 * `src/boosting/gbdt_model_text.cpp`, `src/io/tree.cpp` and `include/LightGBM/tree.h`.
 */
import { limits, modelError } from "../document.ts";
import { flattenTrees, type FlatTrees } from "../flatten.ts";
import type { Model, TreeEnsemble } from "../../ensemble.ts";
import { lightgbmObjective } from "./objective.ts";
import { readLightgbmLabels } from "./labels.ts";
import { parseIntegers, readLightgbmTree } from "./tree.ts";

/** The `key=value` lines of one block; {@linkcode flags} have an empty value. */
type Keys = ReadonlyMap<string, string>;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The only header lines without `=`; LightGBM would continue any other such line up to the next `=`. */
const flags = ["tree", "average_output"];

/**
 * Reads a text model. All of its trees score, because LightGBM does not save
 * trees after its best iteration.
 *
 * @throws {InputError} If the text is not a model, is inconsistent, or has an unsupported feature.
 */
export function parseLightgbm(bytes: Uint8Array): Model {
  const lines = readLines(bytes);
  const head = readKeys(lines, { start: 0, where: "header" });
  const version = value(head.keys, "version");
  if (!["v2", "v3", "v4"].includes(version)) {
    throw modelError(
      "version",
      `LightGBM's format ${version} is not supported`,
    );
  }
  const groups = count(head.keys, "num_tree_per_iteration", {
    min: 1,
    max: limits.groups,
  });
  // LightGBM writes the same number here, and shapes its predictions by it.
  count(head.keys, "num_class", { min: groups, max: groups });
  const features = readFeatures(head.keys, lines);
  const trees = readTrees(lines, head);
  const total = trees.length / groups;
  if (total < 1 || !Number.isInteger(total)) {
    throw modelError(
      "num_tree_per_iteration",
      `${trees.length} trees do not divide into rounds of ${groups}`,
    );
  }
  const objective = lightgbmObjective(head.keys.get("objective"), groups);
  const shape = buildTrees(trees, features.count);
  const isAverage = head.keys.has("average_output");
  return {
    kind: "trees",
    library: "lightgbm",
    libraryVersion: version,
    ...objective,
    groups,
    outputs: groups,
    baseMargins: new Float64Array(groups),
    features,
    rounds: { total, used: total },
    parameters: {
      objective: head.keys.get("objective") ?? "custom",
      num_iterations: String(total),
      num_trees: String(trees.length),
      num_class: String(groups),
      num_feature: String(features.count),
      max_depth_found: String(shape.maxDepth),
      ...trainingParameters(lines),
      lightgbm_format: version,
    },
    precision: "float64",
    treeGroups: Int32Array.from(trees, (_, t) => t % groups),
    divisor: isAverage ? total : 1,
    ...shape,
  };
}

function readLines(bytes: Uint8Array): string[] {
  try {
    return decoder.decode(bytes).split(/\r?\n/);
  } catch (cause) {
    throw modelError("text", `not UTF-8 (${(cause as Error).message})`);
  }
}

/** Reads the `key=value` lines up to an empty line; `end` is the line after that. */
function readKeys(
  lines: readonly string[],
  options: { start: number; where: string },
): { keys: Keys; end: number } {
  const { start, where } = options;
  const keys = new Map<string, string>();
  let at = start;
  for (; at < lines.length && lines[at] !== ""; at++) {
    const line = lines[at] ?? "";
    const cut = line.indexOf("=");
    if (cut < 0 && (where !== "header" || !flags.includes(line))) {
      throw modelError(
        `${where} line ${at + 1}`,
        `no "=" in ${JSON.stringify(line.slice(0, 40))}`,
      );
    }
    const key = cut < 0 ? line : line.slice(0, cut);
    if (keys.has(key)) {
      throw modelError(`${where} line ${at + 1}`, `duplicate key ${key}`);
    }
    keys.set(key, cut < 0 ? "" : line.slice(cut + 1));
  }
  if (at === lines.length) throw modelError(where, "unexpected end of file");
  return { keys, end: at + 1 };
}

function readFeatures(
  keys: Keys,
  lines: readonly string[],
): TreeEnsemble["features"] {
  const featureCount = 1 + count(keys, "max_feature_idx", {
    min: 0,
    max: limits.features,
  });
  const names = value(keys, "feature_names").split(" ");
  const infos = value(keys, "feature_infos").split(" ");
  for (const [key, list] of Object.entries({ names, infos })) {
    if (list.length !== featureCount) {
      throw modelError(
        `feature_${key}`,
        `${list.length} values for ${featureCount} features`,
      );
    }
  }
  if (new Set(names).size !== names.length) {
    throw modelError("feature_names", "duplicate name");
  }
  // [a:b] is a range of numbers, a:b:c a list of categories, none an unused feature.
  const types = infos.map((info) =>
    info === "none" ? "none" : info.startsWith("[") ? "float" : "c"
  );
  const labels = readLightgbmLabels(lines, infos);
  return {
    count: featureCount,
    names,
    types,
    ...(labels ? { labels } : {}),
  };
}

/** Reads the blocks `Tree=0`, `Tree=1` …, up to `end of trees`. */
function readTrees(
  lines: readonly string[],
  head: { keys: Keys; end: number },
): Keys[] {
  const declared = value(head.keys, "tree_sizes");
  const sizes = declared === "" ? [] : declared.split(" ");
  const trees: Keys[] = [];
  let at = skipEmpty(lines, head.end);
  while (lines[at] !== "end of trees") {
    const where = `tree ${trees.length}`;
    const block = readKeys(lines, { start: at, where });
    if (block.keys.get("Tree") !== String(trees.length)) {
      throw modelError(
        where,
        `line ${at + 1} is ${
          JSON.stringify(lines[at]?.slice(0, 40))
        }, expected "Tree=${trees.length}"`,
      );
    }
    const end = skipEmpty(lines, block.end);
    checkSize(lines.slice(at, end), { where, declared: sizes[trees.length] });
    trees.push(block.keys);
    at = end;
  }
  if (trees.length === sizes.length) return trees;
  throw modelError(
    "tree_sizes",
    `${sizes.length} sizes for ${trees.length} trees`,
  );
}

function skipEmpty(lines: readonly string[], start: number): number {
  let at = start;
  while (lines[at] === "") at++;
  return at;
}

/** Checks a tree's size in bytes, by which LightGBM finds the next tree; a tree's lines are ASCII. */
function checkSize(
  lines: readonly string[],
  options: { where: string; declared: string | undefined },
): void {
  const { where, declared } = options;
  const size = lines.reduce((sum, line) => sum + line.length + 1, 0);
  if (declared === String(size)) return;
  throw modelError(where, `${size} bytes, ${declared ?? "none"} in tree_sizes`);
}

/**
 * Reads and flattens all trees.
 *
 * @throws {InputError} As `readLightgbmTree` and `flattenTrees`, or if a node is unreachable.
 */
function buildTrees(
  blocks: readonly Keys[],
  featureCount: number,
): Omit<FlatTrees, "reached"> & Pick<TreeEnsemble, "zeroIsMissing"> {
  const zero = new Uint8Array(featureCount); // per feature, 1: zero is missing, 2: it is not, 0: unknown
  const trees = blocks.map((keys, t) =>
    readLightgbmTree(keys, { name: `tree ${t}`, zero })
  );
  const { reached, ...flat } = flattenTrees(trees, {
    featureCount,
    leafSize: 1,
    precision: "float64",
    rounding: "trunc",
  });
  trees.forEach(({ left }, t) => {
    if (reached[t] === left.length) return;
    throw modelError(
      `tree ${t}`,
      `${left.length - (reached[t] ?? 0)} nodes without a parent`,
    );
  });
  const zeroIsMissing = zero.map((state) => state === 1 ? 1 : 0);
  return zeroIsMissing.includes(1) ? { ...flat, zeroIsMissing } : flat;
}

/** The parameters to report, of over a hundred in a file. */
const reportedParameters = new Set([
  "boosting",
  "learning_rate",
  "num_leaves",
  "max_depth",
  "min_data_in_leaf",
  "min_sum_hessian_in_leaf",
  "bagging_fraction",
  "bagging_freq",
  "feature_fraction",
  "early_stopping_round",
  "lambda_l1",
  "lambda_l2",
  "min_gain_to_split",
  "drop_rate",
  "max_bin",
  "use_missing",
  "zero_as_missing",
  "is_unbalance",
  "scale_pos_weight",
  "seed",
]);

function trainingParameters(lines: readonly string[]): Record<string, string> {
  const start = lines.indexOf("parameters:");
  const found: Record<string, string> = {};
  if (start < 0) return found;
  for (const line of lines.slice(start + 1)) {
    if (line === "end of parameters") break;
    const [, key = "", text = ""] = /^\[(\w+): (.*)\]$/.exec(line) ?? [];
    if (reportedParameters.has(key)) found[key] = text;
  }
  return found;
}

function count(
  keys: Keys,
  key: string,
  range: { min: number; max: number },
): number {
  const [number = NaN] = parseIntegers(value(keys, key), {
    where: key,
    length: 1,
  });
  if (number >= range.min && number <= range.max) return number;
  throw modelError(key, `${number} is outside ${range.min}..${range.max}`);
}

function value(keys: Keys, key: string): string {
  const found = keys.get(key);
  if (found !== undefined) return found;
  throw modelError("header", `${key} is missing`);
}
