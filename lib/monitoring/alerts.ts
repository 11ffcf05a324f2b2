/** Raises the alerts of `monitor` and delivers them. A delivery that fails is a warning: neither scores nor exit codes depend on it. */
import { dimensionInput } from "../config/variant.ts";
import { messageOf } from "../base/errors.ts";
import type { Outcome } from "../base/outcome.ts";
import { parseAlerting } from "../config/environment.ts";
import type { VariantSettings } from "../config/variants.ts";
import type { Services } from "../services/services.ts";
import { type AlertMessage, toAlertMessage } from "./alert-message.ts";
import {
  type AlertDecision,
  compareSources,
  decideAlert,
  toSource,
} from "./alert-state.ts";
import {
  type Alert,
  markDelivered,
  type PendingAlert,
  releaseAlerts,
  updateStates,
} from "./alert-store.ts";
import type { MonitoringResult } from "./result.ts";
import { postMessage } from "./webhook.ts";

/** What became of an alert. */
export interface RaisedAlert {
  readonly alert: Alert;
  /** Whether this call raised it; otherwise an earlier one did and could not deliver it. */
  readonly isNew: boolean;
  /** `printed`: no webhook is configured. */
  readonly delivery: "sent" | "failed" | "printed";
}

/**
 * Raises the alerts of a variant's monitoring results and delivers them, with
 * those that an earlier call could not deliver: to the webhook if there is one,
 * otherwise, in GitHub Actions, by returning them to the workflow, which keeps
 * the variant's issue. Without either, a new alert is returned and stays
 * undelivered until a call that has one of them.
 *
 * Alerts are delivered in their order, at least once: a process that is killed
 * after the webhook took an alert may leave it to be sent again.
 *
 * @param monitored Results of the variant, each with the location of its report.
 * @throws {UsageError} If a setting is invalid, or the tables of alerts do not exist.
 */
export async function raiseAlerts(
  services: Services,
  settings: VariantSettings,
  monitored: readonly {
    readonly result: MonitoringResult;
    readonly report: string;
  }[],
): Promise<RaisedAlert[]> {
  const { config, withRetry } = services;
  const { webhook, reminderDays } = parseAlerting(config.alerts);
  const database = await services.predictions();
  const ordered = monitored.toSorted((a, b) =>
    compareSources(toSource(a.result), toSource(b.result))
  );
  const pending = await withRetry(
    "update the state of the alerts",
    () =>
      updateStates(database, settings.variant.key, {
        claims: webhook !== undefined || config.job !== undefined,
        decide(before, alertedAt) {
          const results = ordered.map(({ result }) => result);
          const { states, alert } = decideAlert(before, results, {
            reminderDays,
            alertedAt,
          });
          if (!alert) return { states, alert };
          const message = toAlertMessage(alert, {
            variant: settings.variant,
            hasPeriods: settings.inputs !== undefined,
            results: ordered,
            states,
            jobUrl: config.job?.url,
          });
          return { states, alert: toAlert(alert, { settings, message }) };
        },
      }),
  );
  if (webhook) return await deliver(services, pending, webhook);
  if (config.job) {
    for (const each of pending) {
      await withRetry("record the alert", () => markDelivered(database, each));
    }
  }
  return pending.map(({ alert, isNew }) => ({
    alert,
    isNew,
    delivery: "printed",
  }));
}

/** Adds alerts to the outcome of `monitor`: to its JSON as `alerts`, and to its text. */
export function withAlerts(
  outcome: Outcome,
  alerts: readonly RaisedAlert[],
): Outcome {
  const report = {
    ...outcome.report,
    alerts: alerts.map(({ alert: { slack: _, ...alert }, isNew, delivery }) => (
      { ...alert, new: isNew, delivery }
    )),
  };
  const text = [
    outcome.text,
    ...alerts.map(({ alert, delivery }) =>
      `Alert (${delivery}): ${alert.text}`
    ),
  ].join("\n");
  return { ...outcome, report, text };
}

function toAlert(
  { kind, status, changes, raisedAt }: AlertDecision,
  { settings: { variant }, message }: {
    settings: VariantSettings;
    message: AlertMessage;
  },
): Alert {
  return {
    kind,
    status,
    changes,
    raised_at: raisedAt,
    variant: variant.key,
    geography: variant.geography ?? null,
    company: variant.company ?? null,
    dimensions: dimensionInput(variant) || undefined,
    retrain: changes.some(({ verdict, to }) =>
      verdict === "retrain" && to !== "ok"
    ),
    issue: `Monitoring of ${variant.title}`,
    ...message,
  };
}

/** Posts alerts in order. After a failure, it and the alerts after it are left to the next call. */
async function deliver(
  { withRetry, log, signal, predictions }: Services,
  pending: readonly PendingAlert[],
  webhook: URL,
): Promise<RaisedAlert[]> {
  const database = await predictions();
  const raised: RaisedAlert[] = [];
  for (const [index, { id, alert, isNew }] of pending.entries()) {
    try {
      await withRetry(
        `send the alert to ${webhook.host}`,
        () => postMessage(webhook, alert.slack, { signal }),
      );
      await withRetry(
        "record the alert",
        () => markDelivered(database, { id }),
      );
      raised.push({ alert, isNew, delivery: "sent" });
    } catch (error) {
      signal?.throwIfAborted();
      log.warn(
        `${
          messageOf(error)
        }; the alert is sent again by the next monitor of ${alert.variant}`,
      );
      const left = pending.slice(index);
      await releaseAlerts(database, left).catch(() => {});
      return [
        ...raised,
        ...left.map(({ alert, isNew }) => ({
          alert,
          isNew,
          delivery: "failed" as const,
        })),
      ];
    }
  }
  return raised;
}
