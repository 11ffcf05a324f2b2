/** Writes an alert as plain text, as Markdown for a GitHub issue, and as a message for a Slack-compatible webhook. */
import { escapeControls, escapeMarkdown } from "../base/printable.ts";
import {
  commandFor,
  dimensionInput,
  shellWord,
  type Variant,
} from "../config/variant.ts";
import { alarmingColumns } from "./columns.ts";
import {
  type AlertDecision,
  type AlertVerdict,
  type StateChange,
  toSource,
  type VerdictState,
} from "./alert-state.ts";
import { percent } from "./numbers.ts";
import { type MonitoringResult, namesOf } from "./result.ts";
import type { JudgedSeverity } from "./verdict.ts";

/** An alert in the forms in which it is delivered. */
export interface AlertMessage {
  /** What changed, in one line of at most 150 characters. */
  readonly title: string;
  readonly text: string;
  /** At most 60,000 characters; GitHub takes 65,536. */
  readonly markdown: string;
  readonly slack: SlackMessage;
}

/** The body of a POST to an incoming webhook of Slack, Mattermost and others: `blocks` is what Slack shows, `text` what the others do. */
export interface SlackMessage {
  readonly text: string;
  readonly blocks: readonly unknown[];
}

/** What an alert is about. */
export interface AlertContext {
  readonly variant: Variant;
  /** Whether `predict` finds the variant's periods by their names. */
  readonly hasPeriods: boolean;
  /** The results that raised the alert, the newest period last, each with the location of its report. */
  readonly results: readonly {
    readonly result: MonitoringResult;
    readonly report: string;
  }[];
  /** All states of the variant after these results. */
  readonly states: readonly VerdictState[];
  /** URL of the job in GitHub Actions; undefined elsewhere. */
  readonly jobUrl: string | undefined;
}

/** The longest title: of a header in Slack. */
const longestTitle = 150;
/** Longer names and texts are cut. Escaped, which takes up to five times the room, a name and a text fit a block of Slack. */
const longestName = 100;
const longestLine = 400;
/** Slack refuses longer text blocks. */
const longestBlock = 3000;
const longestText = 15_000;
const longestMarkdown = 60_000;
const mostFeatures = 3;

/**
 * Returns the messages of an alert: what changed, with period, model version,
 * numbers, limits and the three worst features; what lasts; and the next command.
 * Names and reasons come from data and are escaped: they are never a link, a
 * mention or a command of the receiver.
 */
export function toAlertMessage(
  alert: AlertDecision,
  context: AlertContext,
): AlertMessage {
  const title = shorten(toTitle(alert, context), longestTitle);
  const message = {
    title,
    sections: toSections(alert, context),
    next: nextStep(context),
    report: context.results.at(-1)?.report,
    jobUrl: context.jobUrl,
  };
  return {
    title,
    text: toText(message, { escape: (text) => text }),
    markdown: toMarkdown(message),
    slack: {
      text: toText(message, { escape: escapeSlack }),
      blocks: toBlocks(message),
    },
  };
}

/** A line of a section: a name, which is shown as code, and a text. */
interface Line {
  readonly name?: string | undefined;
  readonly text: string;
}

interface Section {
  readonly heading: string;
  readonly lines: readonly Line[];
}

interface Message {
  readonly title: string;
  readonly sections: readonly Section[];
  readonly next: { readonly why: string; readonly command: string };
  readonly report: string | undefined;
  readonly jobUrl: string | undefined;
}

function toTitle(
  { kind, status, changes }: AlertDecision,
  { variant, states }: AlertContext,
): string {
  if (kind === "reminder") {
    const lasting = states.filter(({ severity }) => severity !== "ok");
    return `${variant.title}: ${
      lasting.map(({ verdict, severity }) => lastingTitle(verdict, severity))
        .join(", ")
    }`;
  }
  const parts = changes.map(changeTitle).join(", ");
  return status === "ok"
    ? `${variant.title} has recovered: ${parts}`
    : `${variant.title}: ${parts}`;
}

function changeTitle({ verdict, to }: StateChange): string {
  if (verdict === "retrain") {
    return to === "ok"
      ? "retraining is no longer advised"
      : "retraining is advised";
  }
  return to === "ok" ? `${verdict} is ok again` : `${verdict} ${to}s`;
}

function lastingTitle(verdict: AlertVerdict, severity: JudgedSeverity): string {
  return verdict === "retrain"
    ? "retraining is still advised"
    : `${verdict} still ${severity}s`;
}

