/** Writes scores to a file: one row per scored row, with the model and the variant that it belongs to. */
import type { VariantSettings } from "../config/variants.ts";
import type { ModelVersion } from "../mlflow/store.ts";
import { unpack } from "../rows/packed.ts";
import type { OutputCells, OutputColumn } from "../rows/output.ts";
import { type ByteSink, openRowWriter, outputFormat } from "../rows/write.ts";
import type { Period } from "../config/periods.ts";
import type { PlacedScores } from "./score-file.ts";
import type { BatchScores } from "./scoring-run.ts";
import { isProbability } from "./model-output.ts";
import type { Scorer } from "./scorer.ts";

/** What a file of scores is about. */
export interface ScoreWriterOptions {
  /** Path of the file, whose suffix is the format. */
  readonly output: string;
  readonly scorer: Pick<Scorer, "predictionKind" | "outputs">;
  readonly version: Pick<ModelVersion, "name" | "version">;
  readonly settings: Pick<VariantSettings, "variant" | "names">;
}

/** Writes the scores of one batch after the other. */
export interface ScoreWriter {
  /** Appends all scores of a batch. @param period Of the batch; the day of scoring if it names none. */
  write(blocks: AsyncIterable<BatchScores>, period: Period): Promise<void>;
  /** Writes what is left; the sink is then complete. */
  finish(): Promise<void>;
}

/**
 * Starts a file of scores.
 *
 * @throws {UsageError} If the suffix is not that of a format.
 */
export async function openScoreWriter(
  sink: ByteSink,
  options: ScoreWriterOptions,
): Promise<ScoreWriter> {
  const columns = outputColumns(options);
  const format = outputFormat(options.output);
  const writer = await openRowWriter(sink, { format, columns });
  return {
    async write(blocks, period) {
      const facts = outputFacts(options, period);
      for await (const block of blocks) {
        await writer.write(
          toCells(block, {
            columns,
            facts: { ...facts, input_uri: block.uri },
          }),
        );
      }
    },
    finish: () => writer.finish(),
  };
}

/** The columns of an output file; more than one score per row is `score_0`, `score_1`, … */
function outputColumns(
  { scorer, settings: { names, variant } }: ScoreWriterOptions,
): OutputColumn[] {
  const name = names.columns[isProbability(scorer) ? "probability" : "score"];
  return [
    { name: names.columns.id, type: "text" },
    ...Array.from({ length: scorer.outputs }, (_, index): OutputColumn => ({
      name: scorer.outputs === 1 ? name : `${name}_${index}`,
      type: "number",
    })),
    { name: "model_name", type: "text" },
    { name: "model_version", type: "integer" },
    { name: "input_uri", type: "text" },
    { name: "row_number", type: "integer" },
    { name: "geography_id", type: "text" },
    { name: "company_id", type: "text" },
    ...Object.keys(variant.dimensions).map((name): OutputColumn => ({
      name: dimensionColumn(name),
      type: "text",
    })),
    { name: "prediction_timestamp", type: "timestamp" },
    { name: "period", type: "text" },
  ];
}

/** Returns the column of a dimension, by analogy to `geography_id`. */
function dimensionColumn(name: string): string {
  return `${name}_id`;
}

/** Returns the cells that are the same for all rows of a batch, by column. */
function outputFacts(
  { version, settings: { variant } }: ScoreWriterOptions,
  period: Period,
): Record<string, string | number | Date | null> {
  return {
    model_name: version.name,
    model_version: version.version,
    period,
    geography_id: variant.geography ?? null,
    company_id: variant.company ?? null,
    ...Object.fromEntries(
      Object.entries(variant.dimensions).map((
        [name, value],
      ) => [dimensionColumn(name), value]),
    ),
    prediction_timestamp: new Date(),
  };
}

function toCells(
  { rows, scores, ids, firstRow, rowNumbers }: PlacedScores,
  { columns, facts }: {
    columns: readonly OutputColumn[];
    facts: Record<string, string | number | Date | null>;
  },
): OutputCells[] {
  const outputs = rows === 0 ? 0 : scores.length / rows;
  const players = ids && unpack(ids);
  return columns.map(({ name }, column) => {
    if (column === 0) {
      return players ?? new Array<null>(rows).fill(null);
    }
    if (name === "row_number") {
      return Array.from(
        { length: rows },
        (_, row) => rowNumbers?.[row] ?? firstRow + row,
      );
    }
    if (name in facts) return new Array(rows).fill(facts[name]!);
    // The scores follow the id.
    return Array.from(
      { length: rows },
      (_, row) => scores[row * outputs + column - 1]!,
    );
  });
}
