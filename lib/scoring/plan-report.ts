/** Describes what a call of `predict` would do, as JSON and as text. */
import type { Outcome } from "../base/outcome.ts";
import { countOf } from "../base/phrases.ts";
import { oneLine } from "../base/printable.ts";
import { wrap } from "../base/wrap.ts";
import type { VariantSettings } from "../config/variants.ts";
import { parseModelUri } from "../mlflow/model-uri.ts";
import { type InputBatch, sizeOf } from "../services/input-batches.ts";
import type { Services } from "../services/services.ts";
import { placeIn } from "../services/variant-files.ts";
import type { StoredBatch } from "./batch.ts";
import {
  asDelivered,
  type DeliveredBatch,
  findProblems,
  warnOfHidden,
} from "./deliveries.ts";
import { endOf, type FailOn } from "./fail-on.ts";
import type { CommandOptions } from "./inputs.ts";
import type { ScoringRun } from "./ledger.ts";
import type { PlanOptions, PredictionPlan, Production } from "./plan.ts";
import { type Place, toSize, toTable } from "./plan-table.ts";
import { actionOf, isUsable, type PlannedBatch } from "./planned-batch.ts";
import { describeCopy, describeProblem } from "./report.ts";

/** Lines are not longer, even in a wider terminal: longer ones are hard to read. */
const widest = 100;

/** What the description of a plan needs to know besides the plan. */
export interface PlanFacts
  extends Pick<PlanOptions, "modelUri" | "output" | "choice" | "force"> {
  readonly settings: VariantSettings;
  /** Whether a flag names the model. */
  readonly modelFlag: boolean;
  readonly failOn: ReadonlySet<FailOn>;
  /** Rows that cannot be used are set aside, so that they do not refuse an input. */
  readonly badRows: unknown;
  /** What the first run would set up, and from which model file. */
  readonly firstRun: (Production & { readonly modelUri: string }) | undefined;
  /** Width of the text, in characters. */
  readonly columns: number;
  /** Returns a command line that carries out the plan, ready to paste. */
  readonly command: (options?: CommandOptions) => string;
}

/**
 * Returns a plan as an outcome: `status` is `failed` if a batch is known to be
 * unusable, `incomplete` or `overdue` if a period is, `planned` if a batch would be
 * scored, otherwise `nothing-new`.
 *
 * @param facts `planned`: the batches to score; `said`: those of the skipped batches that the result names.
 */
export async function describePlan(
  services: Services,
  plan: PredictionPlan,
  { planned, said, ...facts }: PlanFacts & {
    planned: readonly PlannedBatch[];
    said: readonly StoredBatch[];
  },
): Promise<Outcome> {
  const { settings, choice, modelUri, firstRun } = facts;
  const width = Math.min(facts.columns, widest);
  const { variant } = settings;
  const { version, experiment, skipped, copies, runs } = plan;
  const problems = findProblems({
    delivered: [...planned.map(toDelivery), ...said.map(asDelivered)],
    settings,
    choice,
    runs,
  });
  const failure = [...planned, ...said].find((each) => each.failure)?.failure;
  warnOfHidden(services, {
    scored: facts.output === "postgres" ? planned.filter(isUsable) : [],
    runs,
    names: settings.names,
  });
  const { status, exitCode } = endOf(
    planned.length > 0 ? "planned" : "nothing-new",
    { ...facts, failed: failure !== undefined, problems },
  );
  const destination = await toDestination(services, facts);
  const rows = planned.map((each) => each.rows?.rows);
  const reason = toReason(version, facts);
  const place = placeIn(services.variantFiles(variant));
  return {
    report: {
      status,
      variant: variant.key,
      experiment: experiment.name,
      model_name: version.name,
      model_version: version.version,
      model_stage: version.stage,
      model_aliases: version.aliases,
      model_uri: modelUri,
      model_reason: `${reason.state} (${reason.uri})`,
      output: destination.place,
      output_kind: destination.kind,
      first_run: firstRun !== undefined,
      rows: rows.includes(undefined) ? null : sumOf(rows),
      bytes: sumOf(planned.map(({ batch }) => sizeOf(batch))),
      inputs: [
        ...planned.map((each) => toInputReport(each, plan)),
        ...skipped.map(({ batch, run }) => toSkippedReport(batch, run)),
        ...copies.map(({ uri, sameAs }) => ({
          input: uri,
          action: "skip",
          reason: "same-content",
          same_as: sameAs,
        })),
      ],
      problems,
      command: facts.command({ force: facts.force }),
      ...failure === undefined ? {} : { error: failure },
    },
    text: [
      headline(planned, variant.title),
      ...firstRun
        ? toFact("setup", [describeFirstRun(firstRun, place)], width)
        : [],
      ...toFact("model", [
        `${version.name} version ${version.version}, ${reason.state}`,
        reason.uri,
      ], width),
      ...toFact(
        "scores",
        [destination.words, oneLine(destination.place)],
        width,
      ),
      ...toTable(planned, { ...plan, place, width }),
      ...copies.map(describeCopy),
      ...problems.map((problem) => describeProblem(problem, facts)),
      nextCommand(planned, plan, facts),
    ].join("\n"),
    exitCode,
  };
}

