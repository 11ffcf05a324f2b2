/** Builds the entry of `variants.yaml` for a user's own model and data, and the files that belong to it. */
import { basename } from "node:path";
import { InputError, UsageError } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import type { Log } from "../base/log.ts";
import { listSome } from "../base/phrases.ts";
import { dayIn } from "../config/periods.ts";
import { shellWord, type Variant } from "../config/variant.ts";
import type { VariantSettings } from "../config/variants.ts";
import { isProbability } from "../scoring/model-output.ts";
import { parseFeatureNames } from "../rows/feature-names.ts";
import { type CandidateModel, ownNames } from "./candidate-model.ts";
import type { OwnFiles } from "./candidate-files.ts";
import {
  type ColumnProposal,
  type FeatureProposal,
  matchFeatures,
  proposeId,
  proposeLabel,
  type SampleColumn,
  takeFeatures,
  toSampleColumns,
} from "./proposal.ts";

/** What a user decides, undefined where this module proposes, and how to decide what the files do not show. */
export interface Decisions {
  readonly variant: Variant;
  /** Whether experiment and registered model keep their names, because the variant has an entry. */
  readonly keepsNames: boolean;
  /** A column, or `none`. */
  readonly idColumn: string | undefined;
  /** A column, or `none`. */
  readonly label: string | undefined;
  readonly inputs: string | undefined;
  readonly entity: string | undefined;
  readonly outcome: string | undefined;
  readonly positiveClass: string | undefined;
  readonly log: Pick<Log, "info" | "warn">;
  /** Asks a person; undefined if there is none. */
  readonly ask: ((question: string) => string) | undefined;
  /** What `variants.yaml` says for all variants. */
  readonly usual: Pick<VariantSettings, "label" | "idColumn" | "recipe">;
}

/** The keys of an entry that a new model and its data decide. The others of an existing entry are kept, and so are optional ones that are absent here; undefined removes a key. */
export interface VariantEntry {
  readonly geography: string | undefined;
  readonly company: string | undefined;
  readonly dimensions: Readonly<Record<string, string>> | undefined;
  readonly experiment?: string;
  readonly model_name?: string;
  readonly files: {
    readonly model: string;
    readonly features: string;
    readonly sample: string;
    readonly evaluation?: string;
  };
  readonly inputs: string;
  readonly label: string | undefined;
  readonly id_column: string;
  readonly names: Readonly<Record<string, string>> | undefined;
  readonly recipe: Readonly<Record<string, unknown>>;
  readonly positive_class?: string | undefined;
}

