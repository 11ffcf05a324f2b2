/** Writes the flags of all commands into `docs/reference.md`, from the tables with which command lines are parsed. */
import { commands } from "../config/commands.ts";
import { type Command, type Flag, toDefault } from "../config/flags.ts";

/** A flag that so many commands have in the same form is listed once. */
const commonFrom = 5;

const [begin, end] = [
  "<!-- flags: written by deno task reference -->",
  "<!-- flags: end -->",
];

/**
 * Returns the page with the flags of the commands between its two markers.
 *
 * @throws {Error} If the page has no markers.
 */
export function writeReference(
  page: string,
  listed: readonly Command[] = commands,
): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) {
    throw new Error(`The page has no "${begin}" before "${end}"`);
  }
  return `${page.slice(0, from + begin.length)}\n\n${toReference(listed)}\n\n${
    page.slice(to)
  }`;
}

/** Returns one section per command, after the flags that most commands have. */
function toReference(listed: readonly Command[]): string {
  const all = listed.flatMap(({ flags }) => Object.entries(flags));
  const keys = all.map(([name, flag]) => JSON.stringify([name, flag]));
  const isCommon = (name: string, flag: Flag) => {
    const key = JSON.stringify([name, flag]);
    return keys.filter((each) => each === key).length >= commonFrom;
  };
  const common = new Map(all.filter(([name, flag]) => isCommon(name, flag)));
  return [
    `### Flags of most commands\n\n${toTable([...common])}`,
    ...listed.map(({ name, summary, words, flags }) => {
      const own = Object.entries(flags)
        .filter(([flag, how]) => !isCommon(flag, how));
      const shared = Object.keys(flags)
        .filter((flag) => common.has(flag) && isCommon(flag, flags[flag]!))
        .map((flag) => `\`--${flag}\``);
      return [
        `### ${name}`,
        summary,
        ...(words ? [`\`${words.name}\`: ${words.help}.`] : []),
        ...(own.length > 0 ? [toTable(own)] : []),
        ...(shared.length > 0 ? [`Also ${shared.join(", ")}.`] : []),
      ].join("\n\n");
    }),
  ].join("\n\n");
}

function toTable(flags: readonly (readonly [string, Flag])[]): string {
  const rows = flags.map(([name, flag]) => {
    const value = flag.kind === "switch" ? "" : ` ${flag.value}`;
    const fallback = toDefault(flag);
    return [
      `\`--${name}${value}\``,
      flag.kind === "list" ? `${flag.help} (may be repeated)` : flag.help,
      fallback === undefined ? "" : `\`${fallback}\``,
    ];
  });
  const head = ["flag", "meaning", "default"];
  return [head, head.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.map(toCell).join(" | ")} |`).join("\n");
}

function toCell(text: string): string {
  return text.replaceAll("|", "\\|");
}

if (import.meta.main) {
  const page = new URL("../../docs/reference.md", import.meta.url);
  await Deno.writeTextFile(page, writeReference(await Deno.readTextFile(page)));
}
