import { deepStrictEqual, throws } from "node:assert/strict";
import { InputError } from "../../lib/base/errors.ts";
import { openUbjson } from "../../lib/model/formats/ubjson.ts";
import {
  type DecodedValue,
  maxDepth,
  valueOf,
} from "../../lib/model/formats/document.ts";

/** Texts as Latin-1, numbers as bytes. */
function bytes(...parts: (string | number | number[])[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "string"
        ? [...part].map((letter) => letter.charCodeAt(0))
        : part
    ),
  );
}

function int64(value: bigint): number[] {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigInt64(0, value);
  return [...new Uint8Array(view.buffer)];
}

/** Bytes and what the specification says they are (https://ubjson.org/type-reference/value-types/). */
const values: readonly [string, Uint8Array, DecodedValue][] = [
  ["null", bytes("Z"), null],
  ["true", bytes("T"), true],
  ["false", bytes("F"), false],
  ["int8", bytes("i", 0xff), -1],
  ["uint8", bytes("U", 0xff), 255],
  ["int16", bytes("I", 0x80, 0x00), -32768],
  ["int32", bytes("l", 0x80, 0, 0, 0), -(2 ** 31)],
  ["int64", bytes("L", int64(-(2n ** 40n))), -(2 ** 40)],
  ["float32", bytes("d", 0x3f, 0x80, 0, 1), 1.00000011920928955],
  [
    "float64",
    bytes("D", 0x3f, 0xf0, 0, 0, 0, 0, 0, 1),
    1.0000000000000002,
  ],
  ["high-precision", bytes("H", "i", 6, "-1.5e3"), -1500],
  ["char", bytes("C", "x"), "x"],
  ["string", bytes("S", "U", 3, "a", 0xc3, 0xa9), "aé"],
  ["array", bytes("[", "i", 1, "N", "T", "]"), [1, true]],
  ["counted array", bytes("[#", "i", 2, "i", 1, "Z"), [1, null]],
  ["int8s", bytes("[$i#", "i", 2, 1, 0xfe), Int8Array.of(1, -2)],
  ["uint8s", bytes("[$U#", "i", 2, 1, 0xfe), Uint8Array.of(1, 254)],
  ["int16s", bytes("[$I#", "i", 1, 1, 2), Int16Array.of(258)],
  ["int32s", bytes("[$l#", "i", 1, 0, 0, 1, 2), Int32Array.of(258)],
  [
    "int64s",
    bytes("[$L#", "L", int64(1n), int64(-3n)),
    Float64Array.of(-3),
  ],
  [
    "float32s",
    bytes("[$d#", "i", 1, 0x7f, 0x80, 0, 0),
    Float32Array.of(Infinity),
  ],
  [
    "float64s",
    bytes("[$D#", "i", 1, 0x40, 0, 0, 0, 0, 0, 0, 0),
    Float64Array.of(2),
  ],
  ["strings", bytes("[$S#", "i", 2, "i", 1, "a", "i", 1, "b"), ["a", "b"]],
  ["object", bytes("{", "i", 1, "a", "T", "}"), new Map([["a", true]])],
  [
    "counted object",
    bytes("{#", "i", 1, "i", 1, "a", "T"),
    new Map([["a", true]]),
  ],
  [
    "typed object",
    bytes("{$U#", "i", 1, "i", 1, "a", 7),
    new Map([["a", 7]]),
  ],
  [
    "nested objects with the same keys",
    bytes(
      ...["{", "i", 1, "a", "{", "i", 1, "a", "T", "i", 1, "b", "F", "}"],
      ...["i", 1, "b", "{", "i", 1, "a", "Z", "}", "}"],
    ),
    new Map<string, DecodedValue>([
      ["a", new Map([["a", true], ["b", false]])],
      ["b", new Map([["a", null]])],
    ]),
  ],
  [
    "__proto__",
    bytes("{", "i", 9, "__proto__", "i", 1, "}"),
    new Map([["__proto__", 1]]),
  ],
];

for (const [name, input, expected] of values) {
  Deno.test(`openUbjson() reads ${name}`, () => {
    deepStrictEqual(valueOf(openUbjson(input)), expected);
  });
}

const invalid: readonly [string, Uint8Array, RegExp][] = [
  ["an empty file", bytes(), /byte 0: expected 1 more bytes, found 0/],
  ["an unknown type", bytes("x"), /byte 0: unknown type "x"/],
  ["a truncated number", bytes("D", 0, 0), /expected 8 more bytes, found 2/],
  [
    "an array of 2^62 numbers",
    bytes("[$d#", "L", int64(2n ** 62n)),
    /length 46116860184273/,
  ],
  [
    "an array of 2^40 numbers",
    bytes("[$d#", "L", int64(2n ** 40n)),
    /expected 4398046511104 more bytes, found 0/,
  ],
  [
    "an array of 2^40 values",
    bytes("[#", "L", int64(2n ** 40n)),
    /expected 1099511627776 more bytes/,
  ],
  [
    "a string of 2^40 bytes",
    bytes("S", "L", int64(2n ** 40n)),
    /expected 1099511627776 more bytes/,
  ],
  ["a negative length", bytes("S", "i", 0xff), /length -1/],
  [
    "a length that is a float",
    bytes("S", "d", 0, 0, 0, 0),
    /length of type "d"/,
  ],
  [
    "2^31 nulls, which take no bytes",
    bytes("[$Z#", "l", 0x7f, 0xff, 0xff, 0xff),
    /containers of type Z are not supported/,
  ],
  [
    "an unknown type of an empty array",
    bytes("[$?#", "i", 0),
    /byte 2: unknown type "\?"/,
  ],
  ["a type of byte 0", bytes("[$", 0, "#", "i", 0), /byte 2: unknown type/],
  ["a type without a count", bytes("[$d", 0, 0), /type without a count/],
  [
    "a duplicate key",
    bytes("{", "i", 1, "a", "T", "i", 1, "a", "F", "}"),
    /duplicate key "a"/,
  ],
  [
    "a duplicate key before and after an object with the same key",
    bytes("{", "i", 1, "a", "{", "i", 1, "a", "T", "}", "i", 1, "a", "F", "}"),
    /duplicate key "a"/,
  ],
  [
    "more keys than any model has",
    bytes(
      "{",
      Array.from({ length: 5000 }, (_, n) => [
        ...bytes("i", 4, n.toString(36).padStart(4, "0"), "Z"),
      ]).flat(),
      "}",
    ),
    /more than 4096 distinct keys/,
  ],
  ["bytes after the end", bytes("T", "T"), /1 bytes after the end/],
  [
    "a string that is not UTF-8",
    bytes("S", "i", 1, 0xff),
    /byte 3: string is not UTF-8/,
  ],
  [
    "an invalid high-precision number",
    bytes("H", "i", 3, "NaN"),
    /invalid number "NaN"/,
  ],
  [
    "deep nesting",
    new Uint8Array(1_000_000).fill(0x5b),
    new RegExp(`nested deeper than ${maxDepth}`),
  ],
  [
    "two million empty arrays",
    bytes(
      "[",
      Array.from({ length: 4_000_000 }, (_, i) => i % 2 ? 0x5d : 0x5b),
    ),
    /more objects and arrays than any model has/,
  ],
];

for (const [name, input, message] of invalid) {
  Deno.test(`openUbjson() rejects ${name}`, () => {
    throws(() => openUbjson(input), (error) => {
      return error instanceof InputError && message.test(error.message);
    });
  });
}
