import { deepStrictEqual, throws } from "node:assert/strict";
import { InputError } from "../lib/errors.ts";
import { maxDepth, openJson } from "../lib/model/scan.ts";
import { type Value, valueOf } from "../lib/model/document.ts";

function parse(text: string): Value {
  return valueOf(openJson(new TextEncoder().encode(text)));
}

/** Plain JavaScript for a value, to compare with `JSON.parse`. */
function plain(value: Value): unknown {
  if (value instanceof Map) {
    return Object.fromEntries(
      [...value as ReadonlyMap<string, Value>].map((
        [key, item],
      ) => [key, plain(item)]),
    );
  }
  return Array.isArray(value) ? value.map(plain) : value;
}

const same = [
  ' { "a" : [ 1 , -2.5e-3, 0, 1E5 ] } ',
  "[]",
  "{}",
  "[ ]",
  '[true, false, null, "x\\u00e9\\n\\"", [[1]], {"b": {"c": []}}]',
  '"\\\\"',
  "-0",
  "123456789.25",
  '["\u20ac",1]',
];

for (const text of same) {
  Deno.test(`openJson() reads ${text} as JSON.parse does`, () => {
    deepStrictEqual(plain(parse(text)), JSON.parse(text));
  });
}

Deno.test("openJson() reads the NaN and Infinity that XGBoost writes", () => {
  deepStrictEqual(parse("[NaN,Infinity,-Infinity,1E0]"), [
    NaN,
    Infinity,
    -Infinity,
    1,
  ]);
});

const broken: readonly [string, RegExp][] = [
  ["", /byte 0: the file ends here/],
  ["[1,2", /the file ends here/],
  ['{"a":1,"a":2}', /byte 10: key "a" stands twice/],
  ["[1,]", /byte 3: expected a value/],
  ["[01]", /expected a value, found "01"/],
  ["[+1]", /expected a value, found "\+1"/],
  ["[.5]", /expected a value/],
  ["[nan]", /expected a value, found "nan"/],
  ['{"a" 1}', /byte 5: expected :/],
  ["{1:2}", /expected a key/],
  ['["a]', /a text without an end/],
  ['["\\x"]', /byte 1: not a text/],
  ["[1] 2", /1 bytes left over after the end/],
  ["[".repeat(100_000), new RegExp(`nested deeper than ${maxDepth}`)],
  [
    `[${"[],".repeat(1_000_000)}[]]`,
    /more objects and arrays than a model has/,
  ],
  [`[${"1".repeat(200)}x]`, /expected a value/],
];

for (const [text, message] of broken) {
  Deno.test(`openJson() refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
    throws(() => parse(text), (error) => {
      return error instanceof InputError && message.test(error.message);
    });
  });
}

Deno.test("openJson() refuses bytes that are not UTF-8", () => {
  throws(
    () => openJson(Uint8Array.of(0x22, 0xff, 0x22)),
    /byte 0: not a text/,
  );
});

Deno.test("openJson() refuses a file that no WebAssembly memory holds", () => {
  throws(
    () => openJson(new Uint8Array(2 ** 32)),
    (error) =>
      error instanceof InputError &&
      /needs \d+ bytes.*4 GiB/.test(error.message),
  );
});
