/** Parses flag values as numbers and dates. */
import { UsageError } from "./errors.ts";

/**
 * Parses a flag value as a number, 0 or greater.
 *
 * @param options `flag`: its name in errors; `integer`: whether fractions are rejected; `most`: the highest number that is accepted.
 * @throws {UsageError} If it is not such a number.
 */
export function toCount(
  text: string,
  options: { flag: string; integer?: boolean; most?: number },
): number {
  const { flag, integer = false, most = Infinity } = options;
  const value = Number(text);
  const fits = text.trim() !== "" && Number.isFinite(value) && value >= 0 &&
    value <= most && (!integer || Number.isInteger(value));
  if (fits) return value;
  throw new UsageError(
    `Cannot use --${flag} "${text}": expected a ${
      integer ? "whole " : ""
    }number, ${most === Infinity ? "0 or greater" : `0 to ${most}`}`,
  );
}

/** Validates a flag value as a date such as 2026-11-16 and returns it. @throws {UsageError} If it is not a calendar date. */
export function dayOf(text: string): string {
  const time = new Date(`${text}T00:00:00Z`);
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text) &&
    !Number.isNaN(time.getTime()) &&
    time.toISOString().startsWith(text);
  if (isDay) return text;
  throw new UsageError(
    `Cannot use the day "${text}": expected a date such as 2026-11-16`,
  );
}
