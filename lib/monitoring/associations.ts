/** Judges how rank correlations between important columns have changed since the model was logged. */
import type { Thresholds } from "../config/monitoring.ts";
import {
  associationChanges,
  type AssociationSums,
} from "../statistics/associations.ts";
import { band, type Severity } from "./verdict.ts";

/** A changed pair of columns, with the fields of the JSON report. */
export interface AssociationDrift {
  readonly columns: readonly [string, string];
  readonly severity: "warn" | "fail";
  /** Rank correlation in the reference and now. */
  readonly correlation_ref: number;
  readonly correlation_cur: number;
  readonly reason: string;
}

/**
 * Returns the pairs whose correlation changed: by at least the limit, and beyond
 * the standard errors that the number of pairs asks for. The largest change first.
 *
 * @param reference `features`: the watched features; `names`: all features'.
 */
export function judgeAssociations(
  reference: AssociationSums & {
    readonly features: readonly number[];
    readonly names: readonly string[];
  },
  current: AssociationSums,
  { association, min_rows }: Pick<Thresholds, "association" | "min_rows">,
): AssociationDrift[] {
  if (Math.min(reference.rows, current.rows) < min_rows) return [];
  return associationChanges(reference, current)
    .filter(({ errors }) => errors > association.errors)
    .toSorted((a, b) => sizeOf(b) - sizeOf(a))
    .flatMap((change) => {
      const severity: Severity = band(sizeOf(change), association);
      if (severity === "ok") return [];
      const { pair, before, now } = change;
      const nameOf = (position: number) =>
        reference.names[reference.features[position]!]!;
      const columns = [nameOf(pair[1]), nameOf(pair[0])] as const;
      return [{
        columns,
        severity,
        correlation_ref: before,
        correlation_cur: now,
        reason: `${columns[0]} with ${
          columns[1]
        } ${severity}s: rank correlation ${before.toFixed(2)} before, ${
          now.toFixed(2)
        } now (warns at a change of ${association.warn}, fails at ${association.fail})`,
      }];
    });
}

function sizeOf({ before, now }: { before: number; now: number }): number {
  return Math.abs(now - before);
}
