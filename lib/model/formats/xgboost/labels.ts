/**
 * Labels of pandas' categories in XGBoost's models: `cats`, since 3.1
 * (`src/data/cat_container.cc`, the same in JSON and UBJSON, gbtree and DART).
 * `enc` has one entry per feature: whole numbers as `values`; texts as UTF-8
 * bytes in `values`, cut by `offsets`; a feature without categories has an
 * empty list of offsets.
 */
import {
  elementsOf,
  isThere,
  member,
  modelError,
  valueOf,
} from "../document.ts";
import type { Place } from "../document.ts";
import { findLabelProblem, type Label } from "../../labels.ts";
import { isBefore } from "./objective.ts";
import { checkKeys } from "./keys.ts";
import type { Learner } from "./tree.ts";

/**
 * The labels per feature; undefined where the file has none.
 *
 * @param model The object that holds the trees.
 * @throws {InputError} If the labels contradict themselves or the model, or were cut short by the XGBoost that wrote them.
 */
export function readXgboostLabels(
  model: Place,
  learner: Learner,
): (readonly Label[] | undefined)[] | undefined {
  const cats = member(model, "cats");
  if (!isThere(cats)) return undefined;
  checkKeys(cats, "cats");
  const enc = elementsOf(member(cats, "enc"));
  const labels = enc.map((place) => readLabels(place, learner.version));
  const ends = numbersOf(member(cats, "feature_segments"));
  if (enc.length === 0) return undefined;
  if (enc.length !== learner.featureCount) {
    throw modelError(
      "cats.enc",
      `${enc.length} for ${learner.featureCount} features`,
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
      `${ends.join(",").slice(0, 60)} does not fit ${end} labels`,
    );
  }
  return labels.some((list) => list !== undefined) ? labels : undefined;
}

function readLabels(
  place: Place,
  version: readonly number[],
): readonly Label[] | undefined {
  checkKeys(place, "enc");
  const listed = member(place, "offsets");
  const values = numbersOf(member(place, "values"));
  const offsets = isThere(listed) ? numbersOf(listed) : undefined;
  if (offsets?.length === 0 && values.length === 0) return undefined;
  const labels = offsets
    ? readTexts(place, { offsets, values, version })
    : values;
  const problem = findLabelProblem(labels);
  if (problem !== undefined) throw modelError(place.path, problem);
  return labels;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function readTexts(
  place: Place,
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
      place.path,
      `offsets do not cut ${values.length} bytes into labels`,
    );
  }
  const bytes = Uint8Array.from(values); // bytes are signed in the file
  // Before 3.4 pandas' labels are cut by characters instead of bytes, and the last bytes are lost.
  if (isBefore(version, 3, 4) && bytes.some((byte) => byte >= 0x80)) {
    throw modelError(
      place.path,
      `the labels have characters outside ASCII, which XGBoost ${
        version.join(".")
      } cuts into wrong labels when it saves them; train with XGBoost 3.4 or newer, or with ASCII labels`,
    );
  }
  try {
    return offsets.slice(1).map((end, i) =>
      utf8.decode(bytes.subarray(offsets[i], end))
    );
  } catch {
    throw modelError(place.path, "a label is not UTF-8");
  }
}

/** All numbers of an array, whatever type the file declares. */
function numbersOf(place: Place): number[] {
  const value = valueOf(place);
  if (ArrayBuffer.isView(value)) return Array.from(value);
  const numbers = Array.isArray(value) ? value : [undefined];
  if (numbers.every((item) => typeof item === "number")) return numbers;
  throw modelError(place.path, "expected an array of numbers");
}
