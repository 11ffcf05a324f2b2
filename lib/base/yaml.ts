/** Reads and writes YAML. The only module that imports `npm:yaml`. */
import { LineCounter, parseDocument, stringify } from "yaml";
import { InputError } from "./errors.ts";

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
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, uniqueKeys: true });
  const problem = document.errors[0];
  if (problem) {
    const { line, col } = lineCounter.linePos(problem.pos[0]);
    const what = problem.message.split("\n")[0];
    throw new InputError(
      `Cannot parse ${options.file}, line ${line}, column ${col}: ${what}`,
    );
  }
  try {
    const value: unknown = document.toJS();
    JSON.stringify(value); // throws if an alias contains itself
    return value;
  } catch (cause) {
    throw new InputError(
      `Cannot parse ${options.file}: an alias (*name) leads nowhere, contains itself or repeats too much; write the value out`,
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
