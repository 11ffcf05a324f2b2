/**
 * What a model asks: every distinct question of its nodes once, feature by
 * feature, in the records that the kernel reads (`class Questions` of
 * `assembly/kernel.ts`). Nodes with the same feature, threshold and default
 * direction share one answer.
 */
import type { CategorySets, TreeEnsemble } from "../ensemble.ts";
import { type Arena, place, reserve } from "./arena.ts";
import { categoriesOf, type CategoryBins, categoryBins } from "./categories.ts";
import { searchTable } from "./search.ts";

/** Bytes of a plane: one bit for each row of half a block. */
export const planeBytes = 16;

/** Bytes of an answer: the planes of both halves. */
export const answerBytes = 2 * planeBytes;

/** Bytes of one feature's values for 128 rows. */
export const columnBytes = 512;

/** Up to so many thresholds, comparing with each of them is faster than a search for all. */
const fewThresholds = 24;

/** LightGBM's `kZeroThreshold`, as the evaluator has it. */
const zeroLimit = Math.fround(1e-35);

const method = { compareEach: 0, compareBins: 1, compareSets: 2 } as const;
const recordBytes = 14 * 4;

/** Where the kernel finds the questions, and how much room their answers need. */
export interface Questions {
  /** Address of the offsets, in a row and in bytes, of four neighbouring features each. */
  readonly quads: number;
  readonly quadCount: number;
  readonly records: number;
  readonly recordCount: number;
  /** Per node, the offset of its answer among the planes; 0 at leaves, the plane that always says "left". */
  readonly answers: Uint32Array;
  readonly answerCount: number;
  /** The largest number of bins of a feature. */
  readonly binCount: number;
}

/** What grows while the questions are written. */
interface Progress {
  readonly arena: Arena;
  readonly model: TreeEnsemble;
  readonly answers: Uint32Array;
  answerCount: number;
  binCount: number;
}

/** The nodes that ask about one feature, and where its values stand. */
interface Asked {
  readonly nodes: readonly number[];
  readonly record: number;
  readonly column: number;
  /** |x| up to this is missing; -1 for none. */
  readonly zero: number;
}

/** Writes all questions of a model, and says which answer is which node's. */
export function writeQuestions(arena: Arena, model: TreeEnsemble): Questions {
  const { numeric, categorical } = sortNodes(model);
  const { quads, columnOf } = chooseColumns(
    model.features.count,
    new Set([...numeric.keys(), ...categorical.keys()]),
  );
  const recordCount = numeric.size + categorical.size;
  const records = reserve(arena, recordCount * recordBytes);
  const progress: Progress = {
    arena,
    model,
    answers: new Uint32Array(model.left.length),
    answerCount: 1,
    binCount: 0,
  };
  let record = records;
  const asked = ([feature, nodes]: [number, number[]]): Asked => ({
    nodes,
    record: (record += recordBytes) - recordBytes,
    column: columnOf.get(feature) ?? 0,
    zero: model.zeroIsMissing?.[feature] ? zeroLimit : -1,
  });
  for (const entry of numeric) writeThresholds(progress, asked(entry));
  for (const entry of categorical) writeSets(progress, asked(entry));
  const { answers, answerCount, binCount } = progress;
  return {
    quads: place(arena, quads),
    quadCount: quads.length,
    records,
    recordCount,
    answers,
    answerCount,
    binCount,
  };
}

/** The inner nodes that ask about each feature, those of categories apart. */
function sortNodes(
  model: TreeEnsemble,
): { numeric: Map<number, number[]>; categorical: Map<number, number[]> } {
  const { left, feature, categories } = model;
  const numeric = new Map<number, number[]>();
  const categorical = new Map<number, number[]>();
  for (let node = 0; node < left.length; node++) {
    if ((left[node] ?? -1) < 0) continue;
    const isCategorical = categories && (categories.start[node] ?? -1) >= 0;
    const found = isCategorical ? categorical : numeric;
    const asked = feature[node] ?? 0;
    const nodes = found.get(asked);
    if (nodes) nodes.push(node);
    else found.set(asked, [node]);
  }
  return { numeric, categorical };
}

/** Features are read four at a time; the offset of the column of each that is asked for. */
function chooseColumns(
  featureCount: number,
  used: ReadonlySet<number>,
): { quads: Uint32Array; columnOf: Map<number, number> } {
  const firsts: number[] = [];
  const columnOf = new Map<number, number>();
  for (const feature of Array.from(used).sort((a, b) => a - b)) {
    const last = firsts.at(-1);
    const isRead = last !== undefined && feature < last + 4;
    const first = isRead
      ? last
      : Math.max(0, Math.min(feature, featureCount - 4));
    if (!isRead) firsts.push(first);
    const column = (firsts.length - 1) * 4 + feature - first;
    columnOf.set(feature, column * columnBytes);
  }
  return { quads: Uint32Array.from(firsts, (first) => first * 4), columnOf };
}

