/** Chooses the variant of a scaffold, writes its entry into the text of `variants.yaml`, tries the scaffold, stores it and describes it. */
import { InputError, UsageError } from "../base/errors.ts";
import type { Outcome } from "../base/outcome.ts";
import { sha256 } from "../base/digest.ts";
import { parseYaml, setListItem } from "../base/yaml.ts";
import {
  commandFor,
  localPath,
  shellWord,
  toVariant,
} from "../config/variant.ts";
import {
  type SelectingParts,
  toVariants,
  type Variants,
  type VariantSettings,
} from "../config/variants.ts";
import { findInputs } from "../services/input-batches.ts";
import {
  readVariantsText,
  type Services,
  temporaryFolder,
} from "../services/services.ts";
import { locationOf, needBucket } from "../services/variant-files.ts";
import type { EvaluationMetrics } from "../statistics/classification.ts";
import { toCandidate } from "./candidate.ts";
import { type OwnFiles, withRows } from "./candidate-files.ts";
import { describeMetrics } from "./report.ts";
import type { Scaffold, VariantEntry } from "./scaffold.ts";

/** The variant of a scaffold. */
export interface ChosenVariant {
  /** Its settings before the change: those of its entry, otherwise those of the top level. */
  readonly settings: VariantSettings;
  /** Whether it has an entry, which is replaced. */
  readonly isListed: boolean;
}

/**
 * Returns the variant that flags or a person name, in the spelling of
 * `variants.yaml` if it is listed.
 *
 * @param options `replace`: whether the variant may have an entry.
 * @throws {UsageError} If it has one and may not, or a name is invalid.
 */
export function chooseVariant(
  variants: Variants,
  options: {
    /** What flags name; nothing if `isNamed` is false. */
    parts: SelectingParts;
    isNamed: boolean;
    ask: ((question: string) => string) | undefined;
    replace: boolean;
  },
): ChosenVariant {
  const { parts, isNamed, ask, replace } = options;
  const answer = !isNamed && ask
    ? ask("Name of the variant, such as your company's (empty for the base):")
    : "";
  const settings = variants.settings({
    ...parts,
    ...answer === "" ? {} : { company: answer },
  });
  const { variant } = settings;
  const isListed = variants.listed.some((known) =>
    known.variant.key === variant.key
  );
  if (!isListed || replace) return { settings, isListed };
  throw new UsageError(
    `Cannot add ${variant.title}: variants.yaml has an entry for it; name another variant with --company or --geography, or pass --replace`,
  );
}

/** The text of `variants.yaml` with an entry, and the settings that it gives the variant. */
export interface ChangedVariants {
  readonly text: string;
  readonly settings: VariantSettings;
}

const file = "variants.yaml";

/**
 * Returns the text of `variants.yaml` with the entry, checked as every command
 * checks the file. Comments are kept. If the variant has an entry, it is changed.
 *
 * @throws {UsageError} If the result is not valid; names the key.
 */
export function withVariant(
  text: string,
  entry: VariantEntry,
): ChangedVariants {
  const { key, title } = toVariant(entry);
  const { listed } = toVariants(parseYaml(text, { file }));
  const index = listed.findIndex(({ variant }) => variant.key === key);
  const changed = setListItem(text, {
    list: "variants",
    index: index < 0 ? undefined : index,
    value: { ...entry },
  }, { file });
  const settings = toVariants(parseYaml(changed, { file })).listed
    .find(({ variant }) => variant.key === key);
  if (settings) return { text: changed, settings };
  throw new InputError(`Cannot find ${title} in ${file} after its change`);
}

/**
 * Reads and scores the sample and the labelled rows as `log-model` will, and
 * returns the metrics; undefined without a labelled set.
 *
 * @throws {InputError} If `log-model` could not use the files.
 */
