/** Parses ISO 8601 dates and times, and counts the days between two of them. */

/** A point in time. */
export interface DateTime {
  /** Days since 1970-01-01. */
  readonly day: number;
  /** Nanoseconds since midnight. */
  readonly nanoseconds: number;
  /** Whether the text has a time zone (`Z` or an offset); day and nanoseconds are then in UTC. */
  readonly hasZone: boolean;
}

const iso =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

const dayMs = 86_400_000;
const dayNanoseconds = 86_400_000_000_000;
const minuteNanoseconds = 60_000_000_000;

/**
 * Returns the point in time of an ISO 8601 text: a date, or a date and a time
 * with at most nine decimals; undefined for any other text.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * deepStrictEqual(parseDateTime("1970-01-02"), { day: 1, nanoseconds: 0, hasZone: false });
 * deepStrictEqual(parseDateTime("1970-01-02 01:00:00+02:00"), { day: 0, nanoseconds: 82800e9, hasZone: true });
 * deepStrictEqual(parseDateTime("1970-02-30"), undefined);
 * ```
 */
export function parseDateTime(text: string): DateTime | undefined {
  const parts = iso.exec(text);
  if (!parts) return undefined;
  const [, year, month, date, hour = "0", minute = "0", second = "0"] = parts;
  const [fraction = "", zone] = parts.slice(7);
  const when = new Date(0);
  when.setUTCFullYear(Number(year), Number(month) - 1, Number(date));
  const isDate = when.getUTCMonth() === Number(month) - 1 &&
    when.getUTCDate() === Number(date);
  const isTime = Number(hour) < 24 && Number(minute) < 60 &&
    Number(second) < 60;
  const offset = zone === undefined || zone === "Z" ? 0 : toMinutes(zone);
  if (!isDate || !isTime || offset === undefined) return undefined;
  const minutes = Number(hour) * 60 + Number(minute) - offset;
  const days = Math.floor(minutes / 1440);
  return {
    day: when.getTime() / dayMs + days,
    nanoseconds: (minutes - days * 1440) * minuteNanoseconds +
      Number(second) * 1e9 + Number(fraction.padEnd(9, "0")),
    hasZone: zone !== undefined,
  };
}

/** Returns an offset such as `+05:30` in minutes; undefined if there is none like it. */
function toMinutes(zone: string): number | undefined {
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(-2));
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith("-") ? -1 : 1) * (hours * 60 + minutes);
}

/**
 * Returns the whole days from `start` to `end`, rounded down, as `.dt.days` of
 * pandas: an hour before is -1.
 */
export function daysBetween(start: DateTime, end: DateTime): number {
  const days = end.day - start.day;
  return end.nanoseconds < start.nanoseconds ? days - 1 : days;
}

/** How points in time are stored. */
export interface StoredTime {
  /** Nanoseconds of a unit, of which the values are the number since 1970-01-01. */
  readonly unit: number;
  /** Whether the values are in UTC; otherwise they have no time zone. */
  readonly hasZone: boolean;
}

/** The unit of dates, in nanoseconds. */
export const dayUnit = dayNanoseconds;

/**
 * Returns stored points in time as texts that {@linkcode parseDateTime} reads,
 * if the years have four digits.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const days = { unit: dayUnit, hasZone: false };
 * deepStrictEqual(toIsoTexts(Int32Array.of(-1, 1), days), ["1969-12-31", "1970-01-02"]);
 * const micros = { unit: 1000, hasZone: true };
 * deepStrictEqual(toIsoTexts(BigInt64Array.of(-1n), micros), ["1969-12-31T23:59:59.999999000Z"]);
 * ```
 */
export function toIsoTexts(
  values: Int32Array | BigInt64Array,
  { unit, hasZone }: StoredTime,
): string[] {
  const perDay = BigInt(dayUnit / unit);
  const zone = hasZone ? "Z" : "";
  return Array.from<number | bigint, string>(values, (value) => {
    const count = BigInt(value);
    const rest = ((count % perDay) + perDay) % perDay;
    const day = new Date(Number((count - rest) / perDay) * dayMs);
    if (Number.isNaN(day.getTime())) return `${count} units of ${unit} ns`;
    const [date = ""] = day.toISOString().split("T");
    if (unit === dayUnit) return date;
    const nanoseconds = rest * BigInt(unit);
    const time = new Date(Number(nanoseconds / 1_000_000n)).toISOString()
      .slice(11, 19);
    const fraction = String(nanoseconds % 1_000_000_000n).padStart(9, "0");
    return `${date}T${time}${
      Number(fraction) > 0 ? `.${fraction}` : ""
    }${zone}`;
  });
}
