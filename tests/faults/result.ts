/** The rows of the table in `docs/reliability.md`, and how a family of faults makes them. */

/**
 * The result of one fault, tried many times on one subject. Lost and doubled
 * count rows of the input; the others count tries.
 */
export interface FaultResult {
  /** `churn`, or a peer such as `pandas to_sql`. */
  readonly subject: string;
  readonly fault: string;
  readonly tries: number;
  /** Rows that were missing after the last run. */
  readonly lost: number;
  /** Rows that were stored more than once. */
  readonly doubled: number;
  /** Tries in which a reader saw a part of a batch. */
  readonly halfVisible: number;
  /** Tries with a wrong value, a wrong exit code or message, or with leftovers; `remark` says which. */
  readonly wrong: number;
  /** Tries after which the next run did not complete. */
  readonly unfinished: number;
  readonly seed: number;
  /** A command that repeats it, or the first failed try, in one line. */
  readonly repro: string;
  /** What failed first, or what the reader of the table should know. */
  readonly remark?: string;
}

/** How often to try. Try number `n` is determined by `seed + n`. */
export interface FaultOptions {
  readonly seed: number;
  readonly tries: number;
}

/** Faults of one kind. */
export interface FaultFamily {
  /** Its name for `--only`. */
  readonly name: string;
  /** Tries in a check of a few seconds, which gates every change; 0 leaves the family out. */
  readonly small: number;
  /** Tries for the table. */
  readonly full: number;
  /** Throws if this machine lacks what the family needs; called before the first family runs. */
  readonly check?: () => Promise<void>;
  /** Makes one row per fault and subject. */
  readonly run: (options: FaultOptions) => Promise<readonly FaultResult[]>;
}

/** What can go wrong, in the order of the table. */
export const failures = [
  "lost",
  "doubled",
  "halfVisible",
  "wrong",
  "unfinished",
] as const;

/** Returns whether nothing went wrong. */
export function isClean(result: FaultResult): boolean {
  return failures.every((name) => result[name] === 0);
}

/** Returns the command that repeats a family, by default the whole of it. */
export function reproOf(
  family: string,
  { seed, tries = 1 }: { seed: number; tries?: number },
): string {
  return `deno task test:faults --only ${family} --tries ${tries} --seed ${seed}`;
}
