/** Scores one batch: binds its rows to the model's columns, computes its scores, and says what is odd about them. */
import type { Names } from "../config/names.ts";
import { ScoreCollector } from "../statistics/distribution.ts";
import { abortable } from "../base/abortable.ts";
import { sha256 } from "../base/digest.ts";
import { InputError } from "../base/errors.ts";
import { free } from "../base/free.ts";
import type { Log } from "../base/log.ts";
import { countOf } from "../base/phrases.ts";
import type { Column } from "../rows/cells.ts";
import {
  columnsRead,
  datesRead,
  type FeatureOptions,
  type RowCounts,
} from "../rows/encode.ts";
import {
  conclude,
  mergeCounts,
  missingColumns,
  rawColumnsMissed,
  type RowFindings,
} from "../rows/features.ts";
import { noRows } from "../rows/read.ts";
import { openRowFile } from "../rows/row-file.ts";
import { type PackedTexts, unpack } from "../rows/packed.ts";
import { type DuplicateCounts, DuplicateIds } from "../rows/duplicate-ids.ts";
import { type InputBatch, sizeOf } from "../services/input-batches.ts";
import type { InputPart } from "../services/period-files.ts";
import { nameOfInput } from "../services/variant-files.ts";
import { digestParts, type ScoredPart } from "./ledger.ts";
import { type PlacedScores, scoreFile } from "./score-file.ts";
import {
  BadRowCount,
  type BadRowLimit,
  type BadRowStore,
  describeFirst,
  toPercent,
} from "./bad-rows.ts";
import {
  type BatchCounts,
  type BatchProfile,
  mergeBatches,
} from "../statistics/batch-profile.ts";
import {
  differsFrom,
  fromRecorded,
  type Recipe,
  resolveRecipe,
} from "../rows/recipe.ts";
import type { Scorer } from "./scorer.ts";
import type { VariantSettings } from "../config/variants.ts";

/** A batch and the facts about its scores. */
export interface ScoredBatch {
  readonly batch: InputBatch;
  /** The digest of its files, as {@linkcode digestParts} returns it. */
  readonly contentSha256: string;
  /** Its files, as they were scored. */
  readonly parts: readonly ScoredPart[];
  /** Players with more than one row, of whom the last row counts; undefined if the rows have no ids. */
  readonly duplicatePlayers: DuplicateCounts | undefined;
  /** Rows with scores. */
  readonly rows: number;
  /** Rows that could not be used and were set aside. */
  readonly rowsSetAside: number;
  readonly findings: RowFindings;
  readonly scores: ScoreCollector;
  /** Undefined if the scorer has no bins. */
  readonly profile: BatchProfile | undefined;
  /** Kind of the scores, and their number per row. */
  readonly output: Pick<Scorer, "predictionKind" | "outputs">;
  readonly startedAt: Date;
}

/** The scores of one block of a batch, valid until the next one is asked for; numbers of rows are those in its file. */
export interface BatchScores extends PlacedScores {
  /** The file that the block is from. */
  readonly uri: string;
  /** Rows of the files before. */
  readonly rowsBefore: number;
}

/** How the rows of a file are converted to the scorer's input. */
export interface Binding {
  readonly columns: readonly Column[];
  readonly recipe: Recipe;
}

/** Options of {@linkcode scoreInto}. */
export interface ScoreOptions extends Binding {
  readonly settings: Pick<VariantSettings, "idColumn" | "names">;
  readonly log: Pick<Log, "info" | "warn" | "progress">;
  /** Folder for temporary files. */
  readonly temporary: string;
  /** Ends the scoring when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Sets rows aside that cannot be used; without it, the first one is an error. */
  readonly badRows?: {
    readonly limit: BadRowLimit | undefined;
    /** Receives them; undefined if they are only counted. */
    readonly store: BadRowStore | undefined;
  } | undefined;
}

/** A raw column of the recipe turned up after rows without it, so the file must be scored again with these columns known. */
export class RawColumnsMissed extends Error {
  override readonly name = "RawColumnsMissed";
  readonly batch: InputBatch;
  readonly columns: readonly string[];

  constructor(batch: InputBatch, columns: readonly string[]) {
    super(`${batch.uri} has raw columns in some rows only`);
    this.batch = batch;
    this.columns = columns;
  }
}

