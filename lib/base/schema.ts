/**
 * Checks external data (YAML, JSON, answers of servers) against schemas, and
 * turns the first mismatch into an error of one line. The only module that
 * imports `npm:valibot`.
 *
 * The message of a schema says what is expected, as a noun: "a string", "a share
 * from 0 to 1".
 */
import {
  description,
  type DescriptionAction,
  type GenericIssue,
  type GenericSchema,
  type InferOutput,
  nullish,
  type NullishSchema,
  number,
  object as valibotObject,
  type ObjectEntries,
  type ObjectSchema,
  pipe,
  record as valibotRecord,
  type RecordSchema,
  safeInteger,
  safeParse,
  type SafeParseResult,
  type SchemaWithPipe,
  strictObject,
  type StrictObjectSchema,
  string,
  type StringSchema,
  transform,
  type TransformAction,
  union,
} from "valibot";
import { InputError, messageOf } from "./errors.ts";
import { nearest } from "./nearest.ts";

export {
  array,
  boolean,
  check,
  checkItems,
  description,
  exactOptional,
  fallback,
  finite,
  type GenericSchema,
  type InferOutput,
  literal,
  maxEntries,
  maxValue,
  minEntries,
  minLength,
  minValue,
  nullable,
  nullish,
  number,
  optional,
  picklist,
  pipe,
  readonly,
  regex,
  safeInteger,
  string,
  transform,
  union,
  unknown,
} from "valibot";

/** The data that is checked, for errors. */
export interface DataSource {
  /** Name of the file, the secret or the answer. */
  readonly file: string;
  /** Class of the error; InputError by default. */
  readonly error?: new (message: string) => Error;
  /** True if errors must not quote the data. */
  readonly isSecret?: boolean;
}

/**
 * Returns the value in the form of the schema.
 *
 * ```ts
 * import { throws } from "node:assert/strict";
 *
 * const schema = mapping({ rows: array(number()) });
 * throws(() => validate(schema, { rows: [1, "2"] }, { file: "a.yaml" }), {
 *   message: 'Cannot use a.yaml: rows[1] should be a number, found "2"',
 * });
 * throws(() => validate(schema, { row: [] }, { file: "a.yaml" }), {
 *   message: "Cannot use a.yaml: rows should be a list, found nothing",
 * });
 * ```
 *
 * @throws {InputError} Or the class of the source, if it does not fit: names the path, what is expected and what was found.
 */
export function validate<Schema extends GenericSchema>(
  schema: Schema,
  value: unknown,
  source: DataSource,
): InferOutput<Schema> {
  const result = run(schema, value);
  if (result.success) return result.output;
  const { error: ErrorClass = InputError, file, isSecret } = source;
  throw new ErrorClass(
    `Cannot use ${file}: ${explain(result.issues[0], { value, isSecret })}`,
  );
}

/**
 * Parses JSON text and returns its value in the form of the schema.
 *
 * @param data The text, or its bytes in UTF-8.
 * @throws {InputError} Or the class of the source, if it is not JSON or does not fit the schema.
 */
export function parseJson<Schema extends GenericSchema>(
  schema: Schema,
  data: string | Uint8Array,
  source: DataSource,
): InferOutput<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(
      typeof data === "string"
        ? data
        : new TextDecoder("utf-8", { fatal: true }).decode(data),
    );
  } catch (cause) {
    const { error: ErrorClass = InputError, file, isSecret } = source;
    throw new ErrorClass(
      `Cannot parse ${file}: ${isSecret ? "it is not JSON" : messageOf(cause)}`,
    );
  }
  return validate(schema, value, source);
}

/** Returns the value in the form of the schema; undefined if it does not fit. */
export function match<Schema extends GenericSchema>(
  schema: Schema,
  value: unknown,
): InferOutput<Schema> | undefined {
  const result = run(schema, value);
  return result.success ? result.output : undefined;
}

