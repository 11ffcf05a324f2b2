/**
 * Parsers for values in Postgres's text form, shared by both drivers: by default
 * `pg` and PGlite read a `date` as midnight in the local time zone.
 */

import { type OutputColumn, toText } from "../rows/output.ts";

/** Parses one value; never called for null. */
export type Parser = (text: string) => unknown;

/** Every type that we parse ourselves, with its oids in `pg_type`; the drivers agree on the others. */
const typeParsers: readonly {
  readonly oid: number;
  readonly arrayOid: number;
  /** For the rest of the code. */
  readonly value: Parser;
  /** For `query`: text if a JavaScript value would differ. */
  readonly exact: Parser;
}[] = [
  { oid: 20, arrayOid: 1016, value: exactNumber, exact: numberOrText }, // int8
  { oid: 1700, arrayOid: 1231, value: Number, exact: numberOrText }, // numeric
  { oid: 700, arrayOid: 1021, value: Number, exact: finiteOrText }, // float4
  { oid: 701, arrayOid: 1022, value: Number, exact: finiteOrText }, // float8
  { oid: 1184, arrayOid: 1185, value: dateOrText, exact: isoText }, // timestamptz
  { oid: 114, arrayOid: 199, value: JSON.parse, exact: exactJson }, // json
  { oid: 3802, arrayOid: 3807, value: JSON.parse, exact: exactJson }, // jsonb
  ...[
    [1082, 1182], // date
    [1114, 1115], // timestamp without time zone
    [1186, 1187], // interval
  ].map(([oid = 0, arrayOid = 0]) => ({
    oid,
    arrayOid,
    value: asText,
    exact: asText,
  })),
];

/**
 * Returns the parsers for our types and their arrays, by oid.
 *
 * @param kind `exact`: for `query`, text if a JavaScript value would differ.
 * @param arrayParser Returns the driver's parser for an array, given the parser for one item.
 */
export function parsersOf(
  kind: "value" | "exact",
  arrayParser: (parse: Parser, arrayOid: number) => Parser,
): Record<number, Parser> {
  return Object.fromEntries(
    typeParsers.flatMap(({ oid, arrayOid, [kind]: parse }) => [
      [oid, parse],
      [arrayOid, arrayParser(parse, arrayOid)],
    ]),
  );
}

/** The types of result columns by oid; any other type is text. */
const outputTypes: Readonly<Record<number, OutputColumn["type"]>> = {
  16: "boolean",
  20: "integer", // int8
  21: "int32", // int2
  23: "int32", // int4
  26: "integer", // oid
  700: "float", // float4
  701: "number", // float8
  1700: "number", // numeric
  1082: "date",
  1114: "local-micros", // timestamp without time zone
  1184: "micros", // timestamptz
};

/** Types whose values are shown as Postgres prints them: numbers, texts, days and times, JSON. */
const shownAsStored = new Set(
  [18, 19, 20, 21, 23, 25, 26, 114, 700, 701, 1042, 1043, 1082, 1114, 1186]
    .concat(1700, 2950, 3802),
);

/** Returns the type of a result column, and how its values are shown. */
export function describeType(
  oid: number,
  parse: Parser,
): { type: OutputColumn["type"]; show: (text: string) => string } {
  return {
    type: outputTypes[oid] ?? "text",
    show: shownAsStored.has(oid) ? asText : (text) => toText(parse(text)),
  };
}

/**
 * Parses an `int8` in text form.
 *
 * ```ts
 * import { strictEqual, throws } from "node:assert/strict";
 *
 * strictEqual(exactNumber("1764"), 1764);
 * throws(() => exactNumber("9007199254740993"), RangeError);
 * ```
 *
 * @throws {RangeError} If a JavaScript number cannot represent it exactly.
 */
export function exactNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new RangeError(
    `Cannot read the int8 ${text} as a number: it is larger than 2^53`,
  );
}

/** Returns a number if its integer part is a safe integer and it has the value of the text; otherwise the text, including for NaN and infinities. */
function numberOrText(text: string): number | string {
  const value = Number(text);
  return Number.isSafeInteger(Math.trunc(value)) && isExact(value, text)
    ? value
    : text;
}

/** Any decimal number of so many digits is the shortest that its double is printed as. */
const exactDigits = 15;

/** Tells whether a number has the value of a decimal text, as far as digits go: up to 15, or all that it is printed with. */
function isExact(value: number, text: string): boolean {
  const plain = text.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
  const digits = plain.replace(/e.*$/i, "").replaceAll(/[-+.]/g, "")
    .replace(/^0+/, "");
  return Number.isFinite(value) &&
    (digits.length <= exactDigits || String(value) === plain);
}

declare global {
  /** What ECMAScript 2026 has (https://github.com/tc39/proposal-json-parse-with-source), and TypeScript's library does not declare yet. */
  interface JSON {
    rawJSON(text: string): unknown;
    parse(
      text: string,
      reviver: (
        key: string,
        value: unknown,
        context: { readonly source?: string },
      ) => unknown,
    ): unknown;
  }
}

/** Parses a JSON document; a number that a JavaScript number would change keeps its text when it is written as JSON again. */
function exactJson(text: string): unknown {
  return JSON.parse(
    text,
    (_key, value, { source }) =>
      typeof value === "number" && source !== undefined &&
        !isExact(value, source)
        ? JSON.rawJSON(source)
        : value,
  );
}

/** Returns a finite number, or the text of NaN and infinities, which JSON cannot represent. */
function finiteOrText(text: string): number | string {
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}

/** Returns a `Date`, or the text of a time that it cannot represent, such as `infinity` or a BC date. */
function dateOrText(text: string): Date | string {
  const date = new Date(isoText(text));
  return Number.isNaN(date.getTime()) ? text : date;
}

/** Returns a UTC time as `2026-11-23T06:00:00.123456Z`, with all fraction digits, at least three; other times as Postgres prints them. */
function isoText(text: string): string {
  const [, day, time, fraction = ""] =
    /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))?\+00$/.exec(text) ?? [];
  return day === undefined
    ? text
    : `${day}T${time}.${fraction.padEnd(3, "0")}Z`;
}

/** Returns the text itself: a parser for what is used as Postgres prints it. */
export function asText(text: string): string {
  return text;
}
