/** Explains why a file cannot be written. */
import { TransientError, UsageError } from "./errors.ts";

/**
 * Returns the error for a write to `path` that failed: a {@linkcode TransientError}
 * if the disk or the user's quota is full, a {@linkcode UsageError} if the file
 * system is read-only, otherwise the error itself. The codes are those of POSIX's
 * `errno.h`.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const full = Object.assign(new Error("No space left on device"), { code: "ENOSPC" });
 * strictEqual(String(explainDiskError(full, "/tmp/x")), "TransientError: Cannot write /tmp/x: the disk is full; free space and run the command again");
 * ```
 */
export function explainDiskError(error: unknown, path: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : "";
  switch (code) {
    case "ENOSPC":
      return new TransientError(
        `Cannot write ${path}: the disk is full; free space and run the command again`,
      );
    case "EDQUOT":
      return new TransientError(
        `Cannot write ${path}: the disk quota of this user is full; free space and run the command again`,
      );
    case "EROFS":
      return new UsageError(
        `Cannot write ${path}: the file system is read-only; name another folder (CHURN_HOME, --output)`,
      );
    default:
      return error;
  }
}