/** Returns one section per verdict that changed, then one per verdict that is still not `ok`, then the worst features. */
function toSections(
  { changes }: AlertDecision,
  { results, states }: AlertContext,
): Section[] {
  const stateOf = (verdict: AlertVerdict) =>
    states.find((state) => state.verdict === verdict);
  const resultOf = (state: VerdictState | undefined) =>
    results.find(({ result }) =>
      state?.source?.monitoredAt === result.monitored_at &&
      state.source.scoringRunId === result.scoring_run.id
    )?.result;
  const sectionOf = (verdict: AlertVerdict, heading: string): Section => {
    const state = stateOf(verdict);
    const result = resultOf(state);
    const lines = result
      ? [{ text: describeRun(result) }, ...detailsOf(verdict, result)]
      : describeSource(state);
    return { heading: `${nameOf(verdict)}: ${heading}`, lines };
  };
  const changed = changes.map(({ verdict, from, to }) =>
    sectionOf(verdict, `${wordOf(verdict, from)} → ${wordOf(verdict, to)}`)
  );
  const lasting = states.filter(({ verdict, severity }) =>
    severity !== "ok" && !changes.some((change) => change.verdict === verdict)
  ).map(({ verdict, severity, since }) =>
    sectionOf(
      verdict,
      `${wordOf(verdict, severity)} since ${since?.slice(0, 10)}`,
    )
  );
  const worst = results.toReversed()
    .map(({ result }) => alarmingColumns(result.comparisons[0]))
    .find(({ length }) => length > 0);
  const shown = worst?.slice(0, mostFeatures).map((
    { name, severity, reasons },
  ) => ({ name, text: `${severity}: ${reasons.join("; ")}` }));
  return [
    ...changed,
    ...lasting,
    ...(shown ? [{ heading: "worst features", lines: shown }] : []),
  ];
}

function nameOf(verdict: AlertVerdict): string {
  return verdict === "retrain" ? "retraining" : verdict;
}

function wordOf(verdict: AlertVerdict, severity: JudgedSeverity): string {
  if (verdict !== "retrain") return severity;
  return severity === "ok" ? "not advised" : "advised";
}

function describeRun(result: MonitoringResult): string {
  const { scoring_run: run } = result;
  return `period ${
    toSource(result).period
  }, scoring run ${run.id}, ${run.rows} ${
    namesOf(result).entities
  }, ${run.model_name} version ${run.model_version}`;
}

function describeSource(state: VerdictState | undefined): Line[] {
  const source = state?.source;
  return source
    ? [{ text: `period ${source.period}, scoring run ${source.scoringRunId}` }]
    : [];
}

/** Returns the numbers and the limits of a verdict. */
function detailsOf(verdict: AlertVerdict, result: MonitoringResult): Line[] {
  switch (verdict) {
    case "data":
      return (result.data?.findings ?? []).slice(0, mostFeatures).map((
        { column, severity, reason },
      ) => ({
        name: column,
        text: `${severity}: ${reason}`,
      }));
    case "drift": {
      const { psi, missing_share_change: missing } = result.thresholds;
      return [
        ...(result.comparisons[0]?.reasons ?? []).map((text) => ({ text })),
        {
          text:
            `limits: PSI above its noise limit warns at ${psi.warn} and fails at ${psi.fail}; missing shares that change by ${
              percent(missing.warn)
            } warn, by ${percent(missing.fail)} fail`,
        },
      ];
    }
    case "performance": {
      const { auc_drop: drop, calibration_shift: shift } = result.thresholds;
      const { performance, outcomes } = result;
      if (!performance) return [];
      return [
        ...performance.reasons.map((text) => ({ text })),
        {
          text:
            `limits: a drop of AUC warns at ${drop.warn} and fails at ${drop.fail}, a shift of calibration at ${shift.warn} and ${shift.fail} log-odds, each beyond its error`,
        },
        {
          text: `outcomes of ${performance.matured} ${
            namesOf(result).entities
          } (${percent(performance.coverage)}), ${
            outcomes?.uri ?? "of unknown origin"
          }`,
        },
      ];
    }
    case "retrain":
      return [{ text: result.verdict.reason }];
  }
}

/** Returns what to do about the worst state, and the command for it. */
function nextStep(
  { variant, hasPeriods, results, states, jobUrl }: AlertContext,
): Message["next"] {
  const isBad = (verdict: AlertVerdict, ...severities: JudgedSeverity[]) =>
    states.some((state) =>
      state.verdict === verdict && severities.includes(state.severity)
    );
  if (isBad("data", "fail")) {
    const source = states.find(({ verdict }) => verdict === "data")?.source;
    const period = hasPeriods && source ? ` --period ${source.period}` : "";
    return {
      why: "repair the data at its source, then score it again",
      command: `${commandFor("predict", variant)} --force${period}`,
    };
  }
  if (isBad("retrain", "warn")) {
    const dimensions = dimensionInput(variant);
    return jobUrl === undefined
      ? {
        why: "train a model, then log it as the challenger",
        command: `${commandFor("log-model", variant)} --alias challenger`,
      }
      : {
        why: "train a challenger and compare it with the champion",
        command: `gh workflow run retrain.yml --field geography=${
          variant.geography ?? "-"
        } --field company=${variant.company ?? "-"}${
          dimensions === ""
            ? ""
            : ` --field ${shellWord(`dimensions=${dimensions}`)}`
        }`,
      };
  }
  const run = results.at(-1)?.result.scoring_run.id;
  return {
    why: "show all figures and write the report again",
    command: `${commandFor("monitor", variant)}${
      run === undefined ? "" : ` --run ${run}`
    }`,
  };
}