/**
 * Scores all rows of a batch and passes them to a sink, file by file in the order
 * of the rows. Messages report rows that were set aside, ignored columns, unknown categories,
 * absent cells, empty columns and rows without a player.
 *
 * @param options `sink` consumes all blocks; `rawColumns`: what {@linkcode RawColumnsMissed} said before.
 * @throws {RawColumnsMissed} If the file must be scored again. The sink's work is then void.
 * @throws {InputError} If a row cannot be used (names row, line and column), or with `badRows` more rows than its limit allows or all of them, no row has a player id although the variant has an id column, or every column of the model is missing in all rows. The sink's work is then void.
 * @throws The reason of `signal` if it aborts. The sink's work is then void.
 */
export async function scoreInto(
  scorer: Scorer,
  batch: InputBatch,
  options: ScoreOptions & {
    sink: (blocks: AsyncIterable<BatchScores>) => Promise<void>;
    rawColumns?: readonly string[] | undefined;
  },
): Promise<ScoredBatch> {
  const { settings: { idColumn, names }, columns, recipe, log } = options;
  const file = nameOfInput(batch.uri);
  const startedAt = new Date();
  const binding = { columns, recipe, idColumn, file };
  const { rawColumns = [] } = options;
  const features = { ...binding, rawColumns };
  const pass = await scoreOnce(scorer, batch, { ...options, features });
  const { counts, collector, parts, setAside } = pass;
  const missed = rawColumnsMissed(counts, binding);
  if (missed.length > 0) {
    throw new RawColumnsMissed(batch, [...rawColumns, ...missed]);
  }
  const { first } = setAside;
  if (first) {
    const all = counts.rows + setAside.count;
    log.warn(
      `${file}: ${setAside.count} of ${all} rows (${
        toPercent(setAside.count, all)
      }) cannot be used and are set aside; ${describeFirst(first, file)}`,
    );
  }
  const findings = conclude(counts, binding);
  for (const { uri, counts, floatId } of pass.filled) {
    requireIds(counts, { idColumn, file: uri, names });
    if (floatId !== undefined) {
      log.warn(
        `${uri}: its ${names.entity} ids end with .0, such as "${floatId}", as pandas writes a column of integers with missing ones; "${
          floatId.slice(0, -2)
        }" is another ${names.entity}`,
      );
    }
  }
  requireValues(findings, counts, binding);
  if (pass.filled.length > 1) {
    for (const part of pass.filled) {
      warnOfAbsent(part, { ...binding, all: counts, log });
    }
  }
  const duplicatePlayers = counts.named > 0
    ? pass.duplicates.count()
    : undefined;
  logRemarks(findings, { file, counts, duplicatePlayers, names, log });
  return {
    batch,
    contentSha256: digestParts(parts),
    parts,
    duplicatePlayers,
    rows: counts.rows,
    rowsSetAside: setAside.count,
    findings,
    scores: collector,
    profile: scorer.bins && pass.profile && {
      version: 1,
      reference: scorer.bins.reference,
      ...pass.profile,
      unknownCategories: findings.unknownCategories,
    },
    output: { predictionKind: scorer.predictionKind, outputs: scorer.outputs },
    startedAt,
  };
}

/** A file of a batch that has rows, and what is counted in it. */
interface FilledPart {
  /** As messages name it. */
  readonly uri: string;
  readonly counts: RowCounts;
  /** An id, if all of the first ones are texts such as `100.0`. */
  readonly floatId: string | undefined;
}

