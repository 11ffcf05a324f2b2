/** Writes rows as a table of text: fitted to a terminal, or of any width for a pipe. */
import { displayWidth, fitWidth } from "../base/display-width.ts";
import { escapeControls } from "../base/printable.ts";
import {
  type OutputColumn,
  type ResultColumn,
  type ResultSink,
  type ResultWriter,
  showRow,
  type TextRow,
} from "./output.ts";

/** How a table is shown. */
export interface TableOptions {
  /** Characters per line of the terminal; undefined for a pipe or a file, where nothing is cut. */
  readonly columns?: number | undefined;
  /** Returns the header as it is shown, such as in bold. */
  readonly emphasize?: (text: string) => string;
}

/** Rows that decide the widths of the columns. */
const sampleRows = 1_000;

/** Texts are not cut to fewer characters; if they do not fit then, each row is a list of names and values. */
const leastWidth = 12;

const gap = "  ";

/**
 * Starts a table. The first 1,000 rows decide the widths of its columns; a longer
 * cell below them moves the rest of its line. In a terminal, texts are cut so that
 * a row is one line, or, if that would leave less than 12 characters of a text,
 * each row is written as one line per column, with nothing cut. Control characters
 * are escaped. Without rows, only the header is written.
 */
export function openTable(
  sink: ResultSink,
  columns: readonly ResultColumn[],
  options: TableOptions,
): ResultWriter {
  let sample: string[][] | undefined = [];
  let toLines: ((row: readonly string[], number: number) => string) | undefined;
  let written = 0;
  const start = async (rows: readonly string[][]) => {
    sample = undefined;
    const layout = chooseLayout(columns, rows, options);
    toLines = layout.toLines;
    await sink.write(layout.head);
    await append(rows);
  };
  const append = async (rows: readonly string[][]) => {
    const text = rows.map((row) => toLines!(row, ++written)).join("");
    if (text !== "") await sink.write(text);
  };
  return {
    async write(rows: readonly TextRow[]) {
      const cells = rows.map((row) =>
        showRow(row, columns).map(escapeControls)
      );
      if (!sample) return await append(cells);
      sample.push(...cells);
      if (sample.length >= sampleRows) await start(sample);
    },
    async finish() {
      if (sample) await start(sample);
    },
  };
}

/** Returns a table of texts as text; options as for {@linkcode openTable}. */
export async function tableText(
  columns: readonly OutputColumn[],
  rows: readonly TextRow[],
  options: TableOptions,
): Promise<string> {
  const parts: string[] = [];
  const same = (text: string) => text;
  const table = openTable(
    { write: (part) => Promise.resolve(void parts.push(String(part))) },
    columns.map((column) => ({ ...column, parse: same, show: same })),
    options,
  );
  await table.write(rows);
  await table.finish();
  return parts.join("");
}

/** How rows are written. */
interface Layout {
  readonly head: string;
  readonly toLines: (row: readonly string[], number: number) => string;
}

function chooseLayout(
  columns: readonly ResultColumn[],
  rows: readonly string[][],
  { columns: room, emphasize = (text) => text }: TableOptions,
): Layout {
  const names = columns.map(({ name }) => escapeControls(name));
  const wanted = names.map((name, index) =>
    rows.reduce(
      (width, row) => Math.max(width, displayWidth(row[index]!)),
      displayWidth(name),
    )
  );
  const isText = columns.map(({ type }) => type === "text");
  const widths = room === undefined ? wanted : shrink(wanted, isText, room);
  if (!widths) {
    const nameWidth = Math.max(...names.map(displayWidth));
    return {
      head: "",
      toLines: (row, number) =>
        [
          emphasize(`row ${number}`),
          ...row.map((cell, index) =>
            `${gap}${fitWidth(names[index]!, nameWidth)}${gap}${cell}`
              .trimEnd()
          ),
        ].map((line) => `${line}\n`).join(""),
    };
  }
  const isNumber = columns.map(({ type }) =>
    ["integer", "int32", "number", "float"].includes(type)
  );
  const toLine = (row: readonly string[]) =>
    row.map((cell, index) =>
      fitWidth(cell, widths[index]!, {
        right: isNumber[index],
        cut: room !== undefined && isText[index],
      })
    ).join(gap).trimEnd();
  return {
    head: `${emphasize(toLine(names))}\n${
      widths.map((width) => "-".repeat(width)).join(gap)
    }\n`,
    toLines: (row) => `${toLine(row)}\n`,
  };
}

/** Returns the widths of columns that fit into a line, of which the widest texts are cut; undefined if that would cut too much. */
function shrink(
  wanted: readonly number[],
  isText: readonly boolean[],
  room: number,
): readonly number[] | undefined {
  const cutTo = (most: number) =>
    wanted.map((width, index) => isText[index] ? Math.min(width, most) : width);
  const free = room - gap.length * (wanted.length - 1);
  const sum = (widths: readonly number[]) =>
    widths.reduce((total, width) => total + width, 0);
  let most = Math.max(...wanted);
  while (most > leastWidth && sum(cutTo(most)) > free) most--;
  const widths = cutTo(most);
  return sum(widths) <= free ? widths : undefined;
}
