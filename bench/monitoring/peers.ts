/** Runs Evidently and NannyML, with their defaults, on the same weeks. */
import { fileURLToPath } from "node:url";
import { runPython } from "../../tests/support/python.ts";
import type { Fault } from "./faults.ts";
import { logVersion, type Model, scoreWeek } from "./judge.ts";
import {
  drawFaulty,
  drawQuiet,
  type History,
  weeksBefore,
} from "./simulate.ts";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** What one library found; its columns are the raw ones and the score. */
export interface PeerFound {
  readonly name: "evidently" | "nannyml";
  readonly title: string;
  /** By name of the fault. */
  readonly faults: Readonly<Record<string, PeerFault>>;
  readonly quiet: PeerQuiet | undefined;
}

/** What a library found of one fault, in the columns that the fault changes and the score; for a concept fault, in the performance. */
export interface PeerFault {
  /** Histories whose first week with the fault alarmed. */
  readonly found: number;
  readonly of: number;
  /** The week in which each history first alarmed. */
  readonly weeks: readonly (number | undefined)[];
}

/** A library's alarms in independent quiet weeks. */
export interface PeerQuiet {
  readonly rows: number;
  readonly weeks: number;
  readonly columnWeeks: number;
  readonly columnAlarms: number;
  /** Undefined if the library has no verdict on a dataset. */
  readonly datasetAlarms?: number;
  /** Weeks in which any column alarmed. */
  readonly warned: number;
}

/** What the scripts print: columns that alarmed, and `dataset` or `performance`, per history and week. */
type Alarms = readonly {
  readonly file: string;
  readonly history: number;
  readonly week: number;
  readonly alarms: readonly string[];
}[];

const columns = [
  "total_deposit",
  "total_handle",
  "total_ngr",
  "months_active",
  "brand_id",
  "ben_login_id",
  "player_reg_product",
  "score",
] as const;

/** Writes the weeks as CSV files into a folder; week 0 is the labelled set, and `reference.csv` has quiet weeks. */
export async function writeWeeks(
  model: Model,
  folder: string,
  { faults, seeds, rows, weeks }: {
    faults: readonly Fault[];
    seeds: readonly number[];
    rows: number;
    weeks: number;
  },
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const write = async (
    name: string,
    histories: readonly { history: History; skipped: number }[],
  ) => {
    const parts: string[] = [[...columns, "churned", "history", "week"].join()];
    for (const [index, { history, skipped }] of histories.entries()) {
      parts.push(...await toLines(model, history, { index, skipped }));
    }
    await Deno.writeTextFile(`${folder}/${name}.csv`, `${parts.join("\n")}\n`);
  };
  // Quiet weeks for NannyML, whose limits come from several chunks of a reference.
  const reference = drawQuiet("independent", { seed: 90_000, rows, weeks: 10 });
  await write("reference", [{ history: reference, skipped: 0 }]);
  for (const fault of faults) {
    await write(
      fault.name,
      seeds.map((seed) => ({
        history: drawFaulty(fault, { seed, rows }),
        skipped: weeksBefore,
      })),
    );
  }
  const quiet = drawQuiet("independent", { seed: 91_000, rows, weeks });
  await write("quiet", [{ history: quiet, skipped: 0 }]);
}

async function toLines(
  model: Model,
  { labelled, deliveries }: History,
  { index, skipped }: { index: number; skipped: number },
): Promise<string[]> {
  const version = await logVersion(model, labelled);
  return [{ rows: labelled.rows, week: labelled }, ...deliveries.slice(skipped)]
    .flatMap(({ rows, week }, number) => {
      const { scores } = scoreWeek(version, rows);
      const outcomes = new Map(
        week.rows.map(({ player_id }, row) => [player_id, week.outcomes[row]]),
      );
      return rows.map((row, place) =>
        [
          ...columns.map((column) =>
            column === "score" ? scores[place] : row[column] ?? ""
          ),
          outcomes.get(row.player_id),
          index,
          number,
        ].join()
      );
    });
}

/** Runs a library on the written weeks. */
export async function runPeer(
  name: "evidently" | "nannyml",
  folder: string,
  { faults, rows }: { faults: readonly Fault[]; rows: number },
): Promise<PeerFound> {
  const { stdout } = await runPython(
    name,
    here(`${name}_weeks.py`),
    {
      args: [folder, String(rows), ...faults.map((fault) => fault.name)],
      env: { NML_DISABLE_USAGE_LOGGING: "1" },
    },
  );
  const { title, alarms }: { title: string; alarms: Alarms } = JSON.parse(
    stdout.trim().split("\n").at(-1) ?? "",
  );
  const quiet = alarms.filter(({ file }) => file === "quiet");
  const isColumn = (alarm: string) => alarm !== "dataset";
  const columnAlarms =
    quiet.flatMap((week) =>
      week.alarms.filter((alarm) => isColumn(alarm) && alarm !== "performance")
    ).length;
  return {
    name,
    title,
    faults: Object.fromEntries(
      faults.flatMap((fault) => {
        const found = alarms.filter(({ file }) => file === fault.name);
        return found.length === 0 ? [] : [[fault.name, toFault(fault, found)]];
      }),
    ),
    quiet: quiet.length === 0 ? undefined : {
      rows,
      weeks: quiet.length,
      columnWeeks: quiet.length * columns.length,
      columnAlarms,
      ...(name === "evidently"
        ? {
          datasetAlarms:
            quiet.filter((week) => week.alarms.includes("dataset")).length,
        }
        : {}),
      warned:
        quiet.filter((week) => week.alarms.some((alarm) => isColumn(alarm)))
          .length,
    },
  };
}

function toFault(fault: Fault, alarms: Alarms): PeerFault {
  const watched: readonly string[] = fault.by === "performance"
    ? ["performance"]
    : [...fault.columns, "score", "dataset"];
  const histories = [...new Set(alarms.map(({ history }) => history))];
  const weeks = histories.map((history) =>
    alarms.filter((week) =>
      week.history === history &&
      week.alarms.some((alarm) => watched.includes(alarm))
    ).map(({ week }) => week).sort((a, b) => a - b)[0]
  );
  return {
    found: weeks.filter((week) => week === 1).length,
    of: histories.length,
    weeks,
  };
}