/** An entry, and the files to copy for it. */
export interface Scaffold {
  readonly entry: VariantEntry;
  readonly features: readonly string[];
  /** Contents by path below the variant's prefix. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/**
 * Returns the entry for a model and a sample, and logs each decision with its
 * reason in one line. With a person to ask, the proposals can be changed.
 *
 * @throws {UsageError} If several columns fit equally well and nobody can be asked; names the flag. Also if a flag names no column.
 * @throws {InputError} If the sample lacks a feature of the model.
 */
export function toScaffold(
  files: OwnFiles,
  model: CandidateModel,
  decisions: Decisions,
): Scaffold {
  const { log, variant, positiveClass } = decisions;
  const columns = toSampleColumns(files.sample.rows);
  const givesProbability = isProbability(model);
  const given = files.features && parseFeatureNames(files.features.bytes, {
    file: files.features.uri,
  });
  const named = given ?? ownNames(model.features);
  const matched = named.length > 0 ? matchFeatures(named, columns) : undefined;
  const free = columns.filter(({ name }) => !matched?.used.has(name));
  // Without names, each column that is neither id nor label is a feature.
  const surplus = matched || model.features.count === undefined
    ? Infinity
    : columns.length - model.features.count;

  const labelled = files.evaluation
    ? toSampleColumns(files.evaluation.rows)
      .filter(({ name }) => !matched?.used.has(name))
    : free;
  const label = decideLabel(labelled, decisions, {
    givesProbability,
    isPossible: files.evaluation !== undefined || surplus !== 0,
    used: matched?.used,
  });
  const inSample = columns.some(({ name }) => name === label) ? 1 : 0;
  const idColumn = decideId(
    free.filter(({ name }) => name !== label),
    decisions,
    { isPossible: surplus !== inSample },
  );
  const features = matched ?? takeFeatures(columns, {
    count: model.features.count,
    others: [idColumn, label],
  });
  const { missingValue } = decisions.usual.recipe;
  if (missingValue !== undefined) {
    log.info(`missing value: ${missingValue}, as variants.yaml says`);
  }
  log.info(`features: ${listSome(features.names, 6)}; ${features.reason}`);

  // What the outcome is called: as the flag says, otherwise as the label, otherwise as the model's file.
  const outcome = decisions.outcome?.trim() ??
    (label === undefined || !givesProbability
      ? toWords(basename(files.model.uri).replace(/\.[^.]*$/, ""))
      : label === "churned"
      ? "churn"
      : toWords(label));
  const paths = toPaths(files, { outcome, inputs: decisions.inputs });
  const isLabelled = label !== undefined && givesProbability &&
    (files.evaluation !== undefined || inSample === 1);
  if (label !== undefined && givesProbability && !isLabelled) {
    log.info(`metrics: none, because the sample has no column "${label}"`);
  }
  const evaluation = !isLabelled
    ? undefined
    : files.evaluation
    ? paths.evaluation
    : paths.sample;
  if (decisions.keepsNames) {
    log.info(
      `names: experiment ${variant.experiment} and model ${variant.modelName}, as before`,
    );
  }
  log.info(
    `inputs: ${paths.inputs}, below the variant's prefix; put each period's file there`,
  );
  return {
    features: features.names,
    entry: {
      geography: variant.geography,
      company: variant.company,
      dimensions: Object.keys(variant.dimensions).length === 0
        ? undefined
        : variant.dimensions,
      ...decisions.keepsNames ? {} : toModelNames(variant, outcome),
      files: {
        model: paths.model,
        features: paths.features,
        sample: paths.sample,
        ...evaluation === undefined ? {} : { evaluation },
      },
      inputs: paths.inputs,
      label,
      id_column: idColumn ?? "none",
      names: toOwnNames(decisions, { idColumn, outcome, givesProbability }),
      recipe: toRecipe(features),
      // An ONNX graph was opened with the class of the entry; trees have none to choose.
      ...positiveClass === undefined && model.kind === "onnx"
        ? {}
        : { positive_class: positiveClass },
    },
    files: new Map<string, Uint8Array>([
      [paths.model, files.model.bytes],
      [
        paths.features,
        new TextEncoder().encode(`${JSON.stringify(features.names)}\n`),
      ],
      [paths.sample, files.sample.bytes],
      ...files.evaluation && isLabelled
        ? [[paths.evaluation, files.evaluation.bytes] as const]
        : [],
      ...files.manifest
        ? [[paths.manifest, files.manifest.bytes] as const]
        : [],
    ]),
  };
}

/** Returns the label, or undefined if there is none. */
function decideLabel(
  columns: readonly SampleColumn[],
  decisions: Decisions,
  { givesProbability, isPossible, used }: {
    givesProbability: boolean;
    isPossible: boolean;
    /** Columns that features are made from; undefined if the model has no names. */
    used: ReadonlySet<string> | undefined;
  },
): string | undefined {
  const { label, log, usual } = decisions;
  const names = columns.map(({ name }) => name);
  if (label !== undefined) {
    if (used?.has(label)) {
      throw new UsageError(
        `Cannot use --label ${label}: the model reads this column as a feature; the other columns are ${
          names.join(", ") || "none"
        }`,
      );
    }
    if (label === "none") return undefined;
    // Without the outcome there are no metrics.
    const meant = names.includes(label) ? undefined : nearest(label, names);
    if (meant !== undefined) {
      log.warn(
        `The rows have no column "${label}"; did you mean --label ${
          shellWord(meant)
        }?`,
      );
    }
    return label;
  }
  if (!givesProbability) {
    log.info(
      "label: none, because the model's output is not one probability per row",
    );
    return undefined;
  }
  const proposal = proposeLabel(columns, usual.label);
  return decide(proposal, decisions, { what: "label", names, isPossible });
}

/** Returns the id column, or undefined if there is none. */
function decideId(
  columns: readonly SampleColumn[],
  decisions: Decisions,
  { isPossible }: { isPossible: boolean },
): string | undefined {
  const { idColumn, usual } = decisions;
  const names = columns.map(({ name }) => name);
  if (idColumn === "none") return undefined;
  if (idColumn !== undefined) {
    if (names.includes(idColumn)) return idColumn;
    throw new UsageError(
      `Cannot use --id-column ${idColumn}: the sample has no such column besides features and label; it has ${
        names.join(", ") || "none"
      }`,
    );
  }
  const proposal = proposeId(columns, usual.idColumn);
  return decide(proposal, decisions, { what: "id column", names, isPossible });
}

/** Returns the column of a proposal, which a person may change; undefined for none. */
function decide(
  proposal: ColumnProposal,
  { log, ask }: Decisions,
  { what, names, isPossible }: {
    what: "label" | "id column";
    /** The columns to choose from. */
    names: readonly string[];
    /** False if all columns are features. */
    isPossible: boolean;
  },
): string | undefined {
  if (!isPossible) {
    log.info(`${what}: none, because the model reads every column`);
    return undefined;
  }
  const { reason } = proposal;
  const isOpen = "candidates" in proposal;
  const proposed = isOpen ? undefined : proposal.column ?? "none";
  if (!ask) {
    if (isOpen) {
      const flag = what.replace(" ", "-");
      throw new UsageError(
        `Cannot tell which column is the ${what}: ${
          proposal.candidates.join(", ")
        } (${reason}); name it with --${flag} COLUMN, or pass --${flag} none`,
      );
    }
    log.info(`${what}: ${proposed}, ${reason}`);
    return proposal.column;
  }
  const question = isOpen
    ? `${what}, one of ${proposal.candidates.join(", ")} (${reason}), or none:`
    : `${what} [${proposed}: ${reason}]:`;
  for (;;) {
    const answer = ask(question) || proposed;
    if (answer === "none") return undefined;
    if (answer !== undefined && names.includes(answer)) return answer;
    log.info(`Enter one of ${[...names, "none"].join(", ")}`);
  }
}

/** Returns where an entry's files are, below the variant's prefix. */
function toPaths(
  files: OwnFiles,
  { outcome, inputs }: { outcome: string; inputs: string | undefined },
) {
  const slug = toSlug(outcome);
  const folder = `data/${slug}`;
  const sample = basename(files.sample.uri);
  const suffix = suffixOf(sample);
  return {
    model: `${folder}/model${suffixOf(basename(files.model.uri))}`,
    features: `${folder}/features.json`,
    sample: `${folder}/sample${suffix}`,
    evaluation: `${folder}/evaluation${
      suffixOf(basename(files.evaluation?.uri ?? sample))
    }`,
    manifest: `${folder}/manifest.json`,
    inputs: inputs ?? `${folder}/weekly/${periodName(sample, suffix)}`,
  };
}

/** Returns the pattern of files that are named as the sample, if its name has a period. */
function periodName(sample: string, suffix: string): string {
  const day = dayIn(sample);
  const spelling = day === undefined
    ? undefined
    : [day, day.replaceAll("-", ""), ...sample.match(/\d{4}-?W\d{2}/) ?? []]
      .find((text) => sample.includes(text));
  const pattern = spelling === undefined
    ? undefined
    : sample.replace(spelling, "{period}");
  return pattern !== undefined &&
      !/[{}*\\]/.test(pattern.replace("{period}", ""))
    ? pattern
    : `{period}${suffix}`;
}

/** Returns the names of experiment and model, by analogy to those of churn; none where these are meant. */
function toModelNames(
  { experiment, modelName }: Variant,
  outcome: string,
): Pick<VariantEntry, "experiment" | "model_name"> {
  const slug = toSlug(outcome);
  if (slug === "churn") return {};
  return {
    experiment: experiment.replace(/^churn/, slug),
    model_name: modelName.replace(/^churn/, slug),
  };
}

function toOwnNames(
  decisions: Decisions,
  { idColumn, outcome, givesProbability }: {
    idColumn: string | undefined;
    outcome: string;
    givesProbability: boolean;
  },
): VariantEntry["names"] {
  const stem = toWords(idColumn ?? "")
    .replace(/(^|\s)(id|uuid|guid|key|identifier)$/i, "").trim();
  const entity = decisions.entity?.trim() ?? (stem || "row");
  if (outcome === "churn" && entity === "player") return undefined;
  return {
    entity,
    outcome,
    ...givesProbability ? {} : { score: outcome },
  };
}

function toRecipe(
  { renamed, oneHot }: FeatureProposal,
): Record<string, unknown> {
  return {
    ...Object.keys(renamed).length === 0
      ? {}
      : { steps: [{ rename: renamed }] },
    ...oneHot.length === 0 ? {} : {
      one_hot: oneHot.map(({ column, categories }) => ({
        column,
        ...categories ? { categories: [...categories] } : {},
      })),
    },
  };
}

/** Returns a name as words: `daysToFailure` and `days_to_failure` are `days to failure`. */
function toWords(name: string): string {
  return name.replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .replaceAll(/[_\s.-]+/g, " ").trim().toLowerCase();
}

/** Returns a name as part of paths and of MLflow's names. @throws {InputError} If nothing of it can be. */
function toSlug(name: string): string {
  const slug = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "").slice(0, 48);
  if (slug !== "") return slug;
  throw new InputError(
    `Cannot derive the name of a folder from ${
      JSON.stringify(name)
    }; pass --outcome NOUN with letters a to z`,
  );
}

/** Returns the suffix of a file's name with that of its compression: `.csv.gz`. */
function suffixOf(name: string): string {
  return /(\.[a-z]{1,9})?\.[A-Za-z][A-Za-z0-9]{0,9}$/.exec(name)?.[0] ?? "";
}
