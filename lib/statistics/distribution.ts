/** The distribution of scores, for a quick plausibility check of a run. */

/** Quantiles and a histogram of one run's scores. */
export interface ScoreDistribution {
  readonly min: number;
  readonly p10: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly p90: number;
  readonly max: number;
  readonly mean: number;
  /** Rows per bin, in ten bins of equal width from 0 to 1, the last one closed. Undefined when a score is outside 0 to 1. */
  readonly histogram: readonly number[] | undefined;
}

/** Scores up to which quantiles are exact; 1 MiB of float32. */
const exactScores = 262_144;

/** Bits of a float32 that select its bin: sign, exponent and 13 bits of the mantissa, so a bin is 0.012 % wide. */
const binBits = 22;

/** The quantiles that are reported, in ascending order. */
const shares = [0.1, 0.25, 0.5, 0.75, 0.9];

/**
 * Collects the distribution of any number of scores in constant memory. Minimum,
 * maximum, mean and histogram are exact. A quantile is the smallest score that
 * at least that share of the scores does not exceed (Hyndman and Fan 1996,
 * definition 1); over more than 262,144 scores it is the upper end of a bin of
 * 0.012 % of its value.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const collected = new ScoreCollector();
 * collected.add(new Float32Array([0, 0.25]));
 * collected.add(new Float32Array([0.5, 1]));
 * const { p50, max, histogram } = collected.distribution();
 * deepStrictEqual([p50, max, histogram], [0.25, 1, [1, 0, 1, 0, 0, 1, 0, 0, 0, 1]]);
 * ```
 */
export class ScoreCollector {
  #exact = new Float32Array(256);
  #bins: Uint32Array | undefined;
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #max = -Infinity;
  readonly #tenths = new Array<number>(10).fill(0);

  /** Adds scores. NaN is not a score. */
  add(scores: Float32Array): void {
    for (const score of scores) {
      this.#sum += score;
      if (score < this.#min) this.#min = score;
      if (score > this.#max) this.#max = score;
      const tenth = score >= 0 && score <= 1
        ? Math.min(9, Math.floor(score * 10))
        : -1;
      if (tenth >= 0) this.#tenths[tenth]!++;
    }
    if (this.#bins) countBins(this.#bins, scores);
    else this.#keep(scores);
    this.#count += scores.length;
  }

  /** Adds all scores of another collector. */
  merge(other: ScoreCollector): void {
    if (!other.#bins) return this.add(other.#exact.subarray(0, other.#count));
    const bins = this.#bins ?? this.#toBins();
    const { first, last } = other.#usedBins();
    for (let bin = first; bin <= last; bin++) bins[bin]! += other.#bins[bin]!;
    this.#count += other.#count;
    this.#sum += other.#sum;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
    for (let tenth = 0; tenth < 10; tenth++) {
      this.#tenths[tenth]! += other.#tenths[tenth]!;
    }
  }

  #keep(scores: Float32Array): void {
    const count = this.#count + scores.length;
    if (count > exactScores) {
      countBins(this.#toBins(), scores);
      return;
    }
    if (count > this.#exact.length) {
      const larger = new Float32Array(count * 2);
      larger.set(this.#exact);
      this.#exact = larger;
    }
    this.#exact.set(scores, this.#count);
  }

  /** Counts the exact scores in bins, in which all further ones are counted. */
  #toBins(): Uint32Array {
    const bins = new Uint32Array(2 ** binBits);
    countBins(bins, this.#exact.subarray(0, this.#count));
    this.#exact = new Float32Array(0);
    this.#bins = bins;
    return bins;
  }

  /**
   * Returns the distribution of all scores so far.
   *
   * @throws {RangeError} If there are none.
   */
  distribution(): ScoreDistribution {
    if (this.#count === 0) {
      throw new RangeError("Cannot summarize scores: there are no rows");
    }
    const [p10, p25, p50, p75, p90] = this.#quantiles();
    const isShare = this.#min >= 0 && this.#max <= 1;
    return {
      min: this.#min,
      p10: p10!,
      p25: p25!,
      p50: p50!,
      p75: p75!,
      p90: p90!,
      max: this.#max,
      mean: this.#sum / this.#count,
      histogram: isShare ? [...this.#tenths] : undefined,
    };
  }

  /** Returns the range of bins that are not empty: a small part of all if the scores are probabilities. */
  #usedBins(): { first: number; last: number } {
    // Zeros of both signs are equal, but not in the same bin.
    const first = binOf(this.#min === 0 ? -0 : this.#min);
    const last = binOf(this.#max === 0 ? 0 : this.#max);
    return { first, last };
  }

  #quantiles(): number[] {
    const ranks = shares.map((share) =>
      Math.max(0, Math.ceil(share * this.#count) - 1)
    );
    const bins = this.#bins;
    if (!bins) {
      const sorted = this.#exact.subarray(0, this.#count).toSorted();
      return ranks.map((rank) => sorted[rank]!);
    }
    const found: number[] = [];
    let below = 0;
    const { first, last } = this.#usedBins();
    for (let bin = first; bin <= last && found.length < ranks.length; bin++) {
      below += bins[bin]!;
      while (found.length < ranks.length && below > ranks[found.length]!) {
        found.push(Math.min(this.#max, Math.max(this.#min, upperEnd(bin))));
      }
    }
    return found;
  }
}

function countBins(bins: Uint32Array, scores: Float32Array): void {
  const bits = new Uint32Array(
    scores.buffer,
    scores.byteOffset,
    scores.length,
  );
  for (const word of bits) bins[toOrdered(word) >>> (32 - binBits)]!++;
}

/** Returns the bin of a score. */
function binOf(score: number): number {
  const [bits = 0] = new Uint32Array(Float32Array.of(score).buffer);
  return toOrdered(bits) >>> (32 - binBits);
}

/** Returns the bits of a float32 as an unsigned number in the order of the floats. */
function toOrdered(bits: number): number {
  return (bits & 0x80000000 ? ~bits : bits | 0x80000000) >>> 0;
}

/** Returns the largest float32 in a bin. */
function upperEnd(bin: number): number {
  const ordered = ((bin + 1) << (32 - binBits)) - 1 >>> 0;
  const bits = ordered & 0x80000000 ? ordered & 0x7fffffff : ~ordered;
  return new Float32Array(Uint32Array.of(bits).buffer)[0]!;
}
