/** Resolves paths that a person wrote on the command line or in a setting. */
import { fileURLToPath } from "node:url";
import { resolve } from "node:path";

/**
 * Returns the absolute local path for a command-line argument; undefined for a
 * URI of another scheme (`s3://…`), for `-` and for an empty text. `~` is the
 * user's home, and a relative path is resolved against `folder`.
 *
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 *
 * const user = { folder: "/data", home: "/home/me" };
 * strictEqual(toLocalPath("week.jsonl", user), "/data/week.jsonl");
 * strictEqual(toLocalPath("~/week.jsonl", user), "/home/me/week.jsonl");
 * strictEqual(toLocalPath("s3://bucket/week.jsonl", user), undefined);
 * ```
 */
export function toLocalPath(
  text: string,
  user: { folder: string; home: string | undefined },
): string | undefined {
  if (text === "" || text === "-") return undefined;
  if (text.startsWith("file:")) return fileURLToPath(text);
  if (/^[a-z][a-z0-9+.-]+:/i.test(text)) return undefined;
  return resolve(user.folder, expandHome(text, user.home));
}

/** Replaces a leading `~` of a path by the user's home. */
export function expandHome(path: string, home: string | undefined): string {
  return home !== undefined && /^~(\/|$)/.test(path)
    ? `${home}${path.slice(1)}`
    : path;
}
