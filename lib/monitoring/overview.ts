/** Renders one page over all variants: the state of each, its sentence, its trend, and a link to its own page. */
import { countOf, listSome } from "../base/phrases.ts";
import { badge, name, text } from "./html.ts";
import { type Headline, toHeadline } from "./headline.ts";
import { page } from "./page.ts";
import { sparkline, verdictStrip } from "./page/charts.ts";
import { significant } from "./numbers.ts";
import { type PeriodPoint, toPeriods } from "./page/periods.ts";
import type { MonitoringResult } from "./result.ts";
import { isAlarm, type Severity, worstFirst } from "./verdict.ts";

/** One variant of the page. */
export interface OverviewEntry {
  /** The variant's key. */
  readonly key: string;
  readonly title: string;
  /** Its newest result; undefined if it was never monitored. */
  readonly result: MonitoringResult | undefined;
  /** Relative URL of the result's page. */
  readonly link: string | undefined;
  /** The command that monitors the variant. */
  readonly command: string;
}

/** Returns the state of a variant in one sentence. */
export function toState({ title, result, command }: OverviewEntry): Headline {
  return result ? toHeadline(result) : {
    state: "unknown",
    sentence: `${title} has not been monitored yet; run \`${command}\`.`,
  };
}

/** Returns the page, without scripts and external resources: the worst state first. */
export function toHtmlOverview(entries: readonly OverviewEntry[]): string {
  const stated = entries.map((entry) => ({ ...entry, ...toState(entry) }))
    .toSorted((a, b) =>
      worstFirst.indexOf(a.state) - worstFirst.indexOf(b.state)
    );
  const [first] = stated;
  const count = (state: Severity) =>
    stated.filter((entry) => entry.state === state).map(({ title }) => title);
  const parts = [
    ["failed", count("fail")],
    ["warned", count("warn")],
    [
      "not monitored yet",
      stated.filter(({ result }) => !result).map(({ title }) => title),
    ],
  ] as const;
  const total = countOf(stated.length, "variant");
  const told = parts.filter(([, titles]) => titles.length > 0).map((
    [what, titles],
  ) => `${titles.length} ${what} (${listSome(titles, 5)})`);
  const sentence = told.length === 0
    ? `None of ${total} failed or warned.`
    : `Of ${total}, ${told.join(", ")}.`;
  return page("Monitoring of all variants", {
    header: `<div class="hero ${first?.state ?? "unknown"}">
<p class="kicker">Monitoring of all variants</p>
<h1>${text(sentence)}</h1></div>`,
    main: [
      `<div class="grid top">${
        stated.map((entry, index) => variantCard(entry, `variant-${index + 1}`))
          .join("")
      }</div>`,
    ],
    footer:
      "Each strip shows the worst verdict of each period: a full cell failed, a half one warned.",
  });
}

function variantCard(
  entry: OverviewEntry & Headline,
  id: string,
): string {
  const { title, result, link, state, sentence } = entry;
  const heading = `<h2>${
    link === undefined
      ? name(title)
      : `<a href="${text(link)}">${name(title)}</a>`
  } ${badge(state)}</h2><p>${text(sentence)}</p>`;
  return `<article class="card variant ${state}">${heading}${
    result ? trends(result, { id, title }) : ""
  }</article>`;
}

function trends(
  result: MonitoringResult,
  { id, title }: { id: string; title: string },
): string {
  const periods = toPeriods(result);
  const cells = periods.map((period) => ({
    label: period.label,
    severity: worstOf(period),
  }));
  const bad = cells.filter(({ severity }) => isAlarm(severity)).length;
  const strip = verdictStrip({
    id: `${id}-verdicts`,
    title: `Verdicts of ${title}`,
    description: `${bad} of ${cells.length} periods failed or warned.`,
  }, cells);
  const { psi, auc_drop: drop } = result.thresholds;
  const measured = periods.findLast(({ auc }) => auc !== undefined);
  const before = measured?.auc_reference;
  const auc = measured?.auc === undefined
    ? '<p class="soft">no outcomes yet</p>'
    : `<p class="soft">AUC ${significant(measured.auc)}, ${
      text(measured.label)
    }</p>${
      sparkline(
        {
          id: `${id}-auc`,
          title: `AUC of ${title}`,
          description: `${significant(measured.auc)} in ${measured.label}.`,
        },
        periods.map(({ auc }) => auc),
        {
          limits: before === undefined ? [] : [
            { value: before, kind: "reference" },
            { value: before - drop.fail, kind: "fail" },
          ],
        },
      )
    }`;
  const last = periods.at(-1);
  return `<div class="push"><p class="soft">${
    countOf(cells.length, "period")
  } to ${
    text(last?.label ?? "")
  }</p>${strip}<div class="pair"><div>${auc}</div><div><p class="soft">score PSI ${
    significant(last?.score_psi)
  }</p>${
    periods.filter(({ score_psi }) => score_psi !== undefined).length < 2
      ? ""
      : sparkline(
        {
          id: `${id}-psi`,
          title: `Score PSI of ${title}`,
          description: `${significant(last?.score_psi)} in ${last?.label}.`,
        },
        periods.map(({ score_psi }) => score_psi),
        {
          limits: [
            { value: psi.warn, kind: "warn" },
            { value: psi.fail, kind: "fail" },
          ],
        },
      )
  }</div></div></div>`;
}

function worstOf({ data, drift, performance }: PeriodPoint): Severity {
  return worstFirst.find((severity) =>
    [data, drift, performance === "unknown" ? undefined : performance]
      .includes(severity)
  ) ?? "unknown";
}
