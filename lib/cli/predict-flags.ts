/** What the flags of `predict` mean: its options, and its command line ready to paste. */
import type { predictCommand } from "./commands.ts";
import type { FlagValues } from "./flags.ts";
import { commandFor, shellWord, type Variant } from "../config/variant.ts";
import type { VariantSettings } from "../config/variants.ts";
import { UsageError } from "../base/errors.ts";
import { parseModelUri } from "../mlflow/model-uri.ts";
import { outputFormat } from "../rows/write.ts";
import { parseBadRowLimit } from "../scoring/bad-rows.ts";
import type { BadRowOptions, BatchOptions } from "../scoring/batch.ts";
import { type Engine, parseEngine } from "../scoring/scorer.ts";

/** The values of the flags of `predict`. */
export type PredictFlags = FlagValues<typeof predictCommand.flags>;

/** The options of one call for one variant. */
export interface PredictOptions
  extends Omit<BatchOptions, "experiment" | "version"> {
  readonly engine: "auto" | Engine;
  /** Returns the command line of this call, ready to paste; with `input`, for that input only. */
  readonly command: (input?: string) => string;
}

/**
 * Returns the options that the flags select.
 *
 * @throws {UsageError} If a value cannot be used, or two flags contradict each other.
 */
export function toPredictOptions(
  flags: PredictFlags,
  settings: VariantSettings,
): PredictOptions {
  const { output = "postgres", "dry-run": dryRun = false } = flags;
  const modelUri = flags["model-uri"] ?? settings.modelUri;
  parseModelUri(modelUri);
  if (output !== "postgres") outputFormat(output);
  return {
    settings,
    engine: parseEngine(flags.engine),
    modelUri,
    force: flags.force ?? false,
    dryRun,
    output,
    badRows: parseBadRows(flags),
    command: (input) => commandOf(settings.variant, flags, input),
  };
}

/** Returns what to do with rows that cannot be used; undefined if they are an error. */
function parseBadRows(
  { output, "bad-rows": file, "max-bad-rows": most }: PredictFlags,
): BadRowOptions | undefined {
  const limit = most === undefined ? undefined : parseBadRowLimit(most);
  if (file === undefined) {
    if (limit === undefined) return undefined;
    throw new UsageError(
      `Cannot use --max-bad-rows without --bad-rows: name the file for the bad rows, or leave both out to refuse an input with a bad row`,
    );
  }
  if (file !== output) return { file, limit };
  throw new UsageError(
    `Cannot use --bad-rows ${file}: the scores go there (--output)`,
  );
}

/** Returns the command line of this call, ready to paste; with `input`, for that input only. */
function commandOf(
  variant: Variant,
  flags: PredictFlags,
  input?: string,
): string {
  const inputs = flags.input === undefined
    ? []
    : input === undefined
    ? flags.input
    : [input];
  const words = [
    ...inputs.flatMap((uri) => ["--input", uri]),
    ...(["model-uri", "output", "bad-rows", "max-bad-rows"] as const).flatMap((
      name,
    ) => {
      const value = flags[name];
      return value === undefined ? [] : [`--${name}`, value];
    }),
  ];
  return [commandFor("predict", variant), ...words.map(shellWord)].join(" ");
}
