/** Validates the `options` of a Postgres connection (`PGOPTIONS`, or the URI parameter). */
import { UsageError } from "../base/errors.ts";

/** Settings that this project depends on when it reads and writes, and the values it supports. */
const owned: Readonly<Record<string, RegExp>> = {
  bytea_output: /^hex$/i,
  client_encoding: /^utf-?8$/i,
  datestyle: /^iso\b/i,
  extra_float_digits: /^[123]$/,
  intervalstyle: /^postgres$/i,
  standard_conforming_strings: /^(on|true|1)$/i,
  synchronous_commit: /^on$/i,
  timezone: /^(utc|etc\/utc|gmt)$/i,
};

/**
 * Validates libpq's `options`: `-c NAME=VALUE` or `--NAME=VALUE`, with spaces
 * and backslashes in a value escaped by a backslash. The server parses the text
 * itself and reports names or values that it does not know.
 *
 * @throws {UsageError} For other flags, and for settings that would change what is read or stored.
 */
export function checkSessionOptions(text: string, setting: string): void {
  const words = text.match(/(?:\\.|[^\s\\])+/gs) ?? [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    const isSplit = word === "-c";
    const [, name = "", value = ""] =
      /^(?:-c|--)?([A-Za-z_][\w.-]*)=(.*)$/s.exec(
        isSplit ? words[++index] ?? "" : word,
      ) ?? [];
    if (name === "" || (!isSplit && !word.startsWith("-"))) {
      throw new UsageError(
        `Cannot use the options of ${setting}: expected -c NAME=VALUE, such as -c search_path=mlflow (percent-encoded: -csearch_path%3Dmlflow)`,
      );
    }
    const wanted = owned[name.toLowerCase().replaceAll("-", "_")];
    if (!wanted || wanted.test(value.replaceAll(/\\(.)/gs, "$1"))) continue;
    throw new UsageError(
      `Cannot use the options of ${setting}: they set ${name} to a value that would change what is read or stored here; remove it`,
    );
  }
}