/** Parses JSON text and returns its value in the form of the schema; undefined if it is not JSON or does not fit. */
export function matchJson<Schema extends GenericSchema>(
  schema: Schema,
  text: string,
): InferOutput<Schema> | undefined {
  try {
    return match(schema, JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** The message of an object's schema. */
type ObjectMessage = (issue: GenericIssue) => string;

/**
 * Returns the schema of an object; other keys are dropped. An array is not an object.
 *
 * @param noun What is expected if it is no object.
 */
export function object<const Entries extends ObjectEntries>(
  entries: Entries,
  noun = "an object",
): ObjectSchema<Entries, ObjectMessage> {
  return refuseArrays(valibotObject(entries, explainKey(entries, noun)));
}

/** Returns the schema of a mapping that people write: an unknown key is an error, which names the nearest known one. */
export function mapping<const Entries extends ObjectEntries>(
  entries: Entries,
): StrictObjectSchema<Entries, ObjectMessage> {
  return refuseArrays(strictObject(entries, explainKey(entries, "a mapping")));
}

/** The schema of a key that may be left out. */
export type OptionalKey<Schema extends GenericSchema> = SchemaWithPipe<
  readonly [
    NullishSchema<Schema, undefined>,
    DescriptionAction<InferOutput<NullishSchema<Schema, undefined>>, string>,
    TransformAction<
      InferOutput<NullishSchema<Schema, undefined>>,
      NonNullable<InferOutput<Schema>> | undefined
    >,
  ]
>;

/** Returns the schema of a key that may be left out or null, which is undefined then, with the description that editors show. */
export function optionalKey<const Schema extends GenericSchema>(
  schema: Schema,
  words: string,
): OptionalKey<Schema> {
  return pipe(
    nullish(schema),
    description(words),
    transform((value) => value ?? undefined),
  );
}

/**
 * Returns the schema of an object with any keys, whose values share a schema.
 *
 * @param noun What is expected if it is no object.
 */
export function record<Value extends GenericSchema>(
  value: Value,
  noun = "an object",
): RecordSchema<StringSchema<undefined>, Value, string> {
  return refuseArrays(keepAllKeys(valibotRecord(string(), value, noun)));
}

/** Valibot's record drops the keys `__proto__`, `prototype` and `constructor`, which are names of columns like any other. */
function keepAllKeys<Value extends GenericSchema>(
  schema: RecordSchema<StringSchema<undefined>, Value, string>,
): RecordSchema<StringSchema<undefined>, Value, string> {
  return {
    ...schema,
    "~run": (dataset, config) => {
      const { value } = dataset;
      if (typeof value !== "object" || value === null) {
        return schema["~run"](dataset, config);
      }
      const marked = Object.fromEntries(
        Object.entries(value).map(([key, item]) => [`:${key}`, item]),
      );
      const result = schema["~run"]({ value: marked }, config);
      for (const { path } of result.issues ?? []) {
        const item = path?.[0];
        if (item) Object.assign(item, { key: String(item.key).slice(1) });
      }
      if (result.typed) removeMarks(result.value);
      return result;
    },
  };
}

/** Removes the first character of each key. */
function removeMarks(marked: object): void {
  const entries = Object.entries(marked);
  for (const [key] of entries) Reflect.deleteProperty(marked, key);
  for (const [key, value] of entries) {
    Object.defineProperty(marked, key.slice(1), {
      value,
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
}

/** An integer, or its text: protobuf writes 64-bit integers to JSON as texts. */
export const wholeNumber = pipe(
  union([string(), number()], "a whole number"),
  transform(Number),
  safeInteger("a whole number"),
);

/** Valibot accepts an array where an object is expected. */
function refuseArrays<Schema extends GenericSchema>(schema: Schema): Schema {
  return {
    ...schema,
    "~run": (dataset, config) =>
      schema["~run"](
        Array.isArray(dataset.value) ? { value: undefined } : dataset,
        config,
      ),
  };
}

function explainKey(entries: ObjectEntries, noun: string): ObjectMessage {
  const keys = Object.keys(entries);
  return (issue) => {
    if (!issue.path) return noun;
    const key = String(issue.path[0].key);
    if (issue.expected !== unknownKey) {
      // The key is absent: its own schema tells what is expected.
      const [own] = run(entries[key]!, undefined).issues ?? [];
      return own?.message ?? noun;
    }
    const near = nearest(key, keys);
    const hint = near === undefined ? "the" : `did you mean ${near}? The`;
    return `is not a known key; ${hint} keys are ${keys.join(", ")}`;
  };
}

/** What valibot expects of a key that a strict object does not have. */
const unknownKey = "never";

function run<Schema extends GenericSchema>(
  schema: Schema,
  value: unknown,
): SafeParseResult<Schema> {
  return safeParse(schema, value, { abortEarly: true, message: expectation });
}

const nouns: Readonly<Record<string, string>> = {
  array: "a list",
  boolean: "true or false",
  number: "a number",
  record: "an object",
  string: "a string",
};

/** Returns what a schema without a message expects. */
function expectation({ type, expected }: GenericIssue): string {
  return nouns[type] ?? (expected ?? type).replace(/^\((.*)\)$/, "$1")
    .replaceAll(" | ", " or ");
}

function explain(
  { path, expected, message }: GenericIssue,
  { value, isSecret = false }: {
    value: unknown;
    isSecret: boolean | undefined;
  },
): string {
  const at = toPath(path ?? []);
  if (expected === unknownKey) return `${at} ${message}`;
  const found = describe(path ? path.at(-1)?.value : value, isSecret);
  return at === ""
    ? `expected ${message}, found ${found}`
    : `${at} should be ${message}, found ${found}`;
}

/** Returns a path as JavaScript writes it, such as `variants[0].files.model`. */
function toPath(items: readonly { readonly key: unknown }[]): string {
  return items.map(({ key }, index) => {
    if (typeof key === "number") return `[${key}]`;
    if (!/^[\w$]+$/.test(String(key))) return `[${JSON.stringify(key)}]`;
    return index === 0 ? String(key) : `.${key}`;
  }).join("");
}

const longestValue = 80;

function describe(value: unknown, isSecret: boolean): string {
  if (value === undefined) return "nothing";
  if (isSecret) return "another value";
  const text = typeof value === "number"
    ? String(value)
    : JSON.stringify(value);
  return text.length > longestValue ? `${text.slice(0, longestValue)}…` : text;
}
