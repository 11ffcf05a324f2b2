/** Chooses what one call of `predict` scores, and with which version. `predict` then scores it; `plan` and a dry run describe it. */
import { getExperiment } from "../mlflow/experiment.ts";
import { resolveModel } from "../mlflow/model-uri.ts";
import type { Experiment, ModelVersion } from "../mlflow/store.ts";
import { commandForModel, type VariantSettings } from "../config/variants.ts";
import type { InputBatch } from "../services/input-batches.ts";
import type { Services } from "../services/services.ts";
import { namedPlace } from "../services/variant-files.ts";
import { readRuns } from "./deliveries.ts";
import {
  type CommandOptions,
  describeReplacement,
  type InputChoice,
  openInputs,
  type SortedInputs,
  sortInputs,
  toAgain,
} from "./inputs.ts";
import type { ScoringRun } from "./ledger.ts";
import { warnOfSplitPromotion } from "./report.ts";

/** Where a call's runs are logged, and the version that it scores with. */
export interface Production {
  readonly experiment: Experiment;
  readonly version: ModelVersion;
}

/** What a call scores. Disposal closes its inputs. */
export interface PredictionPlan
  extends Production, SortedInputs, AsyncDisposable {
  /** The variant's completed runs, newest period first; empty if the scores are not stored in the ledger's database. */
  readonly runs: readonly ScoringRun[];
  /** Tells whether a batch is scored even if its content was scored before. */
  readonly again: (batch: InputBatch) => boolean;
}

/** Options of {@linkcode openPlan}. */
export interface PlanOptions {
  readonly modelUri: string;
  /** `postgres`, or the path of a file. */
  readonly output: string;
  readonly choice: InputChoice;
  readonly force: boolean;
  readonly idempotencyKey: string | undefined;
  /** What the first run would set up on an empty embedded store, which has no ledger; undefined for a store with a model. */
  readonly firstRun: Production | undefined;
  /** Returns the command line of the call, ready to paste. */
  readonly command: (options: CommandOptions) => string;
}

/**
 * Finds the version and the batches of a call: those to score, oldest period first,
 * and those that were scored before. Changes nothing.
 *
 * @throws {UsageError} If the tables do not exist, a file cannot be written, or flags and inputs contradict each other.
 * @throws {InputError} If there is no such version, no experiment or no data; says what to do.
 */
export async function openPlan(
  services: Services,
  settings: VariantSettings,
  options: PlanOptions,
): Promise<PredictionPlan> {
  const { modelUri, output, choice, firstRun } = options;
  for (const { file } of choice.written) {
    const { store, path } = namedPlace(file, services.artifacts);
    await services.withRetry(`check ${file}`, () => store.checkCreate(path));
  }
  const hasLedger = output === "postgres" && !firstRun;
  // Both databases are opened at once, and before anything is read, so that a missing setting is reported first.
  if (hasLedger) {
    services.mlflow().catch(() => {}); // reported when it is used
    await services.predictions();
  }
  const { experiment, version } = firstRun ??
    await findProduction(services, settings, modelUri);
  await using stack = new AsyncDisposableStack();
  const batches = await openInputs(services, settings, choice);
  for (const batch of batches) stack.use(batch);
  const runs = hasLedger ? await readRuns(services, settings) : [];
  const again = toAgain(batches, { ...options, runs });
  const sorted = await sortInputs(services, batches, {
    runs,
    again,
    named: choice.named !== undefined,
  });
  for (const each of sorted.skipped) {
    const replaced = describeReplacement(each);
    if (replaced === undefined) continue;
    const again = options.command({ batch: each.batch, force: true });
    services.log.warn(`${replaced}; \`${again}\` scores it again`);
  }
  const owned = stack.move();
  return {
    experiment,
    version,
    ...sorted,
    runs,
    again,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Returns the variant's experiment and the version that the URI resolves to. */
async function findProduction(
  services: Services,
  { variant }: VariantSettings,
  modelUri: string,
): Promise<Production> {
  const { withRetry, log, variants } = services;
  const mlflow = await services.mlflow();
  const commandFor = (task: string, model: string) =>
    commandForModel(variants, variant, { task, model });
  const experiment = await withRetry(
    "find the experiment",
    () => getExperiment(mlflow, variant),
  );
  const version = await withRetry(
    `resolve ${modelUri}`,
    () => resolveModel(mlflow, modelUri, { commandFor }),
  );
  const promote = commandFor("promote", version.name);
  warnOfSplitPromotion(version, { modelUri, promote, log });
  return { experiment, version };
}