/** Passes all blocks of a batch to the sink, and returns what was counted meanwhile. */
async function scoreOnce(
  scorer: Scorer,
  batch: InputBatch,
  options: ScoreOptions & {
    features: FeatureOptions;
    sink: (blocks: AsyncIterable<BatchScores>) => Promise<void>;
  },
) {
  const { features, badRows, log, sink, temporary, signal } = options;
  const reading = {
    temporary,
    known: columnsRead(features),
    dates: datesRead(features.recipe),
  };
  const collector = new ScoreCollector();
  const duplicates = new DuplicateIds();
  const file = nameOfInput(batch.uri);
  const progress = log.progress(file.slice(file.lastIndexOf("/") + 1));
  const allBytes = sizeOf(batch);
  const parts: ScoredPart[] = [];
  const filled: FilledPart[] = [];
  let bytesBefore = 0;
  let rowsBefore = 0;
  let profile: BatchCounts | undefined;
  const setAside = new BadRowCount(file, badRows?.limit);
  await badRows?.store?.begin();
  const blocksOf = async function* (part: InputPart) {
    await using stored = await part.open();
    const name = nameOfInput(part.uri);
    if (stored.size === 0 && batch.parts.length > 1) {
      // An empty partition; a single empty file is an error.
      parts.push({ uri: part.uri, bytes: 0, rows: 0, sha256: sha256("") });
      return;
    }
    await using rowFile = await openRowFile(stored, reading);
    if (rowFile.remark !== undefined) log.info(`${name}: ${rowFile.remark}`);
    const all = scoreFile(scorer, rowFile, {
      features: { ...features, file: name },
      setAside: badRows !== undefined,
      bins: scorer.bins,
      // This thread reads, hashes and stores meanwhile. On two processors, a second
      // scoring thread would take 40 MB and no time off.
      threads: Math.max(1, navigator.hardwareConcurrency - 1),
    });
    let rows = 0;
    let counts: RowCounts | undefined;
    let floatId: string | undefined;
    for await (const block of all) {
      if (!counts && block.ids) floatId = findFloatId(block.ids);
      counts = counts ? mergeCounts(counts, block.counts) : block.counts;
      profile = profile && block.profile
        ? mergeBatches(profile, block.profile)
        : block.profile;
      collector.add(block.scores);
      if (block.ids) duplicates.add(block.ids);
      setAside.add(block);
      await badRows?.store?.add(block.setAside);
      if (block.scores.length !== block.rows * scorer.outputs) {
        throw new InputError(
          `Cannot use the scores of ${name}: ${block.scores.length} came back for ${block.rows} rows`,
        );
      }
      rows += block.rowsRead;
      const share = rowFile.share() * stored.size + bytesBefore;
      progress.update(share / allBytes, rowsBefore + rows);
      yield { ...block, uri: part.uri, rowsBefore };
      free(block.scores, block.ids?.bytes, block.ids?.lengths);
    }
    parts.push({
      uri: part.uri,
      bytes: stored.size,
      rows,
      sha256: await rowFile.digest(),
    });
    if (counts && counts.rows > 0) {
      filled.push({ uri: name, counts, floatId });
    }
    bytesBefore += stored.size;
    rowsBefore += rows;
  };
  const blocks = async function* () {
    for (const part of batch.parts) yield* blocksOf(part);
    setAside.finish();
  };
  try {
    await sink(abortable(blocks(), signal));
  } finally {
    progress.end();
  }
  if (filled.length === 0) throw noRows(file);
  const counts = filled.map((part) => part.counts).reduce(mergeCounts);
  return { counts, filled, collector, duplicates, parts, profile, setAside };
}

/** How many ids of a file are looked at. */
const shownIds = 100;

/** Returns the first id if all of the first ones are texts such as `100.0`: only CSV keeps them so. */
function findFloatId({ bytes, lengths }: PackedTexts): string | undefined {
  const ids = unpack({ bytes, lengths: lengths.slice(0, shownIds) })
    .filter((id) => id !== null);
  return ids.every((id) => /^\d+\.0$/.test(id)) ? ids[0] : undefined;
}

/** Rejects a file without any id, unless the variant declares that it has none. */
function requireIds(
  { withId, named, rows }: RowCounts,
  { idColumn, file, names: { entity } }: {
    idColumn: string | undefined;
    file: string;
    names: Names;
  },
): void {
  if (idColumn === undefined || named > 0) return;
  const found = withId === 0
    ? `none of the ${rows} rows has the column "${idColumn}"`
    : `"${idColumn}" is null in all ${rows} rows`;
  throw new InputError(
    `Cannot use ${file}: ${found}, the variant's ${entity} id; ` +
      `set "id_column" in variants.yaml to the right column, or to none if the rows have no ${entity} id`,
  );
}

/**
 * Warns of columns without a value in a file although others of its batch have
 * them.
 *
 * @param options `all`: the counts of the batch.
 * @throws {InputError} If it has no column of the model, as a file that is no data; or lacks the column of a category in encoded rows, which would count as missing instead of 0.
 */
