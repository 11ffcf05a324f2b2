/**
 * Reads UBJSON and JSON files. Compiled code does it (`wasm/assembly/`),
 * because it happens once a process, before JavaScript has been made fast.
 * Files come from outside: all work is bounded by the number of bytes.
 */
import { InputError } from "../base/errors.ts";
import { toDouble } from "./decimal.ts";
import type { Place } from "./document.ts";
import { copyIn, instantiate } from "./wasm/module.ts";

/** Deeper nesting than any model has (theirs is 8), and far from any stack's end. */
export const maxDepth = 64;

/**
 * How many objects and arrays a document of so many bytes may hold. A real
 * tree takes over 500 bytes for its 20 of them, and a small file shall not
 * fill the memory.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * strictEqual(maxContainers(0), 1000);
 * ```
 */
export function maxContainers(bytes: number): number {
  return 1000 + Math.floor(bytes / 8);
}

/**
 * The value of a UBJSON file (draft 12, https://ubjson.org).
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { valueOf } from "./document.ts";
 *
 * const bytes = Uint8Array.from([..."{i\x01a[$U#i\x02\x07\x08}"].map((c) => c.charCodeAt(0)));
 * deepStrictEqual(valueOf(openUbjson(bytes)), new Map([["a", Uint8Array.of(7, 8)]]));
 * ```
 *
 * @throws {InputError} If the bytes are no UBJSON, with the offset of the first wrong one; if a key stands twice; if bytes are left over.
 */
export function openUbjson(bytes: Uint8Array): Place {
  return open(bytes, "UBJSON");
}

/**
 * The value of a JSON file (RFC 8259), in which `NaN` and `Infinity` are
 * numbers, as XGBoost writes them.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { valueOf } from "./document.ts";
 *
 * const bytes = new TextEncoder().encode('{"a": [1, NaN, "é"]}');
 * deepStrictEqual(valueOf(openJson(bytes)), new Map([["a", [1, NaN, "é"]]]));
 * ```
 *
 * @throws {InputError} If the bytes are no JSON, with the offset of the first wrong one; if a key stands twice.
 */
export function openJson(bytes: Uint8Array): Place {
  return open(bytes, "JSON");
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** The memory of a document starts with so much more than its file. */
const spareBytes = 1 << 20;

function open(bytes: Uint8Array, format: "UBJSON" | "JSON"): Place {
  const broken = (offset: number, problem: string) =>
    new InputError(`Cannot read ${format}: byte ${offset}: ${problem}`);
  const textAt = (at: number, length: number) =>
    utf8.decode(new Uint8Array(place.memory.buffer, at, length));
  const place = instantiate(bytes.length + spareBytes, {
    imports: {
      refuse(problem, offset, a, b) {
        const ends = format === "JSON" && offset >= bytes.length;
        const words = ends ? "the file ends here" : problems[problem];
        throw broken(
          offset,
          typeof words === "function" ? words(a, b, textAt) : words ?? "broken",
        );
      },
      highPrecision(at, length, offset) {
        const text = textAt(at, length);
        if (/^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text)) return toDouble(text);
        throw broken(offset, `not a number: ${text}`);
      },
      parseNumber: (at, length) => toDouble(textAt(at, length)),
    },
  });
  const { code } = place;
  const at = copyIn(place, bytes);
  const scan = format === "JSON" ? code.scanJson : code.scanUbjson;
  const node = scan(at, bytes.length, maxDepth, maxContainers(bytes.length));
  return { document: { ...place, keys: new Map() }, node, path: "" };
}

type Words =
  | string
  | ((
    a: number,
    b: number,
    textAt: (at: number, length: number) => string,
  ) => string);

/** What `Problem` of `wasm/assembly/tape.ts` means, in its order. */
const problems: readonly Words[] = [
  (a, b) => `${a} more bytes expected, ${b} are left`,
  (a) => `${a} bytes left over after the end`,
  (a) => `unknown type ${letter(a)}`,
  (a) => `a length of type ${letter(a)}`,
  (a) => `a length of ${a}`,
  "a type without a count",
  (a) => `a container of type ${String.fromCharCode(a)} is not supported`,
  (a, b, textAt) => `key ${JSON.stringify(textAt(a, b))} stands twice`,
  (a) => `more than ${a} different keys`,
  `nested deeper than ${maxDepth}`,
  "more objects and arrays than a model has",
  "expected a key",
  (a) => `expected ${String.fromCharCode(a)}`,
  (a, b, textAt) => `expected a value, found ${JSON.stringify(textAt(a, b))}`,
  "a text without an end",
  "a text that is not UTF-8",
  "not a text",
];

function letter(code: number): string {
  return JSON.stringify(String.fromCharCode(code));
}
