/** Measures a challenger beside the version that scored a run, on the same players and outcomes. */
import { InputError, messageOf, UsageError } from "../base/errors.ts";
import type { VariantSettings } from "../config/variants.ts";
import { resolveModel } from "../mlflow/model-uri.ts";
import type { ModelVersion } from "../mlflow/store.ts";
import { checkStorable, columnsOf, openVersion } from "../scoring/version.ts";
import type { Services } from "../services/services.ts";
import { areaDifference } from "../statistics/area-comparison.ts";
import { evaluationMetrics } from "../statistics/classification.ts";
import { joinOutcomes } from "./coverage.ts";
import type { ChallengerComparison, MonitoringResult } from "./result.ts";
import { readRows } from "./rows.ts";
import { type LedgerRun, listRuns, readScores } from "./runs.ts";

/** A challenger that was found. */
export interface Challenger {
  readonly asked: string;
  readonly version: ModelVersion;
}

/**
 * Refuses a challenger where there are no outcomes to measure it on.
 *
 * @throws {UsageError} If the flag names one.
 */
export function refuseChallenger(flag: string | undefined): void {
  if (flag === undefined) return;
  throw new UsageError(
    'Cannot use --challenger without outcomes: name them with --outcomes, or set "outcomes" in variants.yaml',
  );
}

/**
 * Returns the version of the variant's registered model that a flag, or otherwise
 * `challenger` in `variants.yaml`, names by alias or number. If the setting names
 * an alias that no version has, a message says so and there is none.
 *
 * @throws {InputError} If the flag names a version that does not exist.
 */
export async function findChallenger(
  services: Services,
  { variant, challenger }: VariantSettings,
  flag: string | undefined,
): Promise<Challenger | undefined> {
  const asked = flag ?? challenger;
  if (asked === undefined) return undefined;
  const mlflow = await services.mlflow();
  const uri = `models:/${variant.modelName}${
    /^\d+$/.test(asked) ? "/" : "@"
  }${asked}`;
  try {
    const version = await services.withRetry(
      `resolve ${uri}`,
      () => resolveModel(mlflow, uri),
    );
    return { asked, version };
  } catch (error) {
    if (flag !== undefined || !(error instanceof InputError)) throw error;
    services.log.info(`No challenger is measured: ${messageOf(error)}`);
    return undefined;
  }
}

/**
 * Compares a challenger with the version that scored a run on the run's players
 * with an outcome. Its scores are those of the newest stored run of the same
 * content, otherwise the run's rows are read again, verified and scored. If that
 * is not possible, adds a note and returns undefined.
 */
export async function compareChallenger(
  services: Services,
  settings: VariantSettings,
  { run, outcomes, challenger: { asked, version }, notes }: {
    run: LedgerRun;
    outcomes: ReadonlyMap<string, number>;
    challenger: Challenger;
    notes: string[];
  },
): Promise<ChallengerComparison | undefined> {
  const { name, version: number } = version;
  if (name === run.modelName && String(number) === run.modelVersion) {
    notes.push(
      `the challenger ${asked} is version ${number}, which scored the run`,
    );
    return undefined;
  }
  const found = await challengerScores(services, settings, {
    run,
    version,
    notes,
  });
  if (!found) return undefined;
  const database = await services.predictions();
  const champion = joinOutcomes(await readScores(database, run), outcomes);
  const other = joinOutcomes(found, outcomes);
  const scores = new Map(
    other.players.map((id, row) => [id, other.probabilities[row]!]),
  );
  const both = champion.players.flatMap((id, row) =>
    scores.has(id) ? [row] : []
  );
  if (both.length === 0) {
    notes.push(
      `the challenger ${asked} has no score for any ${settings.names.entity} with an outcome`,
    );
    return undefined;
  }
  const sample = {
    probabilities: both.map((row) => champion.probabilities[row]!),
    outcomes: both.map((row) => champion.outcomes[row]!),
  };
  const probabilities = both.map((row) => scores.get(champion.players[row]!)!);
  const difference = areaDifference(sample, probabilities);
  const threshold = settings.outcomes?.threshold ?? 0.5;
  return {
    model_name: name,
    model_version: String(number),
    asked,
    scoring_run_id: found.runId,
    rows: both.length,
    champion: evaluationMetrics(sample, { threshold }),
    challenger: evaluationMetrics(
      { probabilities, outcomes: sample.outcomes },
      { threshold },
    ),
    auc_difference: difference?.value,
    auc_difference_interval: difference?.interval,
  };
}

/**
 * Returns a stored result with the comparison of a challenger, if the run was not
 * measured beside the same version already; without changing what is stored.
 */
export async function withChallenger(
  services: Services,
  settings: VariantSettings,
  result: MonitoringResult,
  { challenger, ...options }: {
    run: LedgerRun;
    outcomes: ReadonlyMap<string, number>;
    challenger: Challenger;
  },
): Promise<MonitoringResult> {
  const { version } = challenger;
  const known = result.challenger;
  const isSame = known?.model_name === version.name &&
    known.model_version === String(version.version);
  if (isSame) return result;
  const notes = [...result.notes];
  const compared = await compareChallenger(services, settings, {
    ...options,
    challenger,
    notes,
  });
  return { ...result, notes, challenger: compared };
}

/** A version's scores of a run's rows; `runId` if they were stored. */
interface VersionScores {
  readonly ids: readonly (string | null)[];
  readonly scores: ArrayLike<number>;
  readonly runId?: number;
}

async function challengerScores(
  services: Services,
  settings: VariantSettings,
  { run, version, notes }: {
    run: LedgerRun;
    version: ModelVersion;
    notes: string[];
  },
): Promise<VersionScores | undefined> {
  const database = await services.predictions();
  const runs = await listRuns(database, settings.variant.key);
  const stored = runs.find(({ contentSha256, modelName, modelVersion }) =>
    contentSha256 === run.contentSha256 && modelName === version.name &&
    modelVersion === String(version.version)
  );
  if (stored) {
    return { ...await readScores(database, stored), runId: stored.id };
  }
  const what = `the challenger, version ${version.version},`;
  try {
    await using scorer = await openVersion(services, version, {
      engine: "auto",
      settings,
    });
    checkStorable(scorer, { version, settings });
    const columns = await columnsOf(services, scorer, settings);
    const features = await readRows(services, settings, {
      run,
      model: { columns, recipe: scorer.recipe },
      notes,
      forVersion: what,
    });
    if (!features) return undefined;
    const scores = await scorer.predict(features.matrix, features.rows);
    return { ids: features.ids ?? [], scores };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    notes.push(`${what} was not measured: ${messageOf(error)}`);
    return undefined;
  }
}