export async function tryScaffold(
  services: Services,
  { files, entry }: Scaffold,
  { own, settings }: { own: OwnFiles; settings: VariantSettings },
): Promise<EvaluationMetrics | undefined> {
  const { evaluation } = entry.files;
  const labelled = evaluation === undefined
    ? undefined
    : own.evaluation ?? own.sample;
  const options = {
    idColumn: settings.idColumn,
    recipe: settings.recipe,
    temporary: temporaryFolder(services.config),
  };
  const candidate = await toCandidate({
    model: own.model,
    features: {
      uri: own.features?.uri ?? own.model.uri,
      bytes: new Uint8Array(files.get(entry.files.features) ?? []),
    },
    sample: await withRows(own.sample, options),
    evaluation: labelled && await withRows(labelled, options),
    manifest: undefined,
  }, settings);
  for (const warning of candidate.warnings) services.log.warn(warning);
  return candidate.metrics;
}

/**
 * Copies the files to the variant's folder, or to its prefix in the bucket, and
 * then writes `variants.yaml` as a whole. A file that is there already is kept if
 * it is the same.
 *
 * @param options `before`: the text from which the new one was made; `replace`: whether other files may be replaced.
 * @throws {UsageError} If a different file exists there and may not be replaced, or `variants.yaml` changed in the meantime; nothing is written then.
 */
export async function storeScaffold(
  services: Services,
  scaffold: Scaffold,
  options: ChangedVariants & { before: string; replace: boolean },
): Promise<void> {
  const { text, settings: { variant }, before, replace } = options;
  const own = services.variantFiles(variant);
  const store = own.embedded ? own.project : needBucket(own, "the files");
  const missing: (readonly [string, Uint8Array])[] = [];
  for (const [path, bytes] of scaffold.files) {
    const target = own.embedded ? localPath(variant, path) : path;
    const found = await services.withRetry(
      `read ${locationOf(own, path)}`,
      () => store.find(target),
    );
    if (found && sha256(found) === sha256(bytes)) continue;
    if (found && !replace) {
      throw new UsageError(
        `Cannot copy to ${
          locationOf(own, path)
        }: a different file already exists there; pass --replace to replace it, or another --outcome to use another folder`,
      );
    }
    missing.push([target, bytes]);
  }
  if (await readVariantsText() !== before) {
    throw new UsageError(
      "Cannot write variants.yaml: it changed in the meantime; run the command again",
    );
  }
  for (const [target, bytes] of missing) {
    await services.withRetry(
      `write ${target}`,
      () => store.write(target, bytes),
    );
  }
  await own.project.write("variants.yaml", new TextEncoder().encode(text));
}

/** Returns what was added, and the next commands. */
export async function describeScaffold(
  services: Services,
  { entry, features, files }: Scaffold,
  options: {
    settings: VariantSettings;
    /** The sample as the command line names it. */
    sample: string;
    /** Whether the scores are stored in the database, and not only in files. */
    isProbability: boolean;
    metrics: EvaluationMetrics | undefined;
  },
): Promise<Outcome> {
  const { settings, sample, isProbability, metrics } = options;
  const { variant } = settings;
  const own = services.variantFiles(variant);
  const inputs = await findInputs(own, settings);
  const predict = commandFor("predict", variant);
  const commands = [
    commandFor("setup", variant),
    `${commandFor("log-model", variant)} --alias champion --stage Production`,
    isProbability && inputs.files > 0
      ? predict
      : `${predict} --input ${shellWord(sample)} --output scores.csv`,
  ];
  const where = locationOf(own, entry.inputs);
  return {
    report: {
      status: "created",
      variant: variant.key,
      experiment: variant.experiment,
      model_name: variant.modelName,
      features: features.length,
      id_column: settings.idColumn ?? null,
      label: entry.label ?? null,
      inputs: where,
      files: [...files.keys()].map((path) => locationOf(own, path)),
      metrics: metrics ?? null,
      commands,
    },
    text: [
      `Added ${variant.title} to variants.yaml: ${features.length} features, model ${variant.modelName}`,
      ...[...files.keys()].map((path) => `  ${locationOf(own, path)}`),
      ...metrics ? [`  metrics: ${describeMetrics(metrics)}`] : [],
      "Next:",
      ...commands.map((command) => `  ${command}`),
      `Then put each period's rows at ${where} and run \`${predict}${
        isProbability ? "" : " --output FILE"
      }\`, which scores what is new`,
    ].join("\n"),
  };
}
