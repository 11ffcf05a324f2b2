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
    return {
      uri: nameOf(source.table),
      versionOf: () => undefined,
      read: (windows) =>
        readGroups(
          windows.map((window) => [window]),
          ([window]) => readTable(services, table, window!),
        ),
    };
  }
  const stores = services.variantFiles(variant);
  const found = await findOutcomeFiles(stores, source.pattern);
  const filesOf = (wanted: Period) =>
    found.find(({ period }) => period === undefined || period === wanted);
  const versionOf = (period: Period) => {
    const version = filesOf(period)?.version;
    return version && sha256(JSON.stringify([version, settings]));
  };
  return {
    uri: locationOf(stores, source.pattern.text),
    versionOf,
    read: (windows) => {
      const groups = Map.groupBy(windows, ({ period }) => filesOf(period));
      groups.delete(undefined);
      return readGroups([...groups.values()], (own) => {
        const { period } = own[0]!;
        const [files, version] = [filesOf(period)!, versionOf(period)];
        return readFiles(services, joinable, { files, version, windows: own });
      });
    },
  };
}

function withoutIds(outcomes: string): UsageError {
  return new UsageError(
    `Cannot use ${outcomes}: variants.yaml sets "id_column: none", so outcomes cannot be joined to scores`,
  );
}

/** Returns the outcomes of all groups of periods; where those of a group cannot be used, the error for each of its periods. */
async function readGroups(
  groups: readonly (readonly PeriodWindow[])[],
  read: (windows: readonly PeriodWindow[]) => Promise<OutcomeSorter>,
): Promise<FoundOutcomes> {
  const all = new Map<Period, RunOutcomes | InputError>();
  for (const windows of groups) {
    try {
      const sorter = await read(windows);
      for (const [period, each] of sorter.outcomes()) all.set(period, each);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      for (const { period } of windows) all.set(period, error);
    }
  }
  return all;
}

/** Reads files once for all periods that they may have outcomes of. */
async function readFiles(
  services: Services,
  settings: Joinable,
  { files, ...options }: {
    files: InputFiles;
    version: string | undefined;
    windows: readonly PeriodWindow[];
  },
): Promise<OutcomeSorter> {
  const { idColumn, periodColumn, asOfColumn } = settings;
  const dates = new Set(
    [periodColumn, asOfColumn].filter((name) => name !== undefined),
  );
  const { uri, parts } = files;
  // Read as a whole again, so that a failed try leaves nothing behind.
  return await services.withRetry(`read ${uri}`, async () => {
    const sorter = new OutcomeSorter(settings, { ...options, uri });
    for (const part of parts) {
      await using file = await part.open();
      if (file.size === 0 && parts.length > 1) continue; // an empty partition
      const rows = readRows(file, {
        idColumn,
        dates,
        temporary: temporaryFolder(services.config),
      });
      for await (const { number, line, value } of rows) {
        sorter.add(value, { file: part.uri, row: number, line });
      }
    }
    return sorter;
  });
}

async function readTable(
  services: Services,
  settings: Joinable & { source: { kind: "table" } },
  window: PeriodWindow,
): Promise<OutcomeSorter> {
  const database = await services.predictions();
  const uri = nameOf(settings.source.table);
  return await services.withRetry(`read ${uri}`, async () => {
    const sorter = new OutcomeSorter(settings, { windows: [window], uri });
    await readOutcomeTable(database, settings, {
      window,
      onRows: (rows) => {
        for (const row of rows) {
          const id = row[settings.idColumn];
          sorter.add(row, { file: `${uri}, ${settings.idColumn} ${id}` });
        }
      },
    });
    return sorter;
  });
}

function nameOf({ schema, name }: OutcomeTable): string {
  return `table ${schema === undefined ? name : `${schema}.${name}`}`;
}

/**
 * Assigns rows to periods. A row belongs to the period in its period column. In
 * a source without one, it belongs to the period whose window has its as-of day,
 * and without either to the only period. A row from before its period's outcomes
 * are mature belongs to none.
 */
class OutcomeSorter {
  readonly #settings: Joinable;
  readonly #source: Pick<RunOutcomes, "uri" | "version">;
  /** Earliest first. */
  readonly #windows: readonly PeriodWindow[];
  readonly #collections: ReadonlyMap<Period, OutcomeCollection>;
  /** Whether the paths of the files name the period. */
  readonly #hasPath: boolean;

  constructor(
    settings: Joinable,
    { windows, ...source }: Pick<RunOutcomes, "uri" | "version"> & {
      windows: readonly PeriodWindow[];
    },
  ) {
    this.#settings = settings;
    this.#source = source;
    this.#hasPath = settings.source.kind === "files" &&
      settings.source.pattern.hasPeriod;
    // A later row of the same period corrects an earlier one; of several days in a window, the first is the one the outcome is defined for.
    const isDated = settings.periodColumn !== undefined || this.#hasPath;
    const keep = isDated ? "last" : "first";
    this.#windows = windows.toSorted((a, b) => a.from < b.from ? -1 : 1);
    this.#collections = new Map(
      windows.map(({ period }) => [
        period,
        new OutcomeCollection({ ...settings, file: source.uri, keep }),
      ]),
    );
  }

  add(row: InputRow["value"], where: RowPlace): void {
    const { periodColumn, asOfColumn } = this.#settings;
    const dayOf = (column: string | undefined) =>
      column === undefined
        ? undefined
        : toDayCell(cellOf(row, column), { column, where });
    const own = dayOf(periodColumn);
    const asOf = dayOf(asOfColumn);
    if (periodColumn !== undefined && own === undefined) return;
    if (asOfColumn !== undefined && asOf === undefined) return;
    const window = own !== undefined
      ? this.#windows.find(({ period }) => period === own)
      : this.#hasPath
      ? this.#windows[0]
      : this.#windows.find(({ from, before }) =>
        asOf !== undefined && from <= asOf && asOf < before
      );
    if (!window || (asOf !== undefined && asOf < window.from)) return;
    this.#collections.get(window.period)?.add(row, { where, asOf });
  }

  /**
   * Returns the outcomes of each period that has any.
   *
   * @throws {InputError} If rows have no player id, or no row has the duration column.
   */
  outcomes(): Map<Period, RunOutcomes> {
    const { idColumn, names } = this.#settings;
    const all = new Map<Period, RunOutcomes>();
    for (const [period, collection] of this.#collections) {
      const { named, unnamed } = collection;
      if (named === 0 && unnamed > 0) {
        throw new InputError(
          `Cannot use ${this.#source.uri}: none of its ${unnamed} rows of ${period} has a ${names.entity} id in the column "${idColumn}"; set outcomes.id_column in variants.yaml to the right column`,
        );
      }
      const outcomes = collection.outcomes();
      if (outcomes.byPlayer.size === 0) continue;
      const sha256 = digestOutcomes(outcomes);
      all.set(period, { ...outcomes, ...this.#source, sha256 });
    }
    return all;
  }
}

/** Returns the digest of outcomes, which does not depend on their order, their file or other periods. */
function digestOutcomes({ byPlayer, durations }: Outcomes): string {
  const lines = [...byPlayer].map(([id, outcome]) =>
    JSON.stringify([id, outcome, durations?.get(id) ?? null])
  );
  return sha256(lines.sort().join("\n"));
}
