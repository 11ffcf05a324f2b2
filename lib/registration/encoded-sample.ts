/** Compares a candidate's features with those that pandas made of the same rows for training. */
import { sha256 } from "../base/digest.ts";
import { InputError } from "../base/errors.ts";
import { listSome } from "../base/phrases.ts";
import { plainRecipe } from "../rows/recipe.ts";
import { readFeatures } from "../rows/read.ts";
import { asData, type InputFile } from "../services/variant-files.ts";
import type { Candidate } from "./candidate.ts";

/** A sample as pandas encoded it, and what it is compared with. */
export interface EncodedSample {
  /** The rows of the sample in the same order, with the model's columns. */
  readonly file: InputFile;
  /** Name of the sample, for errors. */
  readonly sample: string;
  /** The column of the player, which is compared if both files have it; undefined when the variant has none. */
  readonly idColumn: string | undefined;
  /** Other columns that the file may have although the model does not. */
  readonly ignored: readonly (string | undefined)[];
  /** Folder for temporary files. */
  readonly temporary: string;
}

/** What was compared. */
export interface EncodedCheck {
  /** SHA-256 of the encoded file. */
  readonly sha256: string;
  /** Number of cells that are equal: rows × columns. */
  readonly cells: number;
}

/** Columns that an error lists. */
const shownColumns = 5;

/**
 * Checks that the recipe makes of the sample what pandas made of it: every cell
 * of every column of the model is the same float32 number, or missing in both.
 *
 * @throws {InputError} If the file has other rows or columns, or a cell differs: names the first one with both values, and the number of such cells.
 */
export async function checkEncoded(
  { model, columns, recipe, sample }: Candidate,
  encoded: EncodedSample,
): Promise<EncodedCheck> {
  const { file: { uri }, idColumn, temporary } = encoded;
  const names = columns.map(({ name = "" }) => name);
  const { labels = [], unseen } = model.features;
  const found = await readFeatures(asData(encoded.file).file, {
    columns: names.map((name, feature) => ({
      name,
      type: "double",
      labels: labels[feature],
      unseen,
    })),
    recipe: { ...plainRecipe, missingValue: recipe.missingValue },
    idColumn,
    temporary,
  });
  const incomparable = (problem: string) =>
    new InputError(
      `Cannot compare ${uri} with ${encoded.sample}: ${problem}`,
    );
  if (found.rows !== sample.rows) {
    throw incomparable(
      `it has ${found.rows} rows, expected the ${sample.rows} rows of the sample in the same order`,
    );
  }
  const extra = found.extraColumns.filter((name) =>
    !encoded.ignored.includes(name)
  );
  if (extra.length > 0) {
    throw incomparable(
      `the model has no ${extra.length === 1 ? "column" : "columns"} ${
        listSome(extra.map((name) => `"${name}"`), shownColumns)
      }; expected the columns that it was trained on`,
    );
  }
  const { ids } = found;
  const moved = sample.ids && ids
    ? sample.ids.findIndex((id, row) => id !== ids[row])
    : -1;
  if (moved >= 0) {
    throw incomparable(
      `row ${moved + 1} is ${shownId(ids?.[moved])} there and ${
        shownId(sample.ids?.[moved])
      } in the sample; expected the same rows in the same order`,
    );
  }
  const different = [...sample.matrix.keys()].filter((at) =>
    !isSame(sample.matrix[at]!, found.matrix[at]!)
  );
  const [first] = different;
  if (first === undefined) {
    const cells = sample.matrix.length;
    return { sha256: sha256(encoded.file.bytes), cells };
  }
  const width = names.length;
  const column = first % width;
  const shown = (value: number) => shownCell(value, labels[column]);
  const byColumn = names.map((name, index) => ({
    name,
    count: different.filter((at) => at % width === index).length,
  })).filter(({ count }) => count > 0);
  throw new InputError(
    `Cannot log the model: ${different.length} of ${sample.matrix.length} cells of ${encoded.sample} are encoded differently from ${uri}; ` +
      `row ${Math.floor(first / width) + 1}, column "${names[column]}" is ${
        shown(sample.matrix[first]!)
      }, but ${shown(found.matrix[first]!)} there; cells by column: ${
        byColumn.slice(0, shownColumns).map(({ name, count }) =>
          `"${name}" ${count}`
        ).join(", ")
      }${byColumn.length > shownColumns ? ", …" : ""}; nothing was logged: ` +
      `correct "recipe" in variants.yaml, or encode exactly these rows again`,
  );
}

/** Both are missing, or the same number; 0 and -0 are the same. */
function isSame(a: number, b: number): boolean {
  return a === b || Number.isNaN(a) && Number.isNaN(b);
}

function shownId(id: string | null | undefined): string {
  return id === null || id === undefined ? "without an id" : `"${id}"`;
}

/** Returns a value as an error shows it: the label of a code, or the digits that identify a float32 number. */
function shownCell(
  value: number,
  labels: readonly unknown[] | undefined,
): string {
  if (Number.isNaN(value)) return "missing";
  return labels
    ? JSON.stringify(labels[value]) ?? String(value)
    : String(Number(value.toPrecision(9)));
}