/**
 * Returns the outcome of a dry run: the plan and what scoring its batches without
 * storing them found.
 *
 * @param options `scored`: the batches as they were scored; `said`: as for {@linkcode describePlan}; `outcome`: what `predict` says of them.
 */
export async function describeRehearsal(
  services: Services,
  plan: PredictionPlan,
  options: PlanFacts & {
    scored: readonly StoredBatch[];
    said: readonly StoredBatch[];
    outcome: Outcome;
  },
): Promise<Outcome> {
  const { scored, outcome, ...facts } = options;
  const planned = scored.map((stored): PlannedBatch => ({
    ...stored,
    rows: stored.scored && {
      rows: stored.scored.rows + stored.scored.rowsSetAside,
      from: "scored",
    },
    contentSha256: stored.scored?.contentSha256,
  }));
  const { report, text } = await describePlan(services, plan, {
    ...facts,
    planned,
  });
  return {
    ...outcome,
    report: { ...outcome.report, plan: report },
    text: `${text}\n\n${outcome.text}`,
  };
}

function toDelivery(planned: PlannedBatch): DeliveredBatch {
  const { batch, rows, incomplete } = planned;
  return {
    batch,
    rows: isUsable(planned) ? rows?.rows ?? "unknown" : undefined,
    ledger: undefined,
    incomplete,
  };
}

function sumOf(values: readonly (number | undefined)[]): number {
  return values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
}

/** Where the scores go: for the report and in words, without a secret. */
async function toDestination(
  services: Services,
  { output }: PlanFacts,
): Promise<{ kind: string; place: string; words: string }> {
  if (output !== "postgres") {
    return { kind: "file", place: output, words: "file" };
  }
  const { config } = services;
  const folder = `${config.home}/database`;
  if (config.embedded) {
    const words = "table churn_predictions of the embedded database";
    return { kind: "embedded", place: folder, words };
  }
  const place = (await services.predictions()).description;
  return { kind: "postgres", place, words: "table churn_predictions in" };
}

/** Says why this version scores: its state in the registry, and what asks for it. */
function toReason(
  version: Production["version"],
  { modelUri, modelFlag, settings, firstRun }: PlanFacts,
): { state: string; uri: string } {
  const reference = parseModelUri(modelUri);
  const isDefault =
    modelUri === `models:/${settings.variant.modelName}/Production`;
  const uri = modelFlag
    ? `--model-uri ${modelUri}`
    : isDefault
    ? `${modelUri}, the default`
    : `model_uri ${modelUri} in variants.yaml`;
  const after = firstRun ? " after the first run" : "";
  switch (reference.kind) {
    case "stage":
      return { state: `stage ${version.stage}${after}`, uri };
    case "alias":
      return { state: `alias ${reference.alias}${after}`, uri };
    case "latest":
      return { state: "the newest version", uri };
    case "version":
      return { state: "requested by number", uri };
    case "model":
      return { state: "the newest version of the logged model", uri };
  }
}

/** Columns before a fact: its label and a margin. */
const factIndent = 10;

/** Returns a labelled fact. Each of its lines is wrapped, and all but the first are indented. */
function toFact(
  label: string,
  lines: readonly string[],
  columns: number,
): string[] {
  return lines.flatMap((line) => wrap(line, columns - factIndent))
    .map((line, index) =>
      index === 0
        ? `  ${label.padEnd(factIndent - 2)}${line}`
        : `${" ".repeat(factIndent)}${line}`
    );
}

