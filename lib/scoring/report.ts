/** Describes the result of `predict` as JSON and as text. */
import {
  ScoreCollector,
  type ScoreDistribution,
} from "../statistics/distribution.ts";
import type { BatchOptions, StoredInput } from "./batch.ts";
import type { Config } from "../config/environment.ts";
import type { ModelVersion } from "../mlflow/store.ts";
import type { Outcome } from "../base/outcome.ts";
import type { Log } from "../base/log.ts";
import { oneLine } from "../base/printable.ts";
import { isProbability } from "./scorer.ts";
import type { ScoredFile } from "./scoring-run.ts";

/** The facts in the report on a prediction. */
export interface PredictionFacts extends BatchOptions {
  /** Returns the command line of this call, or for one of its inputs, without `--force` and `--dry-run`. */
  readonly command: (input?: string) => string;
  /** Undefined when nothing was scored. */
  readonly engine: string | undefined;
  readonly inputs: readonly StoredInput[];
}

/** Returns the outcome of `predict` for one variant; `status` is `scored`, `nothing-new` or `dry-run`. */
export function describePrediction(
  config: Config,
  facts: PredictionFacts,
): Outcome {
  const { settings: { variant }, version, inputs, dryRun } = facts;
  const scored = inputs.filter((input) => input.scored !== undefined);
  const rows = scored.reduce(
    (sum, input) => sum + (input.scored?.rows ?? 0),
    0,
  );
  const rowsSetAside = scored.reduce(
    (sum, input) => sum + (input.scored?.rowsSetAside ?? 0),
    0,
  );
  const status = scored.length === 0
    ? "nothing-new"
    : dryRun
    ? "dry-run"
    : "scored";
  const first = scored[0] ?? inputs.find(({ sameAs }) => !sameAs);
  return {
    report: {
      status,
      variant: variant.key,
      experiment: facts.experiment.name,
      run_id: scored[0]?.mlflowRunId ?? first?.ledger?.mlflowRunId ?? null,
      ...modelOf(first, version),
      model_uri: facts.modelUri,
      engine: facts.engine ?? null,
      rows,
      rows_set_aside: rowsSetAside,
      bad_rows: facts.badRows?.file ?? null,
      input: first?.data.file.uri ?? null,
      data_source: first?.data.source ?? null,
      inputs: inputs.map((input) => toInputReport(input, facts)),
      score_distribution: distributionOf(scored),
    },
    text: [
      ...inputs.map((input) => describeInput(input, facts)),
      ...whereTheyAre(config, facts, scored.length > 0),
    ].join("\n"),
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
  inputs: readonly StoredInput[],
): ScoreDistribution | null {
  const all = new ScoreCollector();
  for (const { scored } of inputs) if (scored) all.merge(scored.scores);
  return inputs.length === 0 ? null : all.distribution();
}

/** Returns the version that scored an input: that of this call, or of the earlier run that scored it. */
function modelOf(
  input: StoredInput | undefined,
  version: ModelVersion,
): { model_name: string; model_version: number } {
  const { ledger, scored } = input ?? {};
  if (scored || !ledger) {
    return { model_name: version.name, model_version: version.version };
  }
  return {
    model_name: ledger.modelName,
    model_version: Number(ledger.modelVersion),
  };
}

function toInputReport(
  input: StoredInput,
  { version, dryRun }: PredictionFacts,
): Record<string, unknown> {
  const { data, scored, ledger, mlflowRunId, sameAs } = input;
  const same = { input: data.file.uri, data_source: data.source };
  if (sameAs) {
    return {
      ...same,
      status: "same-content",
      same_as: sameAs.file.uri,
      rows: 0,
      rows_set_aside: 0,
    };
  }
  return {
    ...same,
    status: !scored ? "nothing-new" : dryRun ? "dry-run" : "scored",
    rows: scored?.rows ?? ledger?.rows ?? 0,
    rows_set_aside: scored?.rowsSetAside ?? ledger?.rowsSetAside ?? 0,
    ...modelOf(input, version),
    scoring_run_id: ledger?.id ?? null,
    attempt: ledger?.attempt ?? null,
    run_id: mlflowRunId ?? ledger?.mlflowRunId ?? null,
    unknown_categories: scored?.findings.unknownCategories ?? {},
    extra_columns: scored?.findings.extraColumns ?? [],
    absent_cells: scored?.findings.absentCells ?? {},
    empty_columns: scored?.findings.emptyColumns ?? [],
  };
}

function describeInput(
  { data, scored, ledger, sameAs }: StoredInput,
  { settings, version, dryRun, badRows, command }: PredictionFacts,
): string {
  const { title } = settings.variant;
  const uri = oneLine(data.file.uri);
  if (sameAs) {
    return `Not scored again: ${uri} ${
      sameAs.file.uri === data.file.uri
        ? "was named twice"
        : `has the same content as ${oneLine(sameAs.file.uri)}`
    }`;
  }
  if (!scored) {
    return `Nothing new for ${title}: the ${ledger?.rows} rows of ${uri} were already scored ` +
      `with version ${ledger?.modelVersion} on ${ledger?.finishedAt.toISOString()}\n` +
      `  \`${command(data.file.uri)} --force\` scores them again`;
  }
  return `${
    dryRun ? "Would store" : "Scored"
  } ${scored.rows} players of ${title} with ${version.name} version ${version.version}\n` +
    `  from ${uri}${
      data.source === "local-fallback"
        ? " (local fallback; the bucket was not used)"
        : ""
    }\n` +
    `  ${describeScores(scored)}` +
    (scored.rowsSetAside === 0
      ? ""
      : `\n  set aside: ${describeSetAside(scored.rowsSetAside, dryRun)} ${
        oneLine(badRows?.file ?? "")
      }`);
}

function describeSetAside(rows: number, dryRun: boolean): string {
  const what = rows === 1 ? "1 row" : `${rows} rows`;
  return `${what} that cannot be used, with the reasons ${
    dryRun ? "that would be in" : "in"
  }`;
}

/** Summarizes the scores if there is one per player; several columns are only listed. */
function describeScores({ output, scores }: ScoredFile): string {
  const { outputs, predictionKind } = output;
  if (outputs > 1) {
    const what = predictionKind === "probability"
      ? "class probabilities"
      : "scores";
    return `${outputs} ${what} per player: score_0 to score_${outputs - 1}`;
  }
  const name = isProbability(output) ? "churn probability" : "score";
  const { mean, p10, p90 } = scores.distribution();
  return `${name}: mean ${mean.toFixed(3)}, 10 % below ${
    p10.toFixed(3)
  }, 10 % above ${p90.toFixed(3)}`;
}

function whereTheyAre(
  config: Config,
  { output, dryRun, settings, command }: PredictionFacts,
  anyScored: boolean,
): string[] {
  if (dryRun) return ["Nothing was stored or logged (--dry-run)"];
  if (output !== "postgres") {
    return anyScored ? [`The scores are in ${oneLine(output)}`] : [];
  }
  const { key, title } = settings.variant;
  // Selects by the ledger's variant key, because the spelling of geography and company may differ between stored rows.
  const select =
    `select player_id, churn_probability, model_version from churn_predictions_current ` +
    `where scoring_run_id in (select id from scoring_runs where variant = '${key}') order by 2 desc limit 10`;
  return [
    `The scores are in the table churn_predictions${
      config.embedded
        ? ` of the embedded database in ${config.home}/database`
        : ""
    }; the ten highest for ${title}:`,
    `  deno task query "${select}"`,
    ...(config.embedded ? ["  deno task database    (opens it to psql)"] : []),
    ...(anyScored
      ? [`Run \`${command()}\` again at any time: no row is scored twice`]
      : []),
  ];
}