/** Returns the message as text; `escape` is applied to everything in it. */
function toText(
  { title, sections, next, report, jobUrl }: Message,
  { escape }: { escape: (text: string) => string },
): string {
  const lines = [
    title,
    ...sections.flatMap(({ heading, lines }) => [
      heading,
      ...lines.map(({ name, text }) =>
        `  ${name === undefined ? "" : `${shorten(name, longestName)}: `}${
          shorten(text)
        }`
      ),
    ]),
    `next: ${next.why}: ${next.command}`,
    ...report === undefined ? [] : [`report: ${shorten(report)}`],
    ...jobUrl === undefined ? [] : [`run: ${jobUrl}`],
  ];
  return fit(lines.map(escape), { most: longestText });
}

function toMarkdown(
  { sections, next, report, jobUrl }: Message,
): string {
  const code = (text: string, most?: number) => toCodeSpan(shorten(text, most));
  const prose = (text: string) => escapeProse(shorten(text));
  const blocks = [
    ...sections.flatMap(({ heading, lines }) => [
      `**${prose(heading)}**`,
      "",
      ...lines.map(({ name, text }) =>
        `- ${name === undefined ? "" : `${code(name, longestName)}: `}${
          prose(text)
        }`
      ),
      "",
    ]),
    `Next: ${prose(next.why)}`,
    "",
    "```sh",
    next.command,
    "```",
    "",
    ...report === undefined ? [] : [`Report: ${code(report)}`, ""],
    ...jobUrl === undefined ? [] : [`[Run](${jobUrl})`],
  ];
  return fit(blocks, { most: longestMarkdown }).trimEnd();
}

/** Returns the blocks that Slack shows. */
function toBlocks(
  { title, sections, next, report, jobUrl }: Message,
): unknown[] {
  const code = (text: string, most?: number) =>
    `\`${escapeSlack(shorten(text, most), "'")}\``;
  const prose = (text: string) => escapeSlack(shorten(text));
  const block = (lines: readonly string[]) => ({
    type: "section",
    text: { type: "mrkdwn", text: fit(lines, { most: longestBlock }) },
  });
  return [
    {
      type: "header",
      text: { type: "plain_text", text: title, emoji: false },
    },
    ...sections.map(({ heading, lines }) =>
      block([
        `*${prose(heading)}*`,
        ...lines.map(({ name, text }) =>
          `• ${name === undefined ? "" : `${code(name, longestName)}: `}${
            prose(text)
          }`
        ),
      ])
    ),
    block([`Next: ${prose(next.why)}`, code(next.command)]),
    ...report === undefined ? [] : [block([`Report: ${code(report)}`])],
    ...jobUrl === undefined
      ? []
      : [block([`<${escapeSlack(jobUrl).replaceAll("|", "%7C")}|Run>`])],
  ];
}

/** Joins as many lines as fit. */
function fit(
  lines: readonly string[],
  { most }: { most: number },
): string {
  let text = "";
  for (const [index, line] of lines.entries()) {
    const next = index === 0 ? line : `${text}\n${line}`;
    if (next.length > most - 2) return `${text}\n…`;
    text = next;
  }
  return text;
}

/** Returns a text as one line without control characters, cut to a length. */
function shorten(text: string, most: number = longestLine): string {
  const characters = [...escapeControls(text)];
  return characters.length <= most
    ? characters.join("")
    : `${characters.slice(0, most - 1).join("")}…`;
}

/** Separates `@` from a name and `#` from a number, so that neither is a mention. */
function withoutMentions(text: string): string {
  return text.replace(/[@#](?=\S)/g, "$&\u2060");
}

/** Escapes Slack's own syntax and what formats text there. https://docs.slack.dev/messaging/formatting-message-text */
function escapeSlack(text: string, backtick = "`\u2060"): string {
  return withoutMentions(text).replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll("`", backtick);
}

function escapeProse(text: string): string {
  return escapeMarkdown(withoutMentions(text)).replace(
    /[*_~>]/g,
    (character) => `&#${character.charCodeAt(0)};`,
  );
}

/** Returns a code span with a fence that is longer than any in the text. */
function toCodeSpan(text: string): string {
  const longest = Math.max(
    0,
    ...(text.match(/`+/g) ?? []).map(({ length }) => length),
  );
  const fence = "`".repeat(longest + 1);
  const pad = /^`|`$|^ .* $/.test(text) ? " " : "";
  return `${fence}${pad}${text}${pad}${fence}`;
}
