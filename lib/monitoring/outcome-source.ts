/** Reads the outcomes of periods from where `variants.yaml` says they are. */
import type { Names } from "../config/names.ts";
import { sha256 } from "../base/digest.ts";
import { InputError, UsageError } from "../base/errors.ts";
import type { OutcomeSettings, OutcomeTable } from "../config/outcomes.ts";
import type { Period } from "../config/periods.ts";
import type { VariantSettings } from "../config/variants.ts";
import { cellOf } from "../rows/cells.ts";
import type { InputRow } from "../rows/json.ts";
import { readAllRows, readRows } from "../rows/read.ts";
import type { RowPlace } from "../rows/row-error.ts";
import { findOutcomeFiles, type InputFiles } from "../services/period-files.ts";
import {
  locationOf,
  openNamedFiles,
  readWhole,
} from "../services/variant-files.ts";
import { bytesAsFile } from "../storage/store.ts";
import { type Services, temporaryFolder } from "../services/services.ts";
import {
  OutcomeCollection,
  type Outcomes,
  toDayCell,
  toOutcomes,
} from "./outcomes.ts";
import { type PeriodWindow, readOutcomeTable } from "./outcome-table.ts";

/** The outcomes of one scoring run, and where they are from. */
export interface RunOutcomes extends Outcomes {
  readonly uri: string;
  /** Digest of the outcomes, as {@linkcode digestOutcomes} returns it. */
  readonly sha256: string;
  /** Changes whenever the source or the settings change; undefined if unknown. */
  readonly version?: string | undefined;
}

/**
 * Reads the outcomes file that a flag names, with the columns that `outcomes` in
 * `variants.yaml` sets.
 *
 * @throws {UsageError} If the flag does not name exactly one file, or the variant has no id column.
 * @throws {InputError} If it cannot be read or used.
 */
export async function readOutcomes(
  { withRetry, artifacts, config }: Services,
  settings: VariantSettings,
  options: { uri: string },
): Promise<RunOutcomes> {
  const { uri } = options;
  const { variant, names } = settings;
  const { idColumn, label, durationColumn } = settings.outcomes ??
    { ...settings, durationColumn: undefined };
  if (idColumn === undefined) {
    throw withoutIds(`--outcomes for ${variant.title}`);
  }
  const files = await withRetry(
    `read ${uri}`,
    () => openNamedFiles(uri, artifacts),
  );
  const [file, ...more] = files;
  if (!file || more.length > 0) {
    throw new UsageError(
      `Cannot use --outcomes ${uri}: it matches ${files.length} files, expected one`,
    );
  }
  const { uri: found, bytes } = await readWhole(file);
  const rows = await readAllRows(bytesAsFile(found, bytes), {
    idColumn,
    temporary: temporaryFolder(config),
  });
  const outcomes = toOutcomes(rows, {
    idColumn,
    label,
    durationColumn,
    names,
    file: found,
  });
  return { ...outcomes, uri: found, sha256: digestOutcomes(outcomes) };
}

/** Where a variant's outcomes are. */
export interface OutcomeSource {
  /** The pattern of the files, or the table. */
  readonly uri: string;
  /** Returns the version of a period's outcomes without reading them; undefined if there are none, or it is unknown. */
  versionOf(period: Period): string | undefined;
  /**
   * Returns the outcomes of each period that has any, or the error if they cannot
   * be used, which names file, row and column. An error in a file of several
   * periods is that of all of them.
   *
   * @throws {UsageError} If a table cannot be read as the settings say.
   * @throws {TransientError} If S3 or the database is unreachable.
   */
  read(windows: readonly PeriodWindow[]): Promise<FoundOutcomes>;
}

/** The outcomes of each period that has any. */
export type FoundOutcomes = ReadonlyMap<Period, RunOutcomes | InputError>;

/** The settings of outcomes that can be joined to players. */
type Joinable = OutcomeSettings & {
  readonly idColumn: string;
  readonly names: Names;
};