/** "Under the threshold?", for each distinct threshold and each default direction that occurs. */
function writeThresholds(progress: Progress, asked: Asked): void {
  const { model: { threshold, defaultLeft }, answers } = progress;
  const { nodes } = asked;
  const all = new Float32Array(nodes.length);
  let wanted = 0;
  for (let n = 0; n < nodes.length; n++) {
    const node = nodes[n] ?? 0;
    all[n] = threshold[node] ?? 0;
    wanted |= defaultLeft[node] ? 2 : 1;
  }
  const thresholds = distinct(all);
  const count = thresholds.length;
  const places = new Map<number, number>();
  for (let n = 0; n < count; n++) places.set(thresholds[n] ?? 0, n);
  for (let n = 0; n < nodes.length; n++) {
    const node = nodes[n] ?? 0;
    const further = wanted === 3 && defaultLeft[node] ? count : 0;
    const answer = (places.get(threshold[node] ?? 0) ?? 0) + further;
    answers[node] = (progress.answerCount + answer) * answerBytes;
  }
  writeRecord(progress, asked, {
    method: count > fewThresholds ? method.compareBins : method.compareEach,
    thresholds,
    wanted,
  });
  progress.answerCount += wanted === 3 ? 2 * count : count;
}

/** "In none of these bins?", for each categorical node. */
function writeSets(progress: Progress, asked: Asked): void {
  const { arena, model: { categories, defaultLeft }, answers } = progress;
  if (categories === undefined) return;
  const bins = categoryBins(categories, asked.nodes);
  const words: number[] = [];
  for (const node of asked.nodes) {
    const { listed, inverted } = shorterList(bins, categories, node);
    answers[node] = progress.answerCount++ * answerBytes;
    words.push(answers[node] ?? 0, listed.length, inverted ? 1 : 0);
    words.push(defaultLeft[node] ?? 0);
    for (const bin of listed) words.push(bin * planeBytes);
  }
  writeRecord(progress, asked, {
    method: method.compareSets,
    thresholds: bins.bounds,
    wanted: 0,
    sets: place(arena, Uint32Array.from(words)),
    setCount: asked.nodes.length,
  });
}

/** The bins that a node sends right or, where they are fewer, the bins that it sends left. */
function shorterList(
  { bounds, binOf }: CategoryBins,
  sets: CategorySets,
  node: number,
): { listed: number[]; inverted: boolean } {
  const right = new Set<number>();
  for (const category of categoriesOf(sets, node)) {
    const bin = binOf.get(category);
    if (bin !== undefined) right.add(bin);
  }
  const inverted = right.size * 2 > bounds.length + 1;
  if (!inverted) return { listed: Array.from(right), inverted };
  const all = Array.from({ length: bounds.length + 1 }, (_, bin) => bin);
  return { listed: all.filter((bin) => !right.has(bin)), inverted };
}

/** One record of `class Questions`, at the place kept for it. */
function writeRecord(
  progress: Progress,
  asked: Asked,
  fields: {
    method: number;
    thresholds: Float32Array;
    wanted: number;
    sets?: number;
    setCount?: number;
  },
): void {
  const { arena } = progress;
  const table = searchTable(fields.thresholds);
  const thresholds = place(arena, table.thresholds);
  const buckets = place(arena, table.buckets);
  const at = asked.record / 4;
  arena.u32[at] = asked.column;
  arena.u32[at + 1] = fields.method;
  arena.u32[at + 2] = fields.thresholds.length;
  arena.u32[at + 3] = progress.answerCount * answerBytes;
  arena.u32[at + 4] = fields.wanted;
  arena.f32[at + 5] = asked.zero;
  arena.u32[at + 6] = thresholds;
  arena.u32[at + 7] = buckets;
  arena.f32[at + 8] = table.buckets.length - 1;
  arena.f32[at + 9] = table.low;
  arena.f32[at + 10] = table.scale;
  arena.u32[at + 11] = table.window;
  arena.u32[at + 12] = fields.sets ?? 0;
  arena.u32[at + 13] = fields.setCount ?? 0;
  progress.binCount = Math.max(
    progress.binCount,
    fields.thresholds.length + 1,
  );
}

/** Ascending, each number once; 0 and -0 are one number. */
function distinct(numbers: Float32Array): Float32Array {
  numbers.sort();
  let count = 0;
  for (let n = 0; n < numbers.length; n++) {
    const x = numbers[n] ?? 0;
    if (count === 0 || x !== numbers[count - 1]) numbers[count++] = x;
  }
  return numbers.subarray(0, count);
}
