/**
 * Reads the labels of pandas categories from XGBoost's models: `cats`, since 3.1
 * (`src/data/cat_container.cc`; the same in JSON and UBJSON, gbtree and DART).
 * `enc` has one entry per feature: numeric labels in `values`; string labels as
 * UTF-8 bytes in `values`, split at `offsets`; for a feature without categories,
 * an empty list of offsets.
 */
import {
  elementsOf,
  isPresent,
  member,
  modelError,
  valueOf,
} from "../document.ts";
import type { JsonValue } from "../document.ts";
import { findLabelProblem, type Label } from "../../labels.ts";
import { isBefore } from "./objective.ts";
import { checkKeys } from "./keys.ts";
import type { Learner } from "./tree.ts";

/**
 * Returns the labels per feature, or undefined if the file has none.
 *
 * @param model The object that contains the trees.
 * @throws {InputError} If the labels are inconsistent, or the XGBoost that wrote them truncated them.
 */
export function readXgboostLabels(
  model: JsonValue,
  learner: Learner,
): (readonly Label[] | undefined)[] | undefined {
  const cats = member(model, "cats");
  if (!isPresent(cats)) return undefined;
  checkKeys(cats, "cats");
  const enc = elementsOf(member(cats, "enc"));
  const labels = enc.map((json) => readLabels(json, learner.version));
  const ends = numbersOf(member(cats, "feature_segments"));
  if (enc.length === 0) return undefined;
  if (enc.length !== learner.featureCount) {
    throw modelError(
      "cats.enc",
      `${enc.length} entries for ${learner.featureCount} features`,
    );
  }
  let end = 0;
  const expected = [0, ...labels.map((list) => end += list?.length ?? 0)];
  if (
    ends.length !== expected.length ||
    expected.some((value, f) => value !== ends[f])
  ) {
    throw modelError(
      "cats.feature_segments",
      `${ends.join(",").slice(0, 60)} does not match ${end} labels`,
    );
  }
  return labels.some((list) => list !== undefined) ? labels : undefined;
}

function readLabels(
  json: JsonValue,
  version: readonly number[],
): readonly Label[] | undefined {
  checkKeys(json, "enc");
  const listed = member(json, "offsets");
  const values = numbersOf(member(json, "values"));
  const offsets = isPresent(listed) ? numbersOf(listed) : undefined;
  if (offsets?.length === 0 && values.length === 0) return undefined;
  const labels = offsets
    ? decodeLabels(json, { offsets, values, version })
    : values;
  const problem = findLabelProblem(labels);
  if (problem !== undefined) throw modelError(json.path, problem);
  return labels;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeLabels(
  json: JsonValue,
  { offsets, values, version }: {
    offsets: readonly number[];
    values: readonly number[];
    version: readonly number[];
  },
): string[] {
  const isRising = offsets.every((offset, i) =>
    Number.isInteger(offset) && offset >= (offsets[i - 1] ?? 0)
  );
  const areBytes = values.every((value) =>
    Number.isInteger(value) && value >= -128 && value <= 255
  );
  if (
    !isRising || !areBytes || offsets[0] !== 0 ||
    offsets.at(-1) !== values.length
  ) {
    throw modelError(
      json.path,
      `offsets do not divide ${values.length} bytes into labels`,
    );
  }
  const bytes = Uint8Array.from(values); // bytes are signed in the file
  // Before 3.4, XGBoost split pandas labels by characters instead of bytes and lost the last bytes.
  if (isBefore(version, 3, 4) && bytes.some((byte) => byte >= 0x80)) {
    throw modelError(
      json.path,
      `the labels have non-ASCII characters, which XGBoost ${
        version.join(".")
      } saves incorrectly; train with XGBoost 3.4 or newer, or with ASCII labels`,
    );
  }
  try {
    return offsets.slice(1).map((end, i) =>
      utf8.decode(bytes.subarray(offsets[i], end))
    );
  } catch {
    throw modelError(json.path, "a label is not UTF-8");
  }
}

/** Returns an array of numbers of any declared type. */
function numbersOf(json: JsonValue): number[] {
  const value = valueOf(json);
  if (ArrayBuffer.isView(value)) return Array.from(value);
  const numbers = Array.isArray(value) ? value : [undefined];
  if (numbers.every((item) => typeof item === "number")) return numbers;
  throw modelError(json.path, "expected an array of numbers");
}
