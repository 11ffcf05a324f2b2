/** Describes what a call of `predict` would do, as JSON and as text. */
import { InputError, messageOf } from "../base/errors.ts";
import type { Outcome } from "../base/outcome.ts";
import { oneLine } from "../base/printable.ts";
import { wrap } from "../base/wrap.ts";
import { toDay } from "../config/periods.ts";
import type { VariantSettings } from "../config/variants.ts";
import { parseModelUri } from "../mlflow/model-uri.ts";
import { countRows, type RowCount } from "../rows/count.ts";
import { RowError } from "../rows/row-error.ts";
import { type InputBatch, sizeOf } from "../services/input-batches.ts";
import type { Services } from "../services/services.ts";
import type { StoredBatch } from "./batch.ts";
import {
  asDelivered,
  type DeliveredBatch,
  findProblems,
  worthSaying,
} from "./deliveries.ts";
import {
  checkPromise,
  IncompleteDelivery,
  readPromise,
} from "./expectations.ts";
import type { FailOn } from "./fail-on.ts";
import type { InputChoice } from "./inputs.ts";
import type { ScoringRun } from "./ledger.ts";
import type { PredictionPlan, Production } from "./plan.ts";
import { describeCopy, describeProblem } from "./report.ts";

/** A batch that would be scored. */
export interface PlannedBatch {
  readonly batch: InputBatch;
  /** Rows, and how they are known: `scored` after a rehearsal, `promised` by the side file; undefined until the batch is read. */
  readonly rows:
    | RowCount
    | { readonly rows: number; readonly from: "scored" | "promised" }
    | undefined;
  /** Why it is not the batch that its side file promises; it would not be stored. */
  readonly incomplete?: string;
  /** Why it cannot be used. */
  readonly failure?: string;
}

/** What the description of a plan needs to know besides the plan. */
export interface PlanFacts {
  readonly settings: VariantSettings;
  readonly modelUri: string;
  /** Whether a flag names the model. */
  readonly modelFlag: boolean;
  readonly output: string;
  readonly choice: InputChoice;
  readonly force: boolean;
  readonly failOn: ReadonlySet<FailOn>;
  /** Rows that cannot be used are set aside, so that they do not refuse an input. */
  readonly badRows: unknown;
  /** What the first run would set up, and from which model file. */
  readonly firstRun: (Production & { readonly modelUri: string }) | undefined;
  /** Width of the text, in characters. */
  readonly columns: number;
  /** Returns the command line that carries out the plan; with a batch, for that batch only. */
  readonly command: (batch?: InputBatch) => string;
}

/** Counts the rows of the batches that would be scored, where that is cheap, and compares them with their side files. Nothing is scored. */
export async function measureBatches(
  services: Services,
  batches: readonly InputBatch[],
  facts: PlanFacts,
): Promise<PlannedBatch[]> {
  const planned: PlannedBatch[] = [];
  for (const batch of batches) {
    planned.push(
      await services.withRetry(
        `read ${batch.uri}`,
        () => measureBatch(batch, facts),
      ),
    );
  }
  return planned;
}

async function measureBatch(
  batch: InputBatch,
  { settings, badRows }: PlanFacts,
): Promise<PlannedBatch> {
  const { expect, idColumn, recipe } = settings;
  const unknown = { batch, rows: undefined };
  try {
    const promised = await readPromise(batch, { expect });
    const counted = await countBatch(batch, { idColumn, recipe });
    if (promised?.rows === undefined) return { batch, rows: counted };
    if (!counted) {
      return { batch, rows: { rows: promised.rows, from: "promised" } };
    }
    checkPromise(
      { uri: batch.uri, rows: counted.rows, contentSha256: "" },
      { ...promised, sha256: undefined }, // the digest is checked when the bytes are read
    );
    return { batch, rows: counted };
  } catch (error) {
    if (error instanceof IncompleteDelivery) {
      return { ...unknown, incomplete: error.message };
    }
    if (error instanceof RowError && badRows !== undefined) return unknown;
    if (!(error instanceof InputError)) throw error;
    return { ...unknown, failure: messageOf(error) };
  }
}

/** Returns the rows of all files of a batch; undefined if those of one are not known. */
async function countBatch(
  { parts }: InputBatch,
  roles: Pick<VariantSettings, "idColumn" | "recipe">,
): Promise<RowCount | undefined> {
  let rows = 0;
  let from: RowCount["from"] = "footer";
  for (const part of parts) {
    if (part.size === 0 && parts.length > 1) continue; // an empty partition
    await using file = await part.open();
    const counted = await countRows(file, roles);
    if (!counted) return undefined;
    rows += counted.rows;
    if (counted.from === "counted") from = "counted";
  }
  return { rows, from };
}

/**
 * Returns a plan as an outcome: `status` is `failed` if a batch is known to be
 * unusable, `incomplete` or `overdue` if a period is, `planned` if a batch would be
 * scored, otherwise `nothing-new`.
 */
