/** Describes the result of `predict` as JSON and as text. */
import {
  ScoreCollector,
  type ScoreDistribution,
} from "../statistics/distribution.ts";
import type { BatchOptions, StoredBatch } from "./batch.ts";
import type { DeliveryProblem } from "./expectations.ts";
import type { CommandOptions, SameContent } from "./inputs.ts";
import { endOf, type FailOn } from "./fail-on.ts";
import type { Config } from "../config/environment.ts";
import type { Names } from "../config/names.ts";
import type { ModelVersion } from "../mlflow/store.ts";
import type { Outcome } from "../base/outcome.ts";
import type { Log } from "../base/log.ts";
import { countOf } from "../base/phrases.ts";
import { oneLine } from "../base/printable.ts";
import { type Period, toDay } from "../config/periods.ts";
import { nameOfInput } from "../services/variant-files.ts";
import { isProbability } from "./model-output.ts";
import type { ScoredBatch } from "./scoring-run.ts";

/** The facts in the report on a prediction. */
export interface PredictionFacts extends BatchOptions {
  /** Returns the command line of this call, ready to paste, without `--dry-run`. */
  readonly command: (options?: CommandOptions) => string;
  /** Returns how a file is shown. */
  readonly place: (uri: string) => string;
  /** Undefined when nothing was scored. */
  readonly engine: string | undefined;
  /** The batches of the call; of those that were scored before, at least the newest. */
  readonly stored: readonly StoredBatch[];
  readonly copies: readonly SameContent[];
  /** What is not whole or in time. */
  readonly problems: readonly DeliveryProblem[];
  readonly failOn: ReadonlySet<FailOn>;
}

/**
 * Returns the outcome of `predict` for one variant; `status` is `failed` if a batch
 * cannot be used, `incomplete` or `overdue` if a period is, otherwise `scored`, `nothing-new` or `dry-run`.
 */
export function describePrediction(
  config: Config,
  facts: PredictionFacts,
): Outcome {
  const { settings: { variant }, version, stored, copies, dryRun, problems } =
    facts;
  const scored = stored.filter((batch) => batch.scored !== undefined);
  const sumOf = (count: "rows" | "rowsSetAside") =>
    scored.reduce((sum, batch) => sum + (batch.scored?.[count] ?? 0), 0);
  const failed = stored.find(({ failure }) => failure !== undefined);
  const { status, exitCode } = endOf(
    scored.length === 0 ? "nothing-new" : dryRun ? "dry-run" : "scored",
    { ...facts, failed: failed !== undefined },
  );
  // The newest period's.
  const main = scored.at(-1) ?? stored.at(-1);
  return {
    report: {
      status,
      variant: variant.key,
      experiment: facts.experiment.name,
      period: main && periodOf(main),
      run_id: main?.mlflowRunId ?? main?.ledger?.mlflowRunId ?? null,
      ...modelOf(main, version),
      model_uri: facts.modelUri,
      engine: facts.engine ?? null,
      rows: sumOf("rows"),
      rows_set_aside: sumOf("rowsSetAside"),
      bad_rows: facts.badRows?.file ?? null,
      input: main?.batch.uri ?? null,
      data_source: main?.batch.source ?? null,
      inputs: [
        ...stored.map((batch) => toInputReport(batch, facts)),
        ...copies.map(({ uri, sameAs }) => ({
          input: uri,
          status: "same-content",
          same_as: sameAs,
          rows: 0,
          rows_set_aside: 0,
        })),
      ],
      problems,
      ...failed ? { error: failed.failure } : {},
      score_distribution: distributionOf(scored),
    },
    text: [
      ...stored.map((batch) => describeBatch(batch, facts)),
      ...copies.map(describeCopy),
      ...problems.map((problem) => describeProblem(problem, facts)),
      ...whereTheyAre(config, facts, main),
    ].join("\n"),
    exitCode,
  };
}

/**
 * Warns if only one of the alias and the stage was moved, which are promoted
 * together.
 *
 * @param options `promote`: the promotion command for the model's variant; undefined when the variant is unknown.
 */