/**
 * Opens the outcomes that `variants.yaml` declares: files are listed, a table is
 * not read yet.
 *
 * @throws {UsageError} If the variant's rows have no ids.
 * @throws {TransientError} If the bucket is unreachable.
 */
export async function openOutcomeSource(
  services: Services,
  { variant, names }: VariantSettings,
  settings: OutcomeSettings,
): Promise<OutcomeSource> {
  const { idColumn, source } = settings;
  if (idColumn === undefined) {
    throw withoutIds(`the outcomes of ${variant.title}`);
  }
  const joinable = { ...settings, idColumn, names };
  if (source.kind === "table") {
    const table = { ...joinable, source };
    const uri = nameOf(source.table);
    return {
      uri,
      versionOf: () => undefined,
      read: (windows) => readTable(services, table, { uri, windows }),
    };
  }
  const stores = services.variantFiles(variant);
  const found = await findOutcomeFiles(stores, source.pattern);
  const filesOf = (wanted: Period) =>
    found.find(({ period }) => period === undefined || period === wanted);
  const versionOf = (files: InputFiles | undefined) =>
    files?.version === undefined
      ? undefined
      : sha256(JSON.stringify([files.version, settings]));
  return {
    uri: locationOf(stores, source.pattern.text),
    versionOf: (period) => versionOf(filesOf(period)),
    async read(windows) {
      const groups = Map.groupBy(windows, ({ period }) => filesOf(period));
      const all = new Map<Period, RunOutcomes | InputError>();
      for (const [files, own] of groups) {
        if (!files) continue;
        const outcomes = await orErrors(
          own,
          () => readFiles(services, joinable, { files, windows: own }),
        );
        const version = versionOf(files);
        for (const [period, each] of outcomes) {
          const found = each instanceof InputError
            ? each
            : { ...each, version };
          all.set(period, found);
        }
      }
      return all;
    },
  };
}

function withoutIds(outcomes: string): UsageError {
  return new UsageError(
    `Cannot use ${outcomes}: variants.yaml sets "id_column: none", so outcomes cannot be joined to scores`,
  );
}

/** Reads files once for all periods that they may have outcomes of. */
async function readFiles(
  services: Services,
  settings: Joinable,
  { files, windows }: {
    files: InputFiles;
    windows: readonly PeriodWindow[];
  },
): Promise<Map<Period, RunOutcomes>> {
  const { idColumn, periodColumn, asOfColumn } = settings;
  const dates = new Set(
    [periodColumn, asOfColumn].filter((name) => name !== undefined),
  );
  const { uri } = files;
  // Read as a whole again, so that a failed try leaves nothing behind.
  const collections = await services.withRetry(`read ${uri}`, async () => {
    const sorter = toSorter(settings, { windows, file: uri });
    for (const part of files.parts) {
      await using file = await part.open();
      if (file.size === 0 && files.parts.length > 1) continue; // an empty partition
      const rows = readRows(file, {
        idColumn,
        dates,
        temporary: temporaryFolder(services.config),
      });
      for await (const { number, line, value } of rows) {
        sorter.add(value, { file: part.uri, row: number, line });
      }
    }
    return sorter.collections;
  });
  return toRunOutcomes(collections, { uri, settings });
}

async function readTable(
  services: Services,
  settings: Joinable & { source: { kind: "table" } },
  { uri, windows }: { uri: string; windows: readonly PeriodWindow[] },
): Promise<FoundOutcomes> {
  const database = await services.predictions();
  const all = new Map<Period, RunOutcomes | InputError>();
  const readPeriod = async (window: PeriodWindow) => {
    const sorter = toSorter(settings, { windows: [window], file: uri });
    await readOutcomeTable(database, settings, {
      window,
      onRows: (rows) => {
        for (const row of rows) {
          const id = row[settings.idColumn];
          sorter.add(row, { file: `${uri}, ${settings.idColumn} ${id}` });
        }
      },
    });
    return toRunOutcomes(sorter.collections, { uri, settings });
  };
  for (const window of windows) {
    const outcomes = await orErrors(
      [window],
      () => services.withRetry(`read ${uri}`, () => readPeriod(window)),
    );
    for (const [period, each] of outcomes) all.set(period, each);
  }
  return all;
}

