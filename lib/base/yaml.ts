/** The only reader and writer of YAML: the owner of `npm:yaml`. */
import { LineCounter, parseDocument, stringify } from "yaml";
import { InputError } from "./errors.ts";

/**
 * The value of a YAML 1.2 text, as plain data.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(parseYaml("a: [1, true, x]", { file: "a.yaml" }), { a: [1, true, "x"] });
 * ```
 *
 * @param options `file`: what the text is called in an error.
 * @throws {InputError} If the text is not YAML, with line and column; duplicate keys are refused.
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
  return document.toJS();
}

/**
 * YAML text of plain data, in the order of its keys, without folding long lines.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(toYaml({ a: "1", b: [true] }), 'a: "1"\nb:\n  - true\n');
 * ```
 *
 * @param options `forPython`: quotes what PyYAML, which reads YAML 1.1, would
 * take for a time, a boolean or a number.
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
