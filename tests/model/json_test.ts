import { deepStrictEqual, ok, throws } from "node:assert/strict";
import { InputError } from "../../lib/base/errors.ts";
import { openJson } from "../../lib/model/formats/json.ts";
import { toDouble } from "../../lib/model/formats/float32.ts";
import {
  type DecodedValue,
  float32sOf,
  maxDepth,
  valueOf,
} from "../../lib/model/formats/document.ts";
import { seededNumbers } from "../support/ensembles.ts";

function parse(text: string): DecodedValue {
  return valueOf(openJson(new TextEncoder().encode(text)));
}

/** Converts a value to plain JavaScript, to compare it with `JSON.parse`. */
function plain(value: DecodedValue): unknown {
  if (value instanceof Map) {
    return Object.fromEntries(
      [...value as ReadonlyMap<string, DecodedValue>].map((
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
  '{"a":{"a":{"a":1}},"b":{"a":2,"b":{"a":3}}}',
  '{"\\u0061b\\n":1,"\u20ac":{"\u20ac":[]}}',
  "[1,2,[3,4],5]",
  "[[],[1],[1,true],{}]",
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

/** Returns a string that is a number or resembles one. */
function numberLike(random: () => number): string {
  const pick = (letters: string) =>
    letters[Math.floor(random() * letters.length)] ?? "";
  const digits = (max: number) =>
    Array.from(
      { length: Math.floor(random() * max) },
      () => pick("0123456789"),
    )
      .join("");
  if (random() < 0.3) {
    return Array.from({ length: 1 + random() * 6 }, () => pick("0123.eE+-"))
      .join("");
  }
  const whole = pick("0123456789") + (random() < 0.5 ? digits(18) : "");
  const part = random() < 0.7 ? `.${digits(20)}` : "";
  const power = random() < 0.6
    ? pick("eE") + (["", "-", "+"][Math.floor(random() * 3)] ?? "") + digits(4)
    : "";
  return (random() < 0.5 ? "-" : "") + whole + part + power;
}

Deno.test("openJson() reads numbers bit for bit as JSON.parse does, and rejects what it rejects", () => {
  const random = seededNumbers(11);
  let accepted = 0;
  for (let n = 0; n < 4000; n++) {
    const text = numberLike(random);
    for (const whole of [text, `[${text}]`, `[0,${text}, 1]`]) {
      let expected: unknown;
      try {
        expected = JSON.parse(whole);
      } catch {
        throws(() => parse(whole), InputError, whole);
        continue;
      }
      deepStrictEqual(plain(parse(whole)), expected, whole);
      accepted++;
    }
  }
  ok(accepted > 3000, `${accepted}`);
});

Deno.test("openJson() reads every float32 that XGBoost may write", () => {
  const random = seededNumbers(12);
  const floats = Float32Array.from({ length: 20_000 }, (_, i) => {
    const bits = Uint32Array.of(Math.floor(random() * 2 ** 32));
    const float = new Float32Array(bits.buffer)[0] ?? 0;
    return Number.isFinite(float) ? float : i;
  });
  for (const digits of [7, 8, 9, 17]) {
    const texts = Array.from(floats, (x) => x.toExponential(digits - 1));
    const found = parse(`[${texts.join(",")}]`);
    deepStrictEqual(found, texts.map(Number));
  }
});

Deno.test("toDouble() and openJson() round to float32 as C's strtof does", async () => {
  const path = new URL("../golden/strtof.json", import.meta.url);
  const cases: [string, number][] = JSON.parse(await Deno.readTextFile(path));
  const texts = cases.map(([text]) => text);
  const expected = Uint32Array.from(cases, ([, bits]) => bits);
  const bitsOf = (floats: Float32Array) => new Uint32Array(floats.buffer);
  deepStrictEqual(bitsOf(Float32Array.from(texts, toDouble)), expected);
  const json = openJson(new TextEncoder().encode(`[${texts.join()}]`));
  deepStrictEqual(bitsOf(float32sOf(json)), expected);
  const negative = Float32Array.from(texts, (text) => -toDouble(`-${text}`));
  deepStrictEqual(bitsOf(negative), expected);
  // Rounding the nearest double instead gives other floats.
  const twice = bitsOf(Float32Array.from(texts, Number));
  ok(twice.filter((bits, n) => bits !== expected[n]).length > 100);
});

const invalid: readonly [string, RegExp][] = [
  ["", /byte 0: unexpected end of file/],
  ["[1,2", /unexpected end of file/],
  ['{"a":1,"a":2}', /byte 10: duplicate key "a"/],
  ['{"a":1,"\\u0061":2}', /duplicate key "a"/],
  ['{"a":{"b":{"a":1},"a":2},"a":3}', /duplicate key "a"/],
  [
    '{"a":{"b":{"a":1,"c":[{"a":2}]}},"b":{"a":[],"b":4,"a":5}}',
    /duplicate key "a"/,
  ],
  [
    `{${Array.from({ length: 5000 }, (_, i) => `"${i}":0`).join()}}`,
    /more than 4096 distinct keys/,
  ],
  ["[truer]", /expected a value, found "truer"/],
  ["[-Infinit]", /byte 1: expected a value, found "-Infinit"/],
  ["[--1]", /expected a value, found "--1"/],
  ['{"a":1,}', /byte 7: expected a key/],
  ["[1,]", /byte 3: expected a value/],
  ["[01]", /expected a value, found "01"/],
  ["[+1]", /expected a value, found "\+1"/],
  ["[.5]", /expected a value/],
  ["[nan]", /expected a value, found "nan"/],
  ['{"a" 1}', /byte 5: expected :/],
  ["{1:2}", /expected a key/],
  ['["a]', /unterminated string/],
  ['["\\x"]', /byte 1: invalid string/],
  ["[1] 2", /1 bytes after the end/],
  ["[".repeat(100_000), new RegExp(`nested deeper than ${maxDepth}`)],
  [
    `[${"[],".repeat(1_000_000)}[]]`,
    /more objects and arrays than any model has/,
  ],
  [`[${"1".repeat(200)}x]`, /expected a value/],
];

for (const [text, message] of invalid) {
  Deno.test(`openJson() rejects ${JSON.stringify(text.slice(0, 20))}`, () => {
    throws(() => parse(text), (error) => {
      return error instanceof InputError && message.test(error.message);
    });
  });
}

/** Returns the bytes of a string that may be invalid. */
function stringLike(random: () => number): number[] {
  const pick = <Item>(items: readonly Item[]) =>
    items[Math.floor(random() * items.length)];
  const bytes: number[] = [];
  for (let n = Math.floor(random() * 6); n >= 0; n--) {
    const hex = Math.floor(random() * 65536).toString(16).padStart(4, "0");
    const piece = pick([
      "a",
      "\u00e9",
      "\u20ac",
      "\u{1f600}",
      `\\${pick([...'"\\/bfnrtuxU0'])}`,
      `\\u${hex}`,
      `\\ud83d\\ude0${Math.floor(random() * 10)}`,
      `\\uD8${hex.slice(2)}`,
      `\\u${hex.slice(1)}`,
    ]) ?? "";
    bytes.push(...new TextEncoder().encode(piece));
    if (random() < 0.1) bytes.push(Math.floor(random() * 256));
    if (random() < 0.05) bytes.pop();
  }
  return bytes;
}

Deno.test("openJson() reads strings as TextDecoder and JSON.parse do, and rejects what they reject", () => {
  const random = seededNumbers(13);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const counts = { accepted: 0, rejected: 0 };
  for (let n = 0; n < 6000; n++) {
    const bytes = Uint8Array.of(0x22, ...stringLike(random), 0x22);
    let expected: string;
    try {
      expected = JSON.parse(decoder.decode(bytes));
    } catch {
      throws(() => openJson(bytes), InputError, `${bytes}`);
      counts.rejected++;
      continue;
    }
    // A lone surrogate becomes U+FFFD.
    deepStrictEqual(
      valueOf(openJson(bytes)),
      expected.toWellFormed(),
      `${bytes}`,
    );
    counts.accepted++;
  }
  ok(counts.accepted > 1000 && counts.rejected > 1000, JSON.stringify(counts));
});

Deno.test("openJson() reads long strings with escapes", () => {
  const text = '"\\u00e9\n'.repeat(200_000);
  deepStrictEqual(parse(JSON.stringify({ a: text })), new Map([["a", text]]));
});

Deno.test("openJson() rejects bytes that are not UTF-8", () => {
  throws(
    () => openJson(Uint8Array.of(0x22, 0xff, 0x22)),
    /byte 0: invalid string/,
  );
});
