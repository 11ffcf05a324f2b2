/** Adds an entry to the text of `variants.yaml`, or changes one, and keeps its comments. */
import { InputError } from "../base/errors.ts";
import { parseYaml, setListItem } from "../base/yaml.ts";
import { toVariant } from "../config/variant.ts";
import { toVariants, type VariantSettings } from "../config/variants.ts";

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

/** The text of `variants.yaml` with an entry, and the settings that it gives the variant. */
export interface ChangedVariants {
  readonly text: string;
  readonly settings: VariantSettings;
}

const file = "variants.yaml";

/**
 * Returns the text of `variants.yaml` with the entry, checked as every command
 * checks the file. If the variant has an entry, it is changed.
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
