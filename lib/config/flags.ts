/**
 * Parses the flags of a command. They are declared once as a table, which
 * parsing, `--help` and the launcher's permissions use.
 */
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { UsageError } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import { wrap } from "../base/wrap.ts";

/** How a command uses a file or folder that a flag names. */
export interface FileUse {
  readonly use: "read" | "write";
  /** Other files in the same folder that the command also uses. */
  readonly beside?: readonly string[];
  /** A value that is not a file name. */
  readonly except?: string;
}

/** A flag without a value. */
interface SwitchFlag {
  readonly kind: "switch";
  readonly help: string;
}

/** A flag with one text. */
interface TextFlag {
  readonly kind: "text";
  /** The placeholder for the value in the help, such as `URI`. */
  readonly value: string;
  readonly help: string;
  readonly default?: string;
  /** The default where somebody watches: messages go to a terminal. */
  readonly watchedDefault?: string;
  /** The values to choose from, for completion; a name stands for those in `variants.yaml`. */
  readonly values?: readonly string[] | "geography" | "company";
  readonly file?: FileUse;
  /** True if the value is a port that the command listens on. */
  readonly listens?: boolean;
  /** The question with which the launcher asks for the value in a terminal, because the command may read only files that it knows. */
  readonly ask?: string;
}

/** A flag that may be repeated: a list of texts. */
interface ListFlag extends Pick<TextFlag, "value" | "help" | "file"> {
  readonly kind: "list";
}

/** One flag. */
export type Flag = SwitchFlag | TextFlag | ListFlag;

/** Returns a flag without a value. */
export function switchFlag(help: string): SwitchFlag {
  return { kind: "switch", help };
}

/** What every flag with a value says, in the arguments of the functions below. */
type Basics = "kind" | "value" | "help";

/** Returns a flag with one text. @param value The placeholder for it in the help, such as `URI`. */
export function textFlag<const Details extends Omit<TextFlag, Basics>>(
  value: string,
  help: string,
  details: Details = {} as Details,
): Pick<TextFlag, Basics> & Details {
  return { kind: "text", value, help, ...details };
}

/** Returns a flag that may be repeated. @param value The placeholder for a value in the help. */
export function listFlag(
  value: string,
  help: string,
  details: Pick<ListFlag, "file"> = {},
): ListFlag {
  return { kind: "list", value, help, ...details };
}

/** Flags by name, without dashes. */
export type FlagTable = Readonly<Record<string, Flag>>;

/** A command's name, description and arguments. */
export interface Command<Table extends FlagTable = FlagTable> {
  readonly name: string;
  /** Description of the command for `--help`. */
  readonly summary: string;
  readonly flags: Table;
  /** True if the command uses no service and stores nothing: it then may neither connect to a host nor write a file. */
  readonly offline?: boolean | undefined;
  /** True if the command posts to `CHURN_ALERT_WEBHOOK`: it then may connect to its host. */
  readonly alerts?: boolean | undefined;
  /** Files and folders of the project that the command writes; any other command never writes there. */
  readonly changes?: readonly string[] | undefined;
  /** Path below `CHURN_HOME` of a Unix socket that it listens on; `{port}` stands for the port of its flag. */
  readonly socket?: string;
  /** Information of the system that the command reads, as Deno's `--allow-sys` names it. */
  readonly sys?: readonly string[] | undefined;
  /** Meaning of the positional arguments; undefined when none are allowed. */
  readonly words?: {
    readonly name: string;
    readonly help: string;
    /** The words to choose from, for completion. */
    readonly values?: readonly string[];
    readonly file?: FileUse;
  };
}

/** The values of a table's flags; an omitted flag is undefined, unless it has a default. */
export type FlagValues<Table extends FlagTable> = {
  readonly [Name in keyof Table]: Table[Name] extends { kind: "switch" }
    ? boolean | undefined
    : Table[Name] extends { kind: "list" } ? string[] | undefined
    : Table[Name] extends { default: string } ? string
    : string | undefined;
};

/** A parsed command line. */
export interface ParsedArgs<Table extends FlagTable> {
  readonly values: FlagValues<Table>;
  /** Positional arguments, in order. */
  readonly words: readonly string[];
}

/** A request for information instead of running the command. */
export type Request = "help" | "version";

/**
 * Returns the request in a command line: `help` for `-h` or `--help` anywhere,
 * `version` for `--version` if the command has no flag of that name or the flag
 * has no value; undefined if the command should run.
 */
export function findRequest(
  { flags }: Command,
  args: readonly string[],
): Request | undefined {
  const end = args.indexOf("--");
  const own = end < 0 ? args : args.slice(0, end);
  if (own.some((arg) => arg === "-h" || arg === "--help")) return "help";
  const version = own.indexOf("--version");
  if (version < 0) return undefined;
  const next = own[version + 1];
  const isValue = flags["version"] !== undefined && next !== undefined &&
    !next.startsWith("-");
  return isValue ? undefined : "version";
}

