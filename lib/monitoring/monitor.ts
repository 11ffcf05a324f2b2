/** One look at the newest scoring run of a variant: what it is compared with, and what came out. */
import { sha256 } from "../digest.ts";
import { InputError, UsageError } from "../errors.ts";
import type { Evidence, RunFacts } from "./evidence.ts";
import type { Column, Features } from "../features.ts";
import { type InputFile, readNamedFiles } from "../inputs.ts";
import type { ModelVersion } from "../mlflow/store.ts";
import {
  findNewestRun,
  findPreviousRun,
  type LedgerRun,
  readHistory,
  readScores,
} from "./runs.ts";
import {
  measurePerformance,
  type Performance,
  toOutcomes,
} from "./performance.ts";
import { type ReferenceProfile, toProfile } from "./profile.ts";
import { parseRows } from "../rows.ts";
import { ensurePredictionsSchema } from "../schema.ts";
import { readModel, readRows } from "./rows.ts";
import type { Services } from "../services.ts";
import { commandFor, type Variant } from "../variant.ts";
import type { VariantSettings } from "../variants.ts";
import {
  compareWith,
  type CurrentRows,
  type DriftComparison,
} from "./columns.ts";
import { decide, thresholds } from "./verdict.ts";

/**
 * The scoring run that is looked at: the variant's newest. The embedded default
 * gets the tables of `monitor` by itself; configured services get them from
 * `setup`.
 *
 * @throws {InputError} If nothing was scored yet; names the command that does it.
 * @throws {UsageError} If the tables are not there.
 */
export async function getNewestRun(
  services: Services,
  variant: Variant,
): Promise<LedgerRun> {
  const { config, attempt } = services;
  const nothing = new InputError(
    `Cannot monitor ${variant.title}: nothing was scored yet; run \`${
      commandFor("predict", variant)
    }\` first`,
  );
  if (config.embedded && !await isThere(`${config.home}/database`)) {
    throw nothing;
  }
  const database = await services.predictions();
  if (config.embedded) await ensurePredictionsSchema(database);
  const run = await attempt(
    "look into the ledger",
    () => findNewestRun(database, variant.key),
  );
  if (run) return run;
  throw nothing;
}

/** The file of outcomes that a flag names. @throws {UsageError} If it names several. */
export async function readOutcomes(
  { attempt, artifacts }: Services,
  uri: string,
): Promise<InputFile> {
  const files = await attempt(
    `read ${uri}`,
    () => readNamedFiles(uri, artifacts),
  );
  const [file, ...more] = files;
  if (file && more.length === 0) return file;
  throw new UsageError(
    `Cannot use --outcomes ${uri}: it names ${files.length} files, expected one`,
  );
}

/** What is looked at. */
export interface LookOptions {
  readonly run: LedgerRun;
  /** Matured outcomes; undefined when none were named. */
  readonly outcomes: InputFile | undefined;
}

/** What a look gives: the evidence, and the model version that the registry still has. */
export interface Look {
  readonly evidence: Evidence;
  readonly version: ModelVersion | undefined;
}

/**
 * The evidence about a scoring run: its rows, read again and verified, and its
 * scores, against the model's reference and against the run before; and its
 * scores against matured outcomes. Rows that are gone or changed leave their
 * drift unknown, which a note says; nothing is guessed.
 *
 * @throws {InputError} If the outcomes cannot be used, or the model's reference is not what was logged.
 */
export async function lookAt(
  services: Services,
  settings: VariantSettings,
  { run, outcomes }: LookOptions,
): Promise<Look> {
  const notes: string[] = [];
  const database = await services.predictions();
  const previous = await findPreviousRun(database, run);
  const { version, reference, columns } = await readModel(services, run, {
    settings,
    notes,
  });
  const rows = (of: LedgerRun) =>
    readRows(services, settings, { run: of, columns, notes });
  const { ids, scores } = await readScores(database, run);
  const features = await rows(run);
  const current = { features: features && named(features, columns), scores };
  const comparisons: DriftComparison[] = [];
  if (reference) {
    comparisons.push(compareWith(reference, current, "baseline"));
  }
  if (previous) {
    const { scores } = await readScores(database, previous);
    const before = toEarlier(await rows(previous), { columns, scores });
    comparisons.push(compareWith(before, current, "consecutive"));
    if (
      previous.modelVersion !== run.modelVersion ||
      previous.modelName !== run.modelName
    ) {
      notes.push(
        `the run before was scored with ${previous.modelName} version ${previous.modelVersion}, so its scores may differ for that alone`,
      );
    }
  } else notes.push("no earlier run of this variant scored other data");
  const performance = outcomes && toPerformance(outcomes, {
    settings,
    ids,
    scores,
    reference,
  });
  const history = await readHistory(database, run);
  const [last] = history;
  const drift = comparisons[0]?.severity ?? "unknown";
  return {
    version,
    evidence: {
      version: 1,
      variant: settings.variant.key,
      title: settings.variant.title,
      monitored_at: new Date().toISOString(),
      scoring_run: toFacts(run),
      ...(previous ? { previous: toFacts(previous) } : {}),
      ...(reference
        ? { reference: { ...reference.source, rows: reference.rows } }
        : {}),
      ...(outcomes
        ? { outcomes: { uri: outcomes.uri, sha256: sha256(outcomes.bytes) } }
        : {}),
      verdict: {
        drift,
        performance: performance?.severity ?? "unknown",
        ...decide({
          drift,
          performance: performance?.severity ?? "unknown",
          previousDrift: last?.model_version === run.modelVersion
            ? last.drift
            : undefined,
        }),
      },
      comparisons,
      ...(performance ? { performance } : {}),
      unseen_categories: toShares(features),
      notes,
      thresholds,
      history,
    },
  };
}

function named(
  { matrix, rows }: Features,
  columns: readonly Column[] = [],
): NonNullable<CurrentRows["features"]> {
  return { names: columns.map(({ name }) => name), matrix, rows };
}

/** The profile of an earlier run; without features when its rows are gone. */
function toEarlier(
  features: Features | undefined,
  { columns, scores }: {
    columns: readonly Column[] | undefined;
    scores: Float64Array;
  },
): Parameters<typeof compareWith>[0] {
  if (features) return toProfile({ ...named(features, columns), scores });
  const none = { names: [], matrix: new Float32Array(), rows: scores.length };
  return { ...toProfile({ ...none, scores }), features: undefined };
}

function toPerformance(
  file: InputFile,
  { settings, ids, scores, reference }: {
    settings: VariantSettings;
    ids: readonly (string | null)[];
    scores: Float64Array;
    reference: ReferenceProfile | undefined;
  },
): Performance {
  const { idColumn, label } = settings;
  const rows = parseRows(file.bytes, { file: file.uri });
  return measurePerformance({ ids, scores }, {
    outcomes: toOutcomes(rows, { idColumn, label, file: file.uri }),
    referenceAuc: reference?.metrics?.["auc"],
    file: file.uri,
  });
}

function toShares(features: Features | undefined): Record<string, number> {
  if (!features) return {};
  return Object.fromEntries(
    Object.entries(features.unknownCategories).map((
      [column, count],
    ) => [column, count / features.rows]),
  );
}

function toFacts(run: LedgerRun): RunFacts {
  return {
    id: run.id,
    input_uri: run.inputUri,
    content_sha256: run.contentSha256,
    model_name: run.modelName,
    model_version: run.modelVersion,
    rows: run.rows,
    finished_at: run.finishedAt.toISOString(),
    mlflow_run_id: run.mlflowRunId,
  };
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
