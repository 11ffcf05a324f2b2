/** All scores of one id: read from the predictions, compared with the period before, and shown. */
import { InputError } from "../base/errors.ts";
import type { Outcome } from "../base/outcome.ts";
import { countOf } from "../base/phrases.ts";
import { oneLine } from "../base/printable.ts";
import { commandFor } from "../config/variant.ts";
import type { Variants, VariantSettings } from "../config/variants.ts";
import type { Database } from "../database/database.ts";
import type { OutputColumn } from "../rows/output.ts";
import { tableText } from "../rows/table.ts";

/** One score of an id; null is what was not recorded, such as the ledger's columns of rows from before the ledger. */
export interface PastScore {
  /** The variant's key. */
  readonly variant: string | null;
  readonly geography: string | null;
  readonly company: string | null;
  /** First day of the period; the day of scoring if the input has no period. */
  readonly period: string;
  readonly score: number;
  readonly modelName: string | null;
  readonly modelVersion: string;
  readonly attempt: number | null;
  readonly scoringRunId: number | null;
  readonly mlflowRunId: string | null;
  readonly rowNumber: number | null;
  /** ISO 8601, in UTC. */
  readonly scoredAt: string;
}

/** A score beside the others of its variant. */
export interface ComparedScore extends PastScore {
  /** True if no later attempt, and no later row of the same run, has the same period. */
  readonly isCurrent: boolean;
  /** The difference to the current score of the period before; undefined for the first period, and if the score is not current. */
  readonly change: number | undefined;
}

/** The scores of an id in one variant, oldest first. */
export interface VariantHistory {
  /** The variant's key; null for rows that belong to none of ours. */
  readonly key: string | null;
  /** Display name: `geography US`; of a variant that is no longer declared, its key. */
  readonly title: string;
  readonly settings: VariantSettings | undefined;
  readonly scores: readonly ComparedScore[];
}

/** Returns all scores of an id, those of one variant and period together, in the order in which they were made. */
export async function readScores(
  database: Database,
  id: string,
): Promise<PastScore[]> {
  const rows = await database.query<
    Omit<PastScore, "scoredAt"> & { readonly scoredAt: Date | string }
  >(
    `select r.variant, p.geography_id as geography, p.company_id as company, p.period::text as period,
       p.churn_probability as score, p.model_name as "modelName", p.model_version as "modelVersion",
       r.attempt, p.scoring_run_id as "scoringRunId", r.mlflow_run_id as "mlflowRunId",
       p.row_number as "rowNumber", p.prediction_timestamp as "scoredAt"
     from churn_predictions p left join scoring_runs r on r.id = p.scoring_run_id
     where p.player_id = $1
     order by r.variant, p.geography_id, p.company_id, p.period, p.scoring_run_id nulls first, p.prediction_timestamp, p.row_number`,
    [id],
  );
  return rows.map(({ scoredAt, ...row }) => ({
    ...row,
    scoredAt: scoredAt instanceof Date ? scoredAt.toISOString() : scoredAt,
  }));
}

/**
 * Returns the scores by variant, in the order of `variants.yaml` and then of
 * their names. As in `churn_predictions_current`, the last row of the newest run
 * counts if a period was scored several times.
 *
 * @param scores In the order of {@linkcode readScores}.
 */
export function toHistories(
  scores: readonly PastScore[],
  variants: Variants,
): VariantHistory[] {
  const groups = Map.groupBy(
    scores,
    ({ variant, geography, company }) =>
      variant ?? JSON.stringify([geography, company]),
  );
  const histories = [...groups.values()].map((own) => {
    const { variant, geography, company } = own[0]!;
    const settings = settingsOf(own[0]!, variants);
    const named = [geography, company].filter((part) => part).join(", ");
    return {
      key: settings?.variant.key ?? variant,
      title: settings?.variant.title ??
        oneLine(variant ?? (named || "no variant")),
      settings,
      scores: own,
    };
  });
  // Rows from before the ledger belong to the same variant as those in it.
  const same = Map.groupBy(histories, ({ key, title }) => key ?? title);
  const place = (key: string | null) => {
    const index = variants.listed.findIndex(({ variant }) =>
      variant.key === key
    );
    return index < 0 ? variants.listed.length : index;
  };
  return [...same.values()].map((parts) => ({
    ...parts[0]!,
    scores: compare(parts.flatMap(({ scores }) => scores)),
  })).sort((a, b) =>
    place(a.key) - place(b.key) || compareTexts(a.title, b.title)
  );
}

/** Returns the settings of a score's variant; undefined if `variants.yaml` no longer declares it, or its geography or company is none of ours. */
function settingsOf(
  { variant: key, geography, company }: PastScore,
  variants: Variants,
): VariantSettings | undefined {
  const listed = variants.listed.find(({ variant }) => variant.key === key);
  if (listed) return listed;
  try {
    const settings = variants.settings({
      geography: geography ?? undefined,
      company: company ?? undefined,
    });
    const isSame = key === null || settings.variant.key === key;
    return isSame ? settings : undefined;
  } catch {
    return undefined;
  }
}

