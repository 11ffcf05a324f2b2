/** What the flags of `predict` mean: its options, and its command line ready to paste. */
import type { commandTable } from "../config/commands.ts";
import type { FlagValues } from "../config/flags.ts";
import { parsePeriod } from "../config/periods.ts";
import { commandFor, shellWord, type Variant } from "../config/variant.ts";
import type { VariantSettings } from "../config/variants.ts";
import { UsageError } from "../base/errors.ts";
import { parseModelUri } from "../mlflow/model-uri.ts";
import { outputFormat } from "../rows/write.ts";
import { parseBadRowLimit } from "../scoring/bad-rows.ts";
import type { BadRowOptions, BatchOptions } from "../scoring/batch.ts";
import { type FailOn, parseFailOn } from "../scoring/fail-on.ts";
import type { CommandOptions, InputChoice } from "../scoring/inputs.ts";
import { type Engine, parseEngine } from "../scoring/scorer.ts";

/** The values of the flags of `predict`. */
export type PredictFlags = FlagValues<typeof commandTable.predict.flags>;

/** The values of the flags of `plan`: those of `predict` but `--dry-run`. */
export type PlanFlags = FlagValues<typeof commandTable.plan.flags>;

/** The options of one call for one variant. */
export interface PredictOptions
  extends Omit<BatchOptions, "experiment" | "version" | "again"> {
  readonly engine: "auto" | Engine;
  /** Whether a flag names the model. */
  readonly modelFlag: boolean;
  readonly choice: InputChoice;
  readonly failOn: ReadonlySet<FailOn>;
  /** Scores data again that were scored before. */
  readonly force: boolean;
  /** Returns the command line of this call, ready to paste. */
  readonly command: (options?: CommandOptions) => string;
}

/**
 * Returns the options that the flags select.
 *
 * @throws {UsageError} If a value cannot be used, or two flags contradict each other.
 */
export function toPredictOptions(
  flags: PlanFlags & Partial<PredictFlags>,
  settings: VariantSettings,
): PredictOptions {
  const { output = "postgres", "dry-run": dryRun = false } = flags;
  const modelUri = flags["model-uri"] ?? settings.modelUri;
  parseModelUri(modelUri);
  if (output !== "postgres") outputFormat(output);
  return {
    settings: flags.input === undefined ? settings : withoutSideFile(settings),
    engine: parseEngine(flags.engine),
    modelUri,
    modelFlag: flags["model-uri"] !== undefined,
    force: flags.force ?? false,
    dryRun,
    output,
    badRows: parseBadRows(flags),
    idempotencyKey: parseIdempotencyKey(flags),
    choice: parseChoice(flags),
    failOn: parseFailOn(flags["fail-on"]),
    command: (options = {}) => commandOf(settings.variant, flags, options),
  };
}

/** Returns the settings for files that a flag names: they have no side file that could be demanded. */
function withoutSideFile(settings: VariantSettings): VariantSettings {
  return { ...settings, expect: { ...settings.expect, manifest: undefined } };
}

function parseChoice(flags: PlanFlags): InputChoice {
  const { input, from, to } = flags;
  const range = from === undefined
    ? to === undefined ? undefined : "to"
    : "from";
  for (const other of ["input", "period"] as const) {
    if (range === undefined || flags[other] === undefined) continue;
    throw new UsageError(
      `Cannot use --${range} with --${other}: each selects what is scored`,
    );
  }
  // An empty value, such as that of an unset variable, is an error, not "everything".
  const parse = (flag: "period" | "from" | "to") => {
    const text = flags[flag];
    return text === undefined ? undefined : parsePeriod(text, flag);
  };
  const choice = {
    named: input,
    period: parse("period"),
    from: parse("from"),
    to: parse("to"),
    fallback: !flags["no-fallback"],
    written: [
      ...flags.output === undefined || flags.output === "postgres"
        ? []
        : [{ flag: "output", file: flags.output } as const],
      ...flags["bad-rows"] === undefined
        ? []
        : [{ flag: "bad-rows", file: flags["bad-rows"] } as const],
    ],
  };
  if (choice.from && choice.to && choice.from > choice.to) {
    throw new UsageError(
      `Cannot use --from ${from} with --to ${to}: the first period is after the last`,
    );
  }
  return choice;
}

function parseIdempotencyKey(
  { force, "idempotency-key": key }: PlanFlags,
): string | undefined {
  if (key === undefined) return undefined;
  if (!force) {
    throw new UsageError(
      "Cannot use --idempotency-key without --force: without it, nothing is scored a second time",
    );
  }
  if (/^[\x21-\x7e]{1,200}$/.test(key)) return key;
  throw new UsageError(
    `Cannot use --idempotency-key "${key}": expected 1 to 200 ASCII characters without spaces, such as the id of the workflow run`,
  );
}

/** Returns what to do with rows that cannot be used; undefined if they are an error. */
function parseBadRows(
  { output, "bad-rows": file, "max-bad-rows": most }: PlanFlags,
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

/**
 * Returns the command line of this call, ready to paste. The idempotency key names
 * one request, so that a command for one batch, which is another request, has none.
 */
function commandOf(
  variant: Variant,
  flags: PlanFlags,
  { batch, force = false }: CommandOptions,
): string {
  const { input = [], period = batch?.period, from, to } = flags;
  const range = batch ? {} : { from, to };
  const isSame = force && !batch;
  const texts = {
    period,
    ...range,
    "model-uri": flags["model-uri"],
    output: flags.output,
    "bad-rows": flags["bad-rows"],
    "max-bad-rows": flags["max-bad-rows"],
    engine: flags.engine === "auto" ? undefined : flags.engine,
    "fail-on": flags["fail-on"] === "never" ? undefined : flags["fail-on"],
  };
  const words = [
    ...input.flatMap((uri) => ["--input", uri]),
    ...toWords(texts),
    ...flags["no-fallback"] ? ["--no-fallback"] : [],
    ...force ? ["--force"] : [],
    ...isSame ? toWords({ "idempotency-key": flags["idempotency-key"] }) : [],
  ];
  return [commandFor("predict", variant), ...words.map(shellWord)].join(" ");
}

function toWords(
  texts: Readonly<Record<string, string | undefined>>,
): string[] {
  return Object.entries(texts).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value]
  );
}