function warnOfAbsent(
  { uri, counts }: FilledPart,
  { columns, recipe, all, log }: Binding & {
    all: RowCounts;
    log: Pick<Log, "warn">;
  },
): void {
  const { rows, absent, filled, steps } = counts;
  const made = new Set(
    recipe.oneHot.flatMap(({ prefix, categories = [] }) =>
      categories.map((category) => prefix + category)
    ),
  );
  const known = [
    ...columns.map(({ name }, index) => ({
      name,
      isEmptyHereOnly: !filled[index] && all.filled[index]!,
      isAbsent: absent[index] === rows,
    })).filter(({ name }) => !made.has(name)),
    ...recipe.oneHot.map(({ column }, index) => {
      const isAbsent = steps[index]!.absentRows === rows;
      const isEmptyHereOnly = isAbsent && all.steps[index]!.anyRaw;
      return { name: column, isEmptyHereOnly, isAbsent };
    }),
  ];
  if (known.every(({ isAbsent }) => isAbsent)) {
    throw new InputError(
      `Cannot use ${uri}: none of its ${rows} rows has a column of the model; if it is not a file of rows, move it or exclude it from "inputs"`,
    );
  }
  const lost = columns.filter(({ name }, index) =>
    made.has(name) && absent[index] === rows
  );
  if (lost.length > 0) {
    throw missingColumns(lost, counts, { recipe, file: uri });
  }
  const empty = known.filter(({ isEmptyHereOnly }) => isEmptyHereOnly);
  if (empty.length === 0) return;
  log.warn(
    `${uri}: missing in every one of its ${rows} rows, unlike in other files of the batch: ${
      empty.map(({ name }) => name).join(", ")
    }`,
  );
}

function requireValues(
  { emptyColumns }: RowFindings,
  { rows }: RowCounts,
  { columns, file }: FeatureOptions,
): void {
  if (emptyColumns.length < columns.length) return;
  throw new InputError(
    `Cannot use ${file}: every column of the model is missing in all ${rows} rows`,
  );
}

/** The share of unknown categories above which a remark is a warning. */
const unknownWarning = 0.05;

/** Logs what is odd about the rows of a file and does not prevent scoring. */
function logRemarks(
  findings: RowFindings,
  { file, counts, duplicatePlayers, names: { entity, entities }, log }: {
    file: string;
    counts: RowCounts;
    duplicatePlayers: ScoredBatch["duplicatePlayers"];
    names: Names;
    log: Pick<Log, "info" | "warn">;
  },
): void {
  const { extraColumns, unknownCategories, absentCells, emptyColumns } =
    findings;
  const { rows, withId, named } = counts;
  const ofRows = (count: number) =>
    `${file}: ${count} of ${rows} rows (${(count / rows * 100).toFixed(1)} %)`;
  if (extraColumns.length > 0) {
    log.info(
      `${file}: ignored ${
        countOf(extraColumns.length, "column")
      } that the model does not use: ${extraColumns.join(", ")}`,
    );
  }
  for (const [column, count] of Object.entries(unknownCategories)) {
    const remark = count / rows > unknownWarning ? log.warn : log.info;
    remark(
      `${
        ofRows(count)
      } have a value in "${column}" that the model or its recipe does not know`,
    );
  }
  for (const [column, count] of Object.entries(absentCells)) {
    log.info(
      `${ofRows(count)} lack the column "${column}", which counts as missing`,
    );
  }
  if (emptyColumns.length > 0) {
    log.warn(`${file}: missing in every row: ${emptyColumns.join(", ")}`);
  }
  // Without the id column, no row is expected to name a player.
  if (withId > 0 && named < rows) {
    log.warn(`${ofRows(rows - named)} have no ${entity} id`);
  }
  if (duplicatePlayers && duplicatePlayers.players > 0) {
    const { players, isExact } = duplicatePlayers;
    log.warn(
      `${file}: ${isExact ? "" : "about "}${
        countOf(players, `${entity} has`, `${entities} have`)
      } more than one row; the last row of each counts`,
    );
  }
}

/**
 * Returns the recipe for scoring with a version: the recorded one, or the one in
 * `variants.yaml` for a version without a recorded recipe. Warns if
 * `variants.yaml` declares a different recipe from the recorded one.
 */
export function recipeOf(
  scorer: Scorer,
  options: {
    declared: Recipe;
    columns: readonly Column[];
    log: Pick<Log, "info" | "warn">;
  },
): Recipe {
  const { declared, columns, log } = options;
  if (!scorer.recipe) return resolveRecipe(declared, { columns, rows: [] });
  if (differsFrom(scorer.recipe, declared)) {
    log.warn(
      "the recipe in variants.yaml differs from the one recorded with this version; the recorded one is used. Log the model again to use the new recipe",
    );
  }
  return fromRecorded(scorer.recipe, declared);
}