/**
 * Returns the flags and positional arguments of a command line.
 *
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * const command = {
 *   name: "x",
 *   summary: "",
 *   flags: { all: { kind: "switch", help: "" }, input: { kind: "list", value: "URI", help: "" } },
 * } as const;
 * const { values } = parseFlags(command, ["--input=a", "--all", "--input", "b"]);
 * deepStrictEqual({ ...values }, { all: true, input: ["a", "b"] });
 * ```
 *
 * @param options `isWatched`: whether messages go to a terminal, which some defaults depend on; false by default.
 * @throws {UsageError} If a flag is unknown (suggests the nearest one), is repeated, is missing its value, or a positional argument is not allowed.
 */
export function parseFlags<const Table extends FlagTable>(
  command: Command<Table>,
  args: readonly string[],
  { isWatched = false }: { isWatched?: boolean } = {},
): ParsedArgs<Table> {
  const { tokens } = parseArgs({
    args: [...args],
    options: toOptions(command.flags),
    strict: false,
    tokens: true,
    allowPositionals: true,
  });
  const values = new Map<string, boolean | string | string[]>();
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    const { name } = token;
    values.set(name, toValue(command, token, values.get(name)));
  }
  if (words.length > 0 && !command.words) {
    throw wrong(command, `unexpected argument "${words[0]}"`);
  }
  for (const [name, flag] of Object.entries(command.flags)) {
    if (flag.kind !== "text" || values.has(name)) continue;
    const value = isWatched
      ? flag.watchedDefault ?? flag.default
      : flag.default;
    if (value !== undefined) values.set(name, value);
  }
  return { values: Object.fromEntries(values) as FlagValues<Table>, words };
}

function toOptions(table: FlagTable): ParseArgsOptionsConfig {
  return Object.fromEntries(
    Object.entries(table).map(([name, { kind }]) => [
      name,
      { type: kind === "switch" ? "boolean" : "string", multiple: true },
    ]),
  );
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function flagOf(command: Command, { name, rawName }: OptionToken): Flag {
  const flag = Object.hasOwn(command.flags, name)
    ? command.flags[name]
    : undefined;
  if (flag && rawName.startsWith("--")) return flag;
  const near = nearest(name, Object.keys(command.flags));
  throw wrong(
    command,
    `unknown flag ${rawName}${
      near === undefined ? "" : `; did you mean --${near}?`
    }`,
  );
}

function toValue(
  command: Command,
  token: OptionToken,
  before: boolean | string | string[] | undefined,
): boolean | string | string[] {
  const { name, value, inlineValue } = token;
  const flag = flagOf(command, token);
  if (flag.kind === "switch") {
    if (value === undefined) return true;
    throw wrong(command, `--${name} takes no value, found "${value}"`);
  }
  const isFlag = !inlineValue && value !== "-" && value?.startsWith("-");
  if (value === undefined || isFlag) {
    throw wrong(
      command,
      `--${name} ${flag.value} is missing its value` +
        (value === undefined
          ? ""
          : ` (to pass a value that begins with "-", write --${name}=${value})`),
    );
  }
  if (flag.kind === "list") {
    return [...Array.isArray(before) ? before : [], value];
  }
  if (before === undefined) return value;
  throw wrong(command, `--${name} is given twice, "${before}" and "${value}"`);
}

function wrong({ name }: Command, what: string): UsageError {
  return new UsageError(
    `${what}; \`deno task ${name} --help\` lists the flags`,
  );
}

/** Returns the value that a flag has where it is omitted, and the one in a terminal if that is another; undefined if it has none. */
export function toDefault(flag: Flag): string | undefined {
  if (flag.kind !== "text" || flag.default === undefined) return undefined;
  return flag.watchedDefault === undefined
    ? flag.default
    : `${flag.default}, in a terminal ${flag.watchedDefault}`;
}

/** Columns that a flag's explanation has at least; in a narrower terminal it is not wrapped. */
const narrowestHelp = 24;

/**
 * Returns the text of `--help`: the summary, the usage, and each flag with its
 * explanation.
 *
 * @param options `columns`: the width of the terminal, in characters.
 */
export function toHelp(
  { name, summary, flags, words }: Command,
  { columns }: { columns: number },
): string {
  const lines = [
    ...(words ? [[words.name, words.help]] : []),
    ...Object.entries(flags).map(([name, flag]) => {
      const fallback = toDefault(flag);
      return [
        flag.kind === "switch" ? `--${name}` : `--${name} ${flag.value}`,
        fallback === undefined ? flag.help : `${flag.help} (${fallback})`,
      ];
    }),
    ["-h, --help", "print this help"],
    ...(flags["version"] ? [] : [["--version", "print the version"]]),
  ];
  const width = Math.max(...lines.map(([left]) => left!.length));
  const usage = ["deno task", name, words?.name, "[flags]"]
    .filter((word) => word !== undefined).join(" ");
  const room = columns - width - 4;
  const toLines = ([left = "", right = ""]: readonly string[]) => {
    const [first, ...more] = room < narrowestHelp ? [right] : wrap(right, room);
    return [
      `  ${left.padEnd(width)}  ${first}`,
      ...more.map((line) => " ".repeat(width + 4) + line),
    ];
  };
  return [
    ...wrap(summary, columns),
    "",
    `Usage: ${usage}`,
    "",
    ...lines.flatMap(toLines),
  ].join("\n");
}
