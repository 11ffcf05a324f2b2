/** Reads and writes YAML. The only module that imports `npm:yaml`. */
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  stringify,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import { InputError } from "./errors.ts";
import { isObject, knownFields } from "./objects.ts";

/**
 * Parses YAML 1.2 text and returns its value as plain data.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(parseYaml("a: [1, true, x]", { file: "a.yaml" }), { a: [1, true, "x"] });
 * ```
 *
 * @param options `file`: the name of the text in errors.
 * @throws {InputError} If the text is not valid YAML or has duplicate keys (names line and column), or an alias cannot be resolved.
 */
export function parseYaml(text: string, options: { file: string }): unknown {
  const document = parseChecked(text, options);
  try {
    const value: unknown = document.toJS();
    JSON.stringify(value); // throws if an alias contains itself
    return value;
  } catch (cause) {
    throw new InputError(
      `Cannot parse ${options.file}: an alias (*name) has no anchor, contains itself or expands too far; write the value out`,
      { cause },
    );
  }
}

/**
 * Returns plain data as YAML text, in the order of its keys, without folding long lines.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(toYaml({ a: "1", b: [true] }), 'a: "1"\nb:\n  - true\n');
 * ```
 *
 * @param options `forPython`: quotes texts that PyYAML, which reads YAML 1.1,
 * would parse as a time, a boolean or a number.
 */
export function toYaml(
  value: unknown,
  options: { forPython?: boolean } = {},
): string {
  const { forPython = false } = options;
  return stringify(value, {
    lineWidth: 0,
    version: forPython ? "1.1" : "1.2",
    indentSeq: !forPython,
  });
}

/** An item of a list in YAML text. */
export interface ListItem {
  /** The key of the list at the top level. */
  readonly list: string;
  /** The item to change; undefined appends a new one. */
  readonly index: number | undefined;
  /** The keys to set; undefined removes a key. */
  readonly value: Readonly<Record<string, unknown>>;
}

/**
 * Returns YAML text with a mapping in a list added or changed. Comments and the
 * order of keys stay as they are, also in the changed item. A new item leaves every
 * other line as it is; a change may also write spaces and brackets in the usual form.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const text = "# mine\nvariants:\n  - {} # the base\n";
 * strictEqual(
 *   setListItem(text, { list: "variants", index: undefined, value: { company: "Acme" } }, { file: "a.yaml" }),
 *   "# mine\nvariants:\n  - {} # the base\n  - company: Acme\n",
 * );
 * ```
 *
 * @param options `file`: the name of the text in errors.
 * @throws {InputError} If the text is not valid YAML, the list or the item is of another kind, or an alias elsewhere repeats a value that would change.
 */
export function setListItem(
  text: string,
  { list, index, value }: ListItem,
  options: { file: string },
): string {
  const document = parseChecked(text, options);
  if (!document.has(list)) document.set(list, document.createNode([]));
  const items = document.get(list, true);
  if (!isSeq(items)) {
    throw new InputError(
      `Cannot change ${options.file}: ${list} is not a list`,
    );
  }
  if (index === undefined) {
    const item = knownFields(value);
    const spliced = appendLines(text, { items, item });
    items.flow = false;
    items.add(document.createNode(item));
    const whole = document.toString({ lineWidth: 0 });
    return spliced !== undefined && isSame(spliced, whole) ? spliced : whole;
  }
  const item = items.get(index, true);
  if (!isMap(item)) {
    throw new InputError(
      `Cannot change ${options.file}: ${list}[${index}] is not a mapping`,
    );
  }
  const old: unknown[] = Object.keys(value).map((key) => item.get(key, true));
  const anchor = findShared(document, old.filter(isNode));
  if (anchor !== undefined) {
    throw new InputError(
      `Cannot change ${options.file}: ${list}[${index}] has the anchor &${anchor}, and what *${anchor} stands for would change, too; write the value out in its place`,
    );
  }
  items.flow = false;
  changeKeys(document, item, value);
  return document.toString({ lineWidth: 0 });
}

/** Returns the text with the lines of a new item after those of the last one, so that no other line is formatted again; undefined for a list in brackets or without items. */
function appendLines(
  text: string,
  { items, item }: { items: YAMLSeq; item: ListItem["value"] },
): string | undefined {
  const last = items.items.at(-1);
  if (items.flow || !items.range || !isNode(last) || !last.range) {
    return undefined;
  }
  const [start] = items.range;
  const indent = " ".repeat(start - (text.lastIndexOf("\n", start - 1) + 1));
  const lines = toYaml([item]).trimEnd().split("\n")
    .map((line) => line === "" ? line : indent + line).join("\n");
  const newline = text.indexOf("\n", Math.max(last.range[1] - 1, 0));
  return newline < 0
    ? `${text}\n${lines}\n`
    : `${text.slice(0, newline + 1)}${lines}\n${text.slice(newline + 1)}`;
}

/** Returns true if two texts have the same data. */
function isSame(text: string, other: string): boolean {
  const parsed = [text, other].map((each) => parseDocument(each));
  return parsed.every(({ errors }) => errors.length === 0) &&
    JSON.stringify(parsed[0]!.toJS()) === JSON.stringify(parsed[1]!.toJS());
}

/** Returns the name of an anchor in values that an alias outside of them repeats; undefined if there is none. */
function findShared(
  document: Document.Parsed,
  values: readonly Node[],
): string | undefined {
  const own = new Set<unknown>();
  for (const value of values) {
    visit(value, { Node: (_, node) => void own.add(node) });
  }
  let name: string | undefined;
  visit(document, {
    Alias: (_, alias) => {
      if (own.has(alias) || !own.has(alias.resolve(document))) return undefined;
      name = alias.source;
      return visit.BREAK;
    },
  });
  return name;
}

/** Sets the keys of a mapping. A value that is replaced by one of its kind keeps its comments. */
function changeKeys(
  document: Document.Parsed,
  item: YAMLMap,
  value: ListItem["value"],
): void {
  item.flow = false;
  for (const [key, own] of Object.entries(value)) {
    const old = item.get(key, true);
    if (own === undefined) item.delete(key);
    else if (isMap(old) && isObject(own)) {
      const dropped = old.items.map((pair) => String(pair.key))
        .filter((name) => !Object.hasOwn(own, name));
      for (const name of dropped) old.delete(name);
      changeKeys(document, old, own);
    } else if (isScalar(old) && typeof own !== "object") old.value = own;
    else item.set(key, document.createNode(own));
  }
}

/** Parses YAML text as a document, which has its comments. @throws {InputError} If it is not valid. */
function parseChecked(
  text: string,
  options: { file: string },
): Document.Parsed {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, uniqueKeys: true });
  const problem = document.errors[0];
  if (!problem) return document;
  const { line, col } = lineCounter.linePos(problem.pos[0]);
  const what = problem.message.split("\n")[0];
  throw new InputError(
    `Cannot parse ${options.file}, line ${line}, column ${col}: ${what}`,
  );
}