export function warnOfSplitPromotion(
  version: ModelVersion,
  options: {
    modelUri: string;
    promote: string | undefined;
    log: Pick<Log, "warn">;
  },
): void {
  const isProduction = version.stage === "Production";
  const isChampion = version.aliases.includes("champion");
  if (
    isProduction === isChampion ||
    !/\/production$|@champion$/i.test(options.modelUri)
  ) return;
  const [has, lacks] = isProduction
    ? ["the stage Production", "the alias champion"]
    : ["the alias champion", "the stage Production"];
  options.log.warn(
    `${version.name} version ${version.version} has ${has} but not ${lacks}; ` +
      `only one of them was moved${
        options.promote === undefined
          ? ""
          : `; \`${options.promote} --version ${version.version}\` moves both`
      }`,
  );
}

/** Returns the distribution of all scores of a call; null when nothing was scored. */
function distributionOf(
  batches: readonly StoredBatch[],
): ScoreDistribution | null {
  const all = new ScoreCollector();
  for (const { scored } of batches) if (scored) all.merge(scored.scores);
  return batches.length === 0 ? null : all.distribution();
}

/** Returns a batch's period; the day of scoring if it names none. */
function periodOf({ batch, ledger }: StoredBatch): Period {
  return batch.period ?? ledger?.period ?? toDay(new Date());
}

/** Returns the version that scored a batch: that of this call, or of the earlier run that scored it. */
function modelOf(
  batch: StoredBatch | undefined,
  version: ModelVersion,
): { model_name: string; model_version: number } {
  const { ledger, scored } = batch ?? {};
  if (scored || !ledger) {
    return { model_name: version.name, model_version: version.version };
  }
  return {
    model_name: ledger.modelName,
    model_version: Number(ledger.modelVersion),
  };
}

function toInputReport(
  stored: StoredBatch,
  { version, dryRun }: PredictionFacts,
): Record<string, unknown> {
  const { batch, scored, ledger, mlflowRunId, incomplete, failure } = stored;
  return {
    input: batch.uri,
    files: batch.parts.length,
    data_source: batch.source,
    period: periodOf(stored),
    status: failure !== undefined
      ? "failed"
      : incomplete !== undefined
      ? "incomplete"
      : !scored
      ? "nothing-new"
      : dryRun
      ? "dry-run"
      : "scored",
    rows: scored?.rows ?? ledger?.rows ?? 0,
    rows_set_aside: scored?.rowsSetAside ?? ledger?.rowsSetAside ?? 0,
    duplicate_players: scored?.duplicatePlayers?.players ?? null,
    ...modelOf(stored, version),
    scoring_run_id: ledger?.id ?? null,
    attempt: ledger?.attempt ?? null,
    run_id: mlflowRunId ?? ledger?.mlflowRunId ?? null,
    unknown_categories: scored?.findings.unknownCategories ?? {},
    extra_columns: scored?.findings.extraColumns ?? [],
    absent_cells: scored?.findings.absentCells ?? {},
    empty_columns: scored?.findings.emptyColumns ?? [],
  };
}

/** Says that a file was left out, because it has the content of another. */
export function describeCopy({ uri, sameAs }: SameContent): string {
  return `Not scored again: ${oneLine(nameOfInput(uri))} ${
    sameAs === uri
      ? "was named twice"
      : `has the same content as ${oneLine(nameOfInput(sameAs))}`
  }`;
}

/** Says what is not whole or in time. */
export function describeProblem(
  { kind, period, reason }: DeliveryProblem,
  { settings: { variant } }: Pick<PredictionFacts, "settings">,
): string {
  const what = kind === "overdue"
    ? `${variant.title} is overdue`
    : `Period ${period} of ${variant.title} is incomplete`;
  return oneLine(`${what}: ${reason}`);
}

function describeBatch(
  { batch, scored, ledger, failure }: StoredBatch,
  { settings, version, dryRun, badRows, command, place }: PredictionFacts,
): string {
  const { title } = settings.variant;
  const uri = place(batch.uri);
  const ofPeriod = batch.period === undefined ? "" : ` for ${batch.period}`;
  if (!scored && !ledger) {
    return oneLine(
      `Not scored${ofPeriod}: ${failure ?? nameOfInput(batch.uri)}`,
    );
  }
  if (!scored) {
    const isOther = ledger?.modelName !== version.name ||
      ledger.modelVersion !== String(version.version);
    return `Nothing new for ${title}: ${uri} was already scored${ofPeriod}:\n` +
      `  ${
        ledger && countOf(ledger.rows, "row")
      }, with version ${ledger?.modelVersion} on ${
        ledger && toDay(ledger.finishedAt)
      }\n` +
      `  \`${command({ batch, force: true })}\` scores them again${
        isOther
          ? ` with ${version.name} version ${version.version}, the model of this call`
          : ""
      }`;
  }
  const isCorrection = !dryRun && ledger !== undefined && ledger.hasPeriod &&
    ledger.attempt > 1;
  return `${dryRun ? "Would store" : "Scored"} ${
    countOf(scored.rows, settings.names.entity, settings.names.entities)
  } of ${title} with ${version.name} version ${version.version}${ofPeriod}\n` +
    (isCorrection
      ? `  as attempt ${ledger.attempt} of the period, which replaces the earlier ones in churn_predictions_current\n`
      : "") +
    `  from ${uri}${
      batch.parts.length > 1 ? ` (${countOf(batch.parts.length, "file")})` : ""
    }${
      batch.source === "local-fallback"
        ? " (local fallback; the bucket was not used)"
        : ""
    }\n` +
    `  ${describeScores(scored, settings.names)}` +
    (scored.rowsSetAside === 0
      ? ""
      : `\n  set aside: ${
        countOf(scored.rowsSetAside, "row")
      } that cannot be used, with the reasons ${
        dryRun ? "that would be in" : "in"
      } ${oneLine(badRows?.file ?? "")}`);
}

