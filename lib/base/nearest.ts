/** Finds the word that a misspelled one most likely means. */

/**
 * Returns the candidate that a misspelled word most likely means: the one with
 * the smallest edit distance, at most 2 (1 for words of up to 4 letters);
 * undefined when there is none within that distance.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(nearest("inptu", ["input", "output"]), "input");
 * strictEqual(nearest("x", ["input", "all"]), undefined);
 * ```
 */
export function nearest(
  word: string,
  candidates: readonly string[],
): string | undefined {
  const limit = word.length > 4 ? 2 : 1;
  const ranked = candidates
    // Each letter more or less is one edit; comparing all of them takes milliseconds.
    .filter(({ length }) => Math.abs(length - word.length) <= limit)
    .map((candidate) => ({
      candidate,
      distance: editDistance(word, candidate),
    }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.candidate;
}

/** Returns the Levenshtein distance with transpositions of adjacent letters (the restricted Damerau-Levenshtein distance). */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      row[j] = Math.min(
        rows[i - 1]![j]! + 1,
        row[j - 1]! + 1,
        rows[i - 1]![j - 1]! + (isSame ? 0 : 1),
      );
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] &&
        a[i - 2] === b[j - 1];
      if (isSwap) row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
