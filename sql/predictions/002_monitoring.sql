-- What was found when a scoring run was looked at: one row a look, and one row a column
-- and comparison. A number that is not known is null, never 0.

create table monitoring_runs (
  id bigint generated always as identity primary key,
  variant text not null,
  scoring_run_id bigint not null references scoring_runs (id),
  previous_scoring_run_id bigint references scoring_runs (id), -- null: there was none before
  reference_sha256 text check (reference_sha256 ~ '^[0-9a-f]{64}$'), -- of the rows behind the reference; null: the model has none
  outcomes_sha256 text not null default '' check (outcomes_sha256 ~ '^([0-9a-f]{64})?$'), -- '': without matured outcomes
  mlflow_run_id text,
  drift text not null check (drift in ('ok', 'warn', 'fail', 'not-enough-data', 'unknown')),
  performance text not null check (performance in ('ok', 'warn', 'fail', 'not-enough-data', 'unknown')),
  retrain boolean not null, -- advice only; nothing trains by itself
  drifted_share double precision,
  score_psi double precision,
  auc double precision,
  report json not null, -- everything that the report shows, in its own versioned form
  monitored_at timestamptz not null default now(),
  -- The same scores and outcomes are looked at once.
  constraint monitoring_runs_once unique (scoring_run_id, outcomes_sha256)
);

create table drift_metrics (
  monitoring_run_id bigint not null references monitoring_runs (id),
  comparison text not null check (comparison in ('baseline', 'consecutive')), -- with the reference, with the run before
  column_kind text not null check (column_kind in ('feature', 'score')),
  column_name text not null,
  severity text not null check (severity in ('ok', 'warn', 'fail', 'not-enough-data', 'unknown')),
  psi double precision,
  psi_noise double precision, -- its mean when nothing drifted
  psi_noise_limit double precision, -- 9,999 of 10,000 undrifted samples stay below
  ks_statistic double precision,
  ks_p_value double precision,
  ks_p_adjusted double precision, -- Benjamini-Hochberg over the columns of one comparison
  missing_share_reference double precision not null,
  missing_share_current double precision not null,
  out_of_range_share double precision,
  mean_reference double precision,
  mean_current double precision,
  reference_rows bigint not null,
  current_rows bigint not null,
  primary key (monitoring_run_id, comparison, column_kind, column_name)
);

create index monitoring_runs_variant on monitoring_runs (variant, id);
