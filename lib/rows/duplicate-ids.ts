/** Counts the players that occur more than once in a batch, and the rows that repeat one, in bounded memory. */
import { free } from "../base/free.ts";
import type { PackedTexts } from "./packed.ts";

/** Slots of the largest table: 25 MB. */
const mostSlots = 3 << 20;

/** A table that is fuller becomes larger, or forgets half of its players. */
const fullShare = 0.7;

/** The bit of a hash's first part that says whether the player has occurred again. */
const again = 1 << 31;

/** What {@linkcode DuplicateIds} has counted. */
export interface DuplicateCounts {
  /** Players with more than one row. */
  readonly players: number;
  /** Rows beyond the first of their player. */
  readonly repeatedRows: number;
  readonly isExact: boolean;
}

/**
 * Counts players that occur more than once, by a hash of 63 bits. Up to about 2.2
 * million players the count is exact, apart from one chance in a million that two
 * players share a hash. With more, only the players whose hash ends in k zeros
 * are counted, and the count is an estimate: 2^k times theirs.
 */
export class DuplicateIds {
  #slots = 1 << 12;
  /** Two parts of a hash per slot, and whether the player has occurred again; 0 in the second part is an empty slot. */
  #table = new Uint32Array(2 * this.#slots);
  #used = 0;
  #players = 0;
  #rows = 0;
  /** Players are counted if these bits of their hash are 0. */
  #sample = 0;

  /** Counts the ids of a block; null is no player. */
  add({ bytes, lengths }: PackedTexts): void {
    let at = 0;
    for (const length of lengths) {
      if (length < 0) continue;
      this.#rows++;
      // FNV-1a and a second hash of the same bytes, each finished as in MurmurHash3.
      let high = 0x811c9dc5;
      let low = 0x9747b28c;
      for (const end = at + length; at < end; at++) {
        high = Math.imul(high ^ bytes[at]!, 0x01000193);
        low = Math.imul(low ^ bytes[at]!, 0x5bd1e995);
        low ^= low >>> 15;
      }
      this.#insert(mixed(high) & ~again, mixed(low ^ length) || 1);
    }
  }

  /** Returns the number of players with more than one row, of rows beyond the first of their player, and whether both are exact. */
  count(): DuplicateCounts {
    const scale = this.#sample + 1;
    return {
      players: this.#players * scale,
      repeatedRows: Math.max(0, this.#rows - this.#used * scale),
      isExact: this.#sample === 0,
    };
  }

  #insert(high: number, low: number): void {
    if ((high & this.#sample) !== 0) return;
    const table = this.#table;
    for (let at = this.#placeOf(low);; at = this.#next(at)) {
      if (table[at + 1] === 0) {
        table[at] = high;
        table[at + 1] = low;
        break;
      }
      if (table[at + 1] !== low || (table[at]! & ~again) !== high) continue;
      if ((table[at]! & again) === 0) this.#players++;
      table[at]! |= again;
      return;
    }
    if (++this.#used > this.#slots * fullShare) this.#rebuild();
  }

  /** Returns the place in the table where the search for a hash begins. */
  #placeOf(low: number): number {
    return 2 * Math.floor(low / 2 ** 32 * this.#slots);
  }

  #next(at: number): number {
    return at + 2 < 2 * this.#slots ? at + 2 : 0;
  }

  /** Enlarges the table; if it is as large as it may be, forgets half of the players instead. */
  #rebuild(): void {
    const before = this.#table;
    if (this.#slots === mostSlots) this.#sample = this.#sample * 2 + 1;
    this.#slots = Math.min(2 * this.#slots, mostSlots);
    const table = new Uint32Array(2 * this.#slots);
    this.#table = table;
    this.#used = 0;
    this.#players = 0;
    for (let from = 0; from < before.length; from += 2) {
      const high = before[from]!;
      const low = before[from + 1]!;
      if (low === 0 || (high & this.#sample) !== 0) continue;
      let at = this.#placeOf(low);
      while (table[at + 1] !== 0) at = this.#next(at);
      table[at] = high;
      table[at + 1] = low;
      if ((high & again) !== 0) this.#players++;
      this.#used++;
    }
    free(before);
  }
}

/** Returns the finalizer of MurmurHash3 of a hash, from 0 to 2^32 - 1. */
function mixed(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
