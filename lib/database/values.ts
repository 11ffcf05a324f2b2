/**
 * How a value in Postgres's text form is read, for both drivers: by themselves
 * `pg` and PGlite read a `date` as midnight of this machine's time zone.
 */

/** Reads one value; null never reaches it. */
export type Parser = (text: string) => unknown;

/** The parsers of a type and of its array, by their oids in `pg_type`. */
export interface TypeParser {
  readonly oid: number;
  readonly arrayOid: number;
  /** As the rest of the code wants it. */
  readonly value: Parser;
  /** As `query` shows it: text where a JavaScript value would be another one. */
  readonly exact: Parser;
}

/** Every type whose reading is ours; the drivers agree about the others. */
export const typeParsers: readonly TypeParser[] = [
  { oid: 20, arrayOid: 1016, value: exactNumber, exact: numberOrText }, // int8
  { oid: 1700, arrayOid: 1231, value: Number, exact: numberOrText }, // numeric
  { oid: 700, arrayOid: 1021, value: Number, exact: finiteOrText }, // float4
  { oid: 701, arrayOid: 1022, value: Number, exact: finiteOrText }, // float8
  { oid: 1184, arrayOid: 1185, value: dateOrText, exact: isoText }, // timestamptz
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
 * The number that an `int8` in text form stands for.
 *
 * ```ts
 * import { strictEqual, throws } from "node:assert/strict";
 *
 * strictEqual(exactNumber("1764"), 1764);
 * throws(() => exactNumber("9007199254740993"), RangeError);
 * ```
 *
 * @throws {RangeError} If a JavaScript number cannot hold it exactly.
 */
export function exactNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new RangeError(
    `Cannot read the int8 ${text} as a number: it is over 2^53`,
  );
}

/** A number whose whole part a JavaScript number holds; the text of any other, NaN and infinities too. */
function numberOrText(text: string): number | string {
  const value = Number(text);
  return Number.isSafeInteger(Math.trunc(value)) ? value : text;
}

/** JSON has no NaN and no infinities. */
function finiteOrText(text: string): number | string {
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}

/** A `Date`; the text of a time that it cannot hold, such as `infinity` or one before Christ. */
function dateOrText(text: string): Date | string {
  const date = new Date(isoText(text));
  return Number.isNaN(date.getTime()) ? text : date;
}

/** `2026-11-23T06:00:00.123456Z` of the sessions' UTC, with all digits of the fraction, at least three; other times as Postgres prints them. */
function isoText(text: string): string {
  const [, day, time, fraction = ""] =
    /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))?\+00$/.exec(text) ?? [];
  return day === undefined
    ? text
    : `${day}T${time}.${fraction.padEnd(3, "0")}Z`;
}

function asText(text: string): string {
  return text;
}