function describeFirstRun(
  { modelUri, version: { name, version } }: Production & { modelUri: string },
  place: Place,
): string {
  return `first run: register ${
    place(modelUri)
  } as ${name} version ${version} and promote it`;
}

function headline(planned: readonly PlannedBatch[], title: string): string {
  const usable = planned.filter(isUsable);
  if (planned.length === 0) return `Plan for ${title}: nothing new to score`;
  if (usable.length === 0) return `Plan for ${title}: nothing can be scored`;
  const files = usable.reduce((sum, { batch }) => sum + batch.parts.length, 0);
  const bytes = sumOf(usable.map(({ batch }) => sizeOf(batch)));
  const counts = usable.map((each) => each.rows?.rows);
  const rows = counts.includes(undefined)
    ? "rows unknown until read"
    : countOf(sumOf(counts), "row");
  const what = usable.every(({ batch }) => batch.period === undefined)
    ? countOf(files, "file")
    : `${countOf(usable.length, "period")} in ${countOf(files, "file")}`;
  return `Plan for ${title}: score ${what}, ${rows}, ${toSize(bytes)}`;
}

/** Says what to run next, and that the plan itself changed nothing. */
function nextCommand(
  planned: readonly PlannedBatch[],
  { skipped, version }: PredictionPlan,
  { command, force, output }: PlanFacts,
): string {
  const usable = planned.filter(isUsable);
  const run = `\`${command({ force })}\``;
  if (planned.length > 0) {
    const others = planned.length - usable.length;
    const isFailing = planned.some(({ failure }) => failure !== undefined);
    if (others === 0) return `Nothing was changed. To score: ${run}`;
    // A file is written as a whole or not at all.
    if (usable.length > 0 && output === "postgres") {
      return `Nothing was changed. ${run} scores ${usable.length} of ${
        countOf(planned.length, "batch", "batches")
      }; ${
        isFailing
          ? "correct the data marked with ✗ first to score all"
          : "the data marked with ! are not complete yet"
      }`;
    }
    return `Nothing was changed. ${
      isFailing
        ? "Correct the data marked with ✗ first, then score:"
        : "The data marked with ! are not complete yet. When they are, score:"
    } ${run}`;
  }
  const last = skipped.at(-1);
  const isOther = last && (last.run.modelName !== version.name ||
    last.run.modelVersion !== String(version.version));
  if (isOther) {
    return `Nothing was changed. The newest data were scored with ${last.run.modelName} version ${last.run.modelVersion};\n` +
      `to score them with version ${version.version}: \`${
        command({ batch: last.batch, force: true })
      }\``;
  }
  const returned = skipped.find(({ replacement }) => replacement);
  return returned
    ? `Nothing was changed. To score ${returned.run.period} again: \`${
      command({ batch: returned.batch, force: true })
    }\``
    : "Nothing was changed, and there is nothing to do";
}

/** Returns where a batch is read from, as the report has it. */
function toFiles({ uri, parts, source }: InputBatch): Record<string, unknown> {
  return {
    input: uri,
    files: parts.map(({ uri, size }) => ({ uri, bytes: size })),
    data_source: source,
  };
}

function toInputReport(
  planned: PlannedBatch,
  plan: PredictionPlan,
): Record<string, unknown> {
  const { batch, rows, incomplete, failure } = planned;
  return {
    ...toFiles(batch),
    period: batch.period ?? null,
    action: actionOf(planned, plan),
    rows: rows?.rows ?? null,
    rows_from: rows?.from ?? null,
    bytes: sizeOf(batch),
    ...incomplete === undefined ? {} : { incomplete },
    ...failure === undefined ? {} : { error: failure },
  };
}

function toSkippedReport(
  batch: InputBatch,
  run: ScoringRun,
): Record<string, unknown> {
  return {
    ...toFiles(batch),
    period: batch.period ?? run.period,
    action: "skip",
    reason: "nothing-new",
    rows: run.rows,
    rows_from: "scored",
    bytes: sizeOf(batch),
    scoring_run_id: run.id,
    model_name: run.modelName,
    model_version: Number(run.modelVersion),
    scored_at: run.finishedAt.toISOString(),
  };
}