/** Summarizes the scores if there is one per row; several columns are only listed. */
function describeScores(
  { output, scores }: ScoredBatch,
  names: Names,
): string {
  const { outputs, predictionKind } = output;
  if (outputs > 1) {
    const what = predictionKind === "probability"
      ? "class probabilities"
      : "scores";
    const column = names.columns.score;
    return `${outputs} ${what} per ${names.entity}: ${column}_0 to ${column}_${
      outputs - 1
    }`;
  }
  const name = isProbability(output) ? names.probability : names.score;
  const { mean, p10, p90 } = scores.distribution();
  return `${name}: mean ${mean.toFixed(3)}, 10 % below ${
    p10.toFixed(3)
  }, 10 % above ${p90.toFixed(3)}`;
}

function whereTheyAre(
  config: Config,
  { output, dryRun, settings, command }: PredictionFacts,
  main: StoredBatch | undefined,
): string[] {
  const anyScored = main?.scored !== undefined;
  if (dryRun) return ["Nothing was stored or logged (--dry-run)"];
  if (output !== "postgres") {
    return anyScored ? [`The scores are in ${oneLine(output)}`] : [];
  }
  if (main?.ledger === undefined) return [];
  const { title } = settings.variant;
  // Of one run, because the current list of all players reads the variant's whole history.
  const select = `select player_id, churn_probability from churn_predictions ` +
    `where scoring_run_id = ${main.ledger.id} order by 2 desc limit 10`;
  return [
    `The scores are in the table churn_predictions${
      config.embedded
        ? ` of the embedded database in ${config.home}/database`
        : ""
    }.`,
    `The ten highest of ${main.ledger.period} for ${title}:`,
    `  deno task query "${select}"`,
    ...config.embedded
      ? ["To open it with psql and other clients: `deno task database`"]
      : [],
    ...(anyScored
      ? [`Run \`${command()}\` again at any time: no row is scored twice`]
      : []),
  ];
}