function compare(scores: readonly PastScore[]): ComparedScore[] {
  const ordered = [...scores].sort((a, b) =>
    compareTexts(a.period, b.period) ||
    (a.scoringRunId ?? 0) - (b.scoringRunId ?? 0) ||
    compareTexts(a.scoredAt, b.scoredAt) ||
    (a.rowNumber ?? 0) - (b.rowNumber ?? 0)
  );
  let before: number | undefined;
  return ordered.map((score, index) => {
    const isCurrent = ordered[index + 1]?.period !== score.period;
    const change = isCurrent && before !== undefined
      ? score.score - before
      : undefined;
    if (isCurrent) before = score.score;
    return { ...score, isCurrent, change };
  });
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Returns the histories of an id as text and as JSON. */
export async function describeHistories(
  id: string,
  histories: readonly VariantHistory[],
  { width }: { width: number },
): Promise<Outcome> {
  const parts: string[] = [];
  for (const history of histories) {
    parts.push(await describeHistory(id, history, width));
  }
  return {
    report: {
      status: "done",
      id,
      variants: histories.map(({ key, title, settings, scores }) => ({
        variant: key,
        title,
        entity: settings?.names.entity ?? null,
        id_column: settings?.idColumn ?? null,
        score_name: settings?.names.probability ?? null,
        scores: scores.map((score) => ({
          period: score.period,
          score: score.score,
          change: score.change ?? null,
          current: score.isCurrent,
          model_name: score.modelName,
          model_version: score.modelVersion,
          attempt: score.attempt,
          scoring_run_id: score.scoringRunId,
          run_id: score.mlflowRunId,
          row_number: score.rowNumber,
          scored_at: score.scoredAt,
        })),
      })),
    },
    text: parts.join("\n\n"),
  };
}

async function describeHistory(
  id: string,
  { title, settings, scores }: VariantHistory,
  width: number,
): Promise<string> {
  const names = settings?.names;
  const current = scores.filter(({ isCurrent }) => isCurrent);
  const models = new Set(scores.map(({ modelName }) => modelName));
  const [model] = models.size === 1 ? models : [];
  const column = settings?.idColumn === undefined
    ? ""
    : `${settings.idColumn} `;
  const head = `${oneLine(`${column}${id}`)}, ${title}: ${
    countOf(current.length, "period")
  }${model ? `, ${oneLine(model)}` : ""}`;
  // Rows of one run that repeat the id are told apart by their number.
  const repeats = scores.some((score, index) =>
    score.scoringRunId !== null &&
    score.scoringRunId === scores[index + 1]?.scoringRunId
  );
  const columns: readonly HistoryColumn[] = [
    ["period", "date", (score) => score.period],
    [names?.probability ?? "score", "number", ({ score }) => score.toFixed(4)],
    ["change", "number", (score) => signed(score.change)],
    ["model", "text", (score) => score.modelName, !model],
    ["version", "text", (score) => score.modelVersion],
    ["attempt", "integer", (score) => score.attempt],
    ["run", "integer", (score) => score.scoringRunId],
    ["row", "integer", (score) => score.rowNumber, repeats],
    [
      "scored (UTC)",
      "date",
      (score) => score.scoredAt.slice(0, 16).replace("T", " "),
    ],
    [
      "",
      "text",
      (score) => score.isCurrent ? undefined : "superseded",
      current.length < scores.length,
    ],
  ];
  const shown = columns.filter(([, , , isShown = true]) => isShown);
  const table = await tableText(
    shown.map(([name, type]) => ({ name, type })),
    scores.map((score) =>
      shown.map(([, , toCell]) => toCell(score)?.toString() ?? null)
    ),
    { columns: width },
  );
  return `${head}\n\n${table.trimEnd()}`;
}

/** A column of the table: name, type, cell, and whether it is shown, true by default. */
type HistoryColumn = readonly [
  name: string,
  type: OutputColumn["type"],
  toCell: (score: ComparedScore) => string | number | null | undefined,
  isShown?: boolean,
];

/** Returns a change with its sign; a change that rounds to zero has none. */
function signed(change: number | undefined): string | undefined {
  if (change === undefined) return undefined;
  const text = change.toFixed(4);
  return Number(text) === 0 ? "0.0000" : change > 0 ? `+${text}` : text;
}

/**
 * Returns the error for an id without a score: which ids there are, or that nothing
 * was scored yet.
 *
 * @param chosen The variant of the flags; undefined for all.
 * @param others Variants outside `chosen` that scored the id.
 */
export async function explainUnknownId(
  database: Database,
  id: string,
  { chosen, others, entity }: {
    chosen: VariantSettings | undefined;
    others: readonly VariantHistory[];
    entity: string;
  },
): Promise<InputError> {
  const where = chosen ? ` of ${chosen.variant.title}` : "";
  const subject = `There is no score of ${entity} "${id}"${where}`;
  if (others.length > 0) {
    const titles = others.map(({ title }) => title).join("; ");
    return new InputError(
      `${subject}; it was scored by ${titles}: leave out the flags of the variant`,
    );
  }
  const [newest] = await database.query<{ id: number }>(
    `select max(id) as id from scoring_runs where status = 'completed' and ($1::text is null or variant = $1)
     having max(id) is not null`,
    [chosen?.variant.key ?? null],
  );
  if (!newest) {
    return new InputError(
      `${subject}: nothing was scored yet; \`${
        chosen ? commandFor("predict", chosen.variant) : "deno task predict"
      }\` scores the first data`,
    );
  }
  const [example] = await database.query<{ player_id: string }>(
    "select player_id from churn_predictions where scoring_run_id = $1 and player_id is not null limit 1",
    [newest.id],
  );
  return new InputError(
    example
      ? `${subject}; the ids look like "${example.player_id}", spelled as in the data`
      : `${subject}; the rows of the newest run have no ids`,
  );
}
