-- Alerts are raised when a verdict changes, not when it is repeated: one row per variant and
-- verdict holds the last known severity, one row per alert its message and delivery.

create table monitoring_states (
  variant text not null,
  verdict text not null check (verdict in ('data', 'drift', 'performance', 'retrain')), -- retrain: warn if it is advised
  severity text not null default 'ok' check (severity in ('ok', 'warn', 'fail')),
  since timestamptz, -- when the severity began; null: never judged
  -- The result that was last considered: an earlier one changes nothing any more.
  period date,
  scoring_run_id bigint references scoring_runs (id),
  monitored_at timestamptz,
  primary key (variant, verdict)
);

create table monitoring_alerts (
  id bigint generated always as identity primary key,
  variant text not null,
  raised_at timestamptz not null, -- when the result was made that raised it
  added_at timestamptz not null default now(),
  status text not null check (status in ('ok', 'warn', 'fail')), -- the worst verdict of the variant; ok: recovered
  alert json not null, -- the message and what it is about
  claimed_until timestamptz, -- a process is delivering it; null: none
  delivered_at timestamptz, -- null: the next monitor delivers it
  -- Of two simultaneous monitors, one raises the alert.
  constraint monitoring_alerts_once unique (variant, raised_at)
);