export async function describePlan(
  services: Services,
  plan: PredictionPlan,
  { planned, ...facts }: PlanFacts & { planned: readonly PlannedBatch[] },
): Promise<Outcome> {
  const { settings, choice, modelUri, firstRun } = facts;
  const width = Math.min(facts.columns, widest);
  const { variant } = settings;
  const { version, experiment, skipped, copies, runs } = plan;
  const said = await worthSaying(services, skipped, { choice });
  const problems = findProblems({
    delivered: [...planned.map(toDelivery), ...said.map(asDelivered)],
    settings,
    choice,
    runs,
  });
  const failure = [...planned, ...said].find((each) => each.failure)?.failure;
  const kinds = new Set(problems.map(({ kind }) => kind));
  const status = failure !== undefined
    ? "failed"
    : kinds.has("incomplete")
    ? "incomplete"
    : kinds.has("overdue")
    ? "overdue"
    : planned.length > 0
    ? "planned"
    : "nothing-new";
  const destination = await toDestination(services, facts);
  const rows = planned.map((each) => each.rows?.rows);
  const reason = toReason(version, facts);
  const place = placeIn(services, settings);
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
      command: commandOf(facts),
      ...failure === undefined ? {} : { error: failure },
    },
    text: [
      headline(planned, variant.title),
      ...firstRun
        ? toFact("first", [describeFirstRun(firstRun, place)], width)
        : [],
      ...toFact("model", [
        `${version.name} version ${version.version}: ${reason.state}`,
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
    exitCode: failure !== undefined
      ? 1
      : problems.some(({ kind }) => facts.failOn.has(kind))
      ? 3
      : 0,
  };
}

/**
 * Returns the outcome of a dry run: the plan and what scoring its batches without
 * storing them found.
 *
 * @param options `scored`: the batches as they were scored; `outcome`: what `predict` says of them.
 */
export async function describeRehearsal(
  services: Services,
  plan: PredictionPlan,
  options: PlanFacts & {
    scored: readonly StoredBatch[];
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

function toDelivery(
  { batch, rows, incomplete, failure }: PlannedBatch,
): DeliveredBatch {
  const isUsable = incomplete === undefined && failure === undefined;
  return {
    batch,
    rows: isUsable ? rows?.rows ?? "unknown" : undefined,
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
    return { kind: "file", place: output, words: "the file" };
  }
  const { config } = services;
  const folder = `${config.home}/database`;
  if (config.embedded) {
    const words = "the table churn_predictions of the embedded database";
    return { kind: "embedded", place: folder, words };
  }
  const place = (await services.predictions()).description;
  return { kind: "postgres", place, words: "the table churn_predictions in" };
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
  const has = firstRun ? "it will have" : "it has";
  switch (reference.kind) {
    case "stage":
      return { state: `${has} the stage ${version.stage}`, uri };
    case "alias":
      return { state: `${has} the alias ${reference.alias}`, uri };
    case "latest":
      return { state: "it is the newest version", uri };
    case "version":
      return { state: "it is named by its number", uri };
    case "model":
      return { state: "it is the logged model's newest version", uri };
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
  return `set up the store, which has no model of this variant yet: log ${
    place(modelUri)
  } as ${name} version ${version} and promote it`;
}

/** Returns how a file is shown. */
type Place = (uri: string) => string;

/** Shows files of the project by their path in it. */
function placeIn(services: Services, { variant }: VariantSettings): Place {
  const folder = `${services.variantFiles(variant).project.uri}/`;
  return (uri) =>
    oneLine(uri.startsWith(folder) ? uri.slice(folder.length) : uri);
}

function headline(planned: readonly PlannedBatch[], title: string): string {
  if (planned.length === 0) return `Plan for ${title}: nothing new to score`;
  const files = planned.reduce(
    (sum, { batch }) => sum + batch.parts.length,
    0,
  );
  const bytes = sumOf(planned.map(({ batch }) => sizeOf(batch)));
  const counts = planned.map((each) => each.rows?.rows);
  const rows = counts.includes(undefined)
    ? "rows unknown until read"
    : countOf(sumOf(counts), "row");
  const what = planned.every(({ batch }) => batch.period === undefined)
    ? countOf(files, "file")
    : `${countOf(planned.length, "period")} in ${countOf(files, "file")}`;
  return `Plan for ${title}: score ${what}, ${rows}, ${toSize(bytes)}`;
}

function countOf(count: number, noun: string): string {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}

/** Returns bytes as people read them: `112 kB`. */
function toSize(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 10 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** Scored periods that the table shows; earlier ones are counted. */
const shownSkipped = 3;

/** Lines are not longer, even in a wider terminal: longer ones are hard to read. */
const widest = 100;

/** Returns the lines of the table of batches: those that were scored before, then those that would be. */
function toTable(
  planned: readonly PlannedBatch[],
  { skipped, again, runs, place, width }: PredictionPlan & {
    place: Place;
    width: number;
  },
): string[] {
  const shown = skipped.slice(-shownSkipped);
  const hidden = skipped.length - shown.length;
  const rows = [
    ...shown.map(({ batch, run }) => ({
      batch,
      rows: run.rows.toLocaleString("en-US"),
      action: `scored ${toDay(run.finishedAt)}, version ${run.modelVersion}`,
    })),
    ...planned.map((each) => ({
      batch: each.batch,
      rows: each.rows?.rows.toLocaleString("en-US") ?? "?",
      action: toAction(each, { again, runs }),
    })),
  ];
  if (rows.length === 0) return [];
  const cells = rows.map(({ batch, rows, action }) => [
    periodOf(batch),
    String(batch.parts.length),
    rows,
    toSize(sizeOf(batch)),
    action,
    `${place(batch.uri)}${
      batch.source === "local-fallback" ? " (local fallback)" : ""
    }`,
  ]);
  const table = [["period", "files", "rows", "size", "action", "input"]]
    .concat(cells);
  const widths = table[0]!.map((_, index) =>
    Math.max(...table.map((row) => row[index]!.length))
  );
  const fits = widths.reduce((sum, width) => sum + width + 2, 0) <= width;
  const line = (row: readonly string[]) =>
    `  ${
      row.map((cell, index) =>
        index > 0 && index < 4
          ? cell.padStart(widths[index]!)
          : cell.padEnd(widths[index]!)
      ).join("  ")
    }`.trimEnd();
  const lines = fits ? table.map(line) : table.flatMap((row, index) => [
    line(row.slice(0, -1)),
    ...index === 0 ? [] : [`    ${row.at(-1)}`],
  ]);
  return [
    "",
    ...lines.slice(0, 1),
    ...hidden > 0
      ? [`  … ${countOf(hidden, "earlier period")} scored before`]
      : [],
    ...lines.slice(1),
    ...remarks(planned),
    "",
  ];
}

/** Returns what is to be said of single batches below the table. */
function remarks(planned: readonly PlannedBatch[]): string[] {
  const isUnknown = ({ rows, failure, incomplete }: PlannedBatch) =>
    !rows && failure === undefined && incomplete === undefined;
  return [
    ...planned.flatMap(({ batch, rows, incomplete, failure }) => [
      ...failure === undefined ? [] : [oneLine(`  ✗ ${failure}`)],
      ...incomplete === undefined ? [] : [oneLine(`  ! ${incomplete}`)],
      ...rows?.from === "promised"
        ? [`  The rows of ${periodOf(batch)} are those of its side file`]
        : [],
    ]),
    ...planned.some(isUnknown) ? ["  ? rows: known when the file is read"] : [],
  ];
}

function periodOf({ period }: InputBatch): string {
  return period ?? "–";
}

function toAction(
  { batch, incomplete, failure }: PlannedBatch,
  { again, runs }: Pick<PredictionPlan, "again" | "runs">,
): string {
  if (failure !== undefined) return "fails";
  if (incomplete !== undefined) return "waits: incomplete";
  return isAgain(batch, { again, runs }) ? "score again (--force)" : "score";
}

/** Tells whether a batch of a period that has a completed run is scored again because of `--force`. */
function isAgain(
  batch: InputBatch,
  { again, runs }: Pick<PredictionPlan, "again" | "runs">,
): boolean {
  return runs.length > 0 && again(batch) &&
    runs.some((run) =>
      batch.period === undefined
        ? run.inputUri === batch.uri
        : run.hasPeriod && run.period === batch.period
    );
}

function nextCommand(
  planned: readonly PlannedBatch[],
  { skipped, version }: PredictionPlan,
  facts: PlanFacts,
): string {
  const last = skipped.at(-1);
  if (planned.length > 0 || !last) {
    return `Nothing was changed. \`${commandOf(facts)}\` does it`;
  }
  const isOther = last.run.modelName !== version.name ||
    last.run.modelVersion !== String(version.version);
  return isOther
    ? `Nothing was changed. The newest data were scored with ${last.run.modelName} version ${last.run.modelVersion};\n` +
      `to score them with version ${version.version}: \`${
        facts.command(last.batch)
      } --force\``
    : "Nothing was changed, and there is nothing to do";
}

function commandOf({ command, force }: PlanFacts): string {
  return force ? `${command()} --force` : command();
}

function toInputReport(
  { batch, rows, incomplete, failure }: PlannedBatch,
  { again, runs }: PredictionPlan,
): Record<string, unknown> {
  return {
    input: batch.uri,
    files: batch.parts.map(({ uri, size }) => ({ uri, bytes: size })),
    data_source: batch.source,
    period: batch.period ?? null,
    action: isAgain(batch, { again, runs }) ? "score-again" : "score",
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
    input: batch.uri,
    files: batch.parts.map(({ uri, size }) => ({ uri, bytes: size })),
    data_source: batch.source,
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
