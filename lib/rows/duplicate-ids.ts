/** Counts the players that occur more than once in a batch, and the rows that repeat one, in bounded memory. */
import type { PackedTexts } from "./packed.ts";

/** Slots of the largest table: 36 MB. */
const mostSlots = 1 << 22;

/** A table that is fuller becomes larger, or forgets half of its players. */
const fullShare = 0.7;

/** What {@linkcode DuplicateIds} has counted. */
export interface DuplicateCounts {
  /** Players with more than one row. */
  readonly players: number;
  /** Rows beyond the first of their player. */
  readonly repeatedRows: number;
  readonly isExact: boolean;
}

/**
 * Counts players that occur more than once, by a hash of 64 bits. Up to about 2.9
 * million players the count is exact, apart from one chance in a million that two
 * players share a hash. With more, only the players whose hash ends in k zeros
 * are counted, and the count is an estimate: 2^k times theirs.
 */
export class DuplicateIds {
  #slots = 1 << 12;
  /** Two halves of a hash per slot; 0 and 0 is an empty slot. */
  #table = new Uint32Array(2 * this.#slots);
  /** Whether the player of a slot has occurred again. */
  #again = new Uint8Array(this.#slots);
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
      this.#insert(mixed(high), mixed(low ^ length) || 1);
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
    const mask = this.#slots - 1;
    let slot = low & mask;
    for (;; slot = (slot + 1) & mask) {
      const found = this.#table[2 * slot + 1]!;
      if (found === 0) break;
      if (found === low && this.#table[2 * slot] === high) {
        if (this.#again[slot] === 0) this.#players++;
        this.#again[slot] = 1;
        return;
      }
    }
    this.#table[2 * slot] = high;
    this.#table[2 * slot + 1] = low;
    if (++this.#used > this.#slots * fullShare) this.#rebuild();
  }

  /** Doubles the table; if it is as large as it may be, forgets half of the players instead. */
  #rebuild(): void {
    const table = this.#table;
    const again = this.#again;
    const before = this.#slots;
    if (before < mostSlots) this.#slots = before * 2;
    else this.#sample = this.#sample * 2 + 1;
    this.#table = new Uint32Array(2 * this.#slots);
    this.#again = new Uint8Array(this.#slots);
    this.#used = 0;
    this.#players = 0;
    const mask = this.#slots - 1;
    for (let from = 0; from < before; from++) {
      const high = table[2 * from]!;
      const low = table[2 * from + 1]!;
      if (low === 0 || (high & this.#sample) !== 0) continue;
      let slot = low & mask;
      while (this.#table[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
      this.#table[2 * slot] = high;
      this.#table[2 * slot + 1] = low;
      this.#again[slot] = again[from]!;
      this.#players += again[from]!;
      this.#used++;
    }
  }
}

/** Returns the finalizer of MurmurHash3 of a hash, from 0 to 2^32 - 1. */
function mixed(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
