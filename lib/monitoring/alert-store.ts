/** Keeps the state of each verdict and the alerts in Postgres, so that an alert is raised once and delivered even if the first attempt failed. */
import type { Database, Queryable } from "../database/database.ts";
import { explainMissingTables } from "../services/schema.ts";
import {
  type AlertDecision,
  alertVerdicts,
  type VerdictState,
} from "./alert-state.ts";
import type { SlackMessage } from "./alert-message.ts";
import type { JudgedSeverity } from "./verdict.ts";

/** An alert as it is stored, printed with `--json` and delivered. */
export interface Alert
  extends Pick<AlertDecision, "kind" | "status" | "changes"> {
  /** The variant's key, and its parts; a part that it does not have is null. */
  readonly variant: string;
  readonly geography: string | null;
  readonly company: string | null;
  /** Its values of dimensions, such as `brand=NJ tier=Gold`; absent if it has none. */
  readonly dimensions?: string | undefined;
  /** When the result was made that raised it: ISO 8601, UTC. */
  readonly raised_at: string;
  /** Whether retraining is advised and was not before. */
  readonly retrain: boolean;
  /** Title of the variant's issue, which all of its alerts share. */
  readonly issue: string;
  readonly title: string;
  readonly text: string;
  readonly markdown: string;
  readonly slack: SlackMessage;
}

/** An alert that is not delivered yet. */
export interface PendingAlert {
  readonly id: number;
  readonly alert: Alert;
  /** Whether this call raised it. */
  readonly isNew: boolean;
}

/** Older alerts are not delivered any more. */
const longestPendingDays = 35;
/** A process that delivers an alert for longer than this is taken to be dead. */
const claimMinutes = 15;

/**
 * Lets `decide` update the states of a variant, stores the alert that it raises,
 * and returns the alerts to deliver, oldest first. All of it is one transaction
 * that locks the states: of several simultaneous calls with the same results, one
 * raises the alert. With `claims`, undelivered alerts of earlier calls are
 * returned, too, and all are this caller's for 15 minutes; without it, only the
 * new one is returned, and it stays undelivered.
 *
 * @throws {UsageError} If the tables do not exist.
 */
export async function updateStates(
  database: Database,
  variant: string,
  { decide, claims }: {
    decide: (
      states: readonly VerdictState[],
      alertedAt: string | undefined,
    ) => { states: readonly VerdictState[]; alert: Alert | undefined };
    claims: boolean;
  },
): Promise<PendingAlert[]> {
  return await database.transaction(async (tx) => {
    const before = await lockStates(tx, variant);
    const [last] = await tx.query<{ at: Date | null }>(
      "select max(raised_at) as at from monitoring_alerts where variant = $1",
      [variant],
    );
    const { states, alert } = decide(before, last?.at?.toISOString());
    await saveStates(tx, states, { variant, before });
    const [added] = !alert ? [] : await tx.query<{ id: number }>(
      `insert into monitoring_alerts (variant, raised_at, status, alert) values ($1, $2, $3, $4)
       on conflict on constraint monitoring_alerts_once do nothing returning id`,
      [variant, alert.raised_at, alert.status, JSON.stringify(alert)],
    );
    if (claims) return await claimAlerts(tx, variant, { newId: added?.id });
    return added && alert ? [{ ...added, alert, isNew: true }] : [];
  }).catch(explainMissingTables);
}

/** Marks an alert as delivered. */
export async function markDelivered(
  database: Queryable,
  { id }: Pick<PendingAlert, "id">,
): Promise<void> {
  await database.query(
    "update monitoring_alerts set delivered_at = now(), claimed_until = null where id = $1",
    [id],
  );
}

/** Leaves alerts to the next call that claims them. */
export async function releaseAlerts(
  database: Queryable,
  alerts: readonly Pick<PendingAlert, "id">[],
): Promise<void> {
  await database.query(
    "update monitoring_alerts set claimed_until = null where id = any($1::bigint[])",
    [alerts.map(({ id }) => id)],
  );
}

interface StateRow {
  readonly verdict: VerdictState["verdict"];
  readonly severity: JudgedSeverity;
  readonly since: Date | null;
  readonly period: string | null;
  readonly scoringRunId: number | null;
  readonly monitoredAt: Date | null;
}

/** Creates the states that are missing, locks all of the variant, and returns them. */
async function lockStates(
  tx: Queryable,
  variant: string,
): Promise<VerdictState[]> {
  await tx.query(
    `insert into monitoring_states (variant, verdict)
     select $1, verdict from unnest($2::text[]) as wanted (verdict)
     on conflict do nothing`,
    [variant, alertVerdicts],
  );
  const rows = await tx.query<StateRow>(
    `select verdict, severity, since, period::text as period,
       scoring_run_id as "scoringRunId", monitored_at as "monitoredAt"
     from monitoring_states where variant = $1 order by verdict for update`,
    [variant],
  );
  return rows.map((
    { verdict, severity, since, period, scoringRunId, monitoredAt },
  ) => ({
    verdict,
    severity,
    since: since?.toISOString(),
    source: period !== null && scoringRunId !== null && monitoredAt !== null
      ? { period, scoringRunId, monitoredAt: monitoredAt.toISOString() }
      : undefined,
  }));
}

async function saveStates(
  tx: Queryable,
  states: readonly VerdictState[],
  { variant, before }: { variant: string; before: readonly VerdictState[] },
): Promise<void> {
  for (const state of states) {
    if (before.includes(state) || !state.source) continue;
    const { verdict, severity, since, source } = state;
    await tx.query(
      `update monitoring_states
       set severity = $3, since = $4, period = $5, scoring_run_id = $6, monitored_at = $7
       where variant = $1 and verdict = $2`,
      [
        variant,
        verdict,
        severity,
        since ?? null,
        source.period,
        source.scoringRunId,
        source.monitoredAt,
      ],
    );
  }
}

async function claimAlerts(
  tx: Queryable,
  variant: string,
  { newId }: { newId: number | undefined },
): Promise<PendingAlert[]> {
  const rows = await tx.query<{ id: number; alert: Alert }>(
    `with claimed as (
       update monitoring_alerts set claimed_until = now() + $2 * interval '1 minute'
       where variant = $1 and delivered_at is null and added_at > now() - $3 * interval '1 day'
         and (claimed_until is null or claimed_until < now())
       returning id, alert
     )
     select id, alert from claimed order by id`,
    [variant, claimMinutes, longestPendingDays],
  );
  return rows.map((row) => ({ ...row, isNew: row.id === newId }));
}