function nameOf({ schema, name }: OutcomeTable): string {
  return `table ${schema === undefined ? name : `${schema}.${name}`}`;
}

/** Returns what `read` returns, or its error in the data for each period. */
async function orErrors(
  windows: readonly PeriodWindow[],
  read: () => Promise<FoundOutcomes>,
): Promise<FoundOutcomes> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return new Map(windows.map(({ period }) => [period, error]));
  }
}

/** Assigns rows to the periods that they belong to. */
interface Sorter {
  readonly collections: ReadonlyMap<Period, OutcomeCollection>;
  add(row: InputRow["value"], where: RowPlace): void;
}

/**
 * Returns a sorter of rows. A row belongs to the period in its period column. In
 * a source without one, it belongs to the period whose window has its as-of day,
 * and without either to the only period. A row from before its period's outcomes
 * are mature belongs to none.
 */
function toSorter(
  settings: Joinable,
  { windows, file }: { windows: readonly PeriodWindow[]; file: string },
): Sorter {
  const { periodColumn, asOfColumn } = settings;
  const hasPath = settings.source.kind === "files" &&
    settings.source.pattern.hasPeriod;
  // A later row of the same period corrects an earlier one; of several days in a window, the first is the one the outcome is defined for.
  const isDated = periodColumn !== undefined || hasPath;
  const keep = isDated ? "last" : "first";
  const collections = new Map(
    windows.map(({ period }) => [
      period,
      new OutcomeCollection({ ...settings, file, keep }),
    ]),
  );
  const sorted = windows.toSorted((a, b) => a.from < b.from ? -1 : 1);
  const dayOf = (
    row: InputRow["value"],
    { column, where }: { column: string | undefined; where: RowPlace },
  ) =>
    column === undefined
      ? undefined
      : toDayCell(cellOf(row, column), { column, where });
  return {
    collections,
    add(row, where) {
      const own = dayOf(row, { column: periodColumn, where });
      const asOf = dayOf(row, { column: asOfColumn, where });
      if (periodColumn !== undefined && own === undefined) return;
      if (asOfColumn !== undefined && asOf === undefined) return;
      const [only] = sorted;
      const window = own !== undefined
        ? sorted.find(({ period }) => period === own)
        : hasPath
        ? only
        : sorted.find(({ from, before }) =>
          asOf !== undefined && from <= asOf && asOf < before
        );
      if (!window || (asOf !== undefined && asOf < window.from)) return;
      collections.get(window.period)?.add(row, { where, asOf });
    },
  };
}

/**
 * Returns the outcomes of each period that has any.
 *
 * @throws {InputError} If rows have no player id, or no row has the duration column.
 */
function toRunOutcomes(
  collections: ReadonlyMap<Period, OutcomeCollection>,
  { uri, settings }: { uri: string; settings: Joinable },
): Map<Period, RunOutcomes> {
  const all = new Map<Period, RunOutcomes>();
  for (const [period, collection] of collections) {
    const { named, unnamed } = collection;
    if (named === 0 && unnamed > 0) {
      throw new InputError(
        `Cannot use ${uri}: none of its ${unnamed} rows of ${period} has a ${settings.names.entity} id in the column "${settings.idColumn}"; set outcomes.id_column in variants.yaml to the right column`,
      );
    }
    const outcomes = collection.outcomes();
    if (outcomes.byPlayer.size === 0) continue;
    all.set(period, { ...outcomes, uri, sha256: digestOutcomes(outcomes) });
  }
  return all;
}

/** Returns the digest of outcomes, which does not depend on their order, their file or other periods. */
export function digestOutcomes({ byPlayer, durations }: Outcomes): string {
  const lines = [...byPlayer].map(([id, outcome]) =>
    JSON.stringify([id, outcome, durations?.get(id) ?? null])
  );
  return sha256(lines.sort().join("\n"));
}
