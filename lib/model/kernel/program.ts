/** What the programs of even and of uneven trees have in common: `class Tree` of `assembly/kernel.ts`. */
import type { TreeEnsemble } from "../ensemble.ts";
import type { Arena } from "./arena.ts";

/** What all programs of a model are written from, and where to. */
export interface TreeContext {
  readonly arena: Arena;
  readonly model: TreeEnsemble;
  /** Per node of the model, the offset of its answer among the planes. */
  readonly answers: Uint32Array;
}

/** One tree of the model, and the group that it adds to. */
export interface TreePlace {
  readonly root: number;
  readonly group: number;
}

/** Exits are numbered in a byte. */
export const mostExits = 256;

/** Bytes of a record; the rest of the program stands behind it. */
export const recordBytes = 10 * 4;

/** The fields of a record, in the kernel's order. */
export interface ProgramRecord {
  /** 1 for a tree that is laid out as a full one. */
  readonly even: 0 | 1;
  /** Inner nodes of an uneven tree. */
  readonly inner: number;
  /** Bits of an exit's number. */
  readonly bits: number;
  readonly group: number;
  /** Values of a leaf. */
  readonly width: number;
  /** Address of the leaves. */
  readonly leaves: number;
  /** From a leaf's value to its next, in values. */
  readonly apart: number;
  /** Address of the exits' records; 0 where the tree has no tail. */
  readonly tail: number;
  /** Address of the tail's records. */
  readonly records: number;
  /** Of the whole program. */
  readonly bytes: number;
}

/** Writes the record of a program at its address. */
export function writeRecord(
  { u32 }: Arena,
  program: number,
  record: ProgramRecord,
): void {
  const { even, inner, bits, group, width } = record;
  const { leaves, apart, tail, records, bytes } = record;
  u32.set(
    [even, inner, bits, group, width, leaves, apart, tail, records, bytes],
    program / 4,
  );
}

/** The next multiple of 16. */
export function align(bytes: number): number {
  return Math.ceil(bytes / 16) * 16;
}
