-- A monitoring result has a verdict on the data itself, apart from drift.

select set_config('lock_timeout', '10s', true) where current_setting('lock_timeout') = '0';

alter table monitoring_runs
  add column data text -- null: judged by an earlier release
  check (data in ('ok', 'warn', 'fail', 'not-enough-data', 'unknown'));

-- The one-hot columns of a step of the recipe are judged as one group of categories.
alter table drift_metrics
  drop constraint drift_metrics_column_kind_check,
  add constraint drift_metrics_column_kind_check check (column_kind in ('feature', 'group', 'score')),
  add column chi_square double precision, -- of a group; its p-values are in ks_p_value and ks_p_adjusted
  add column cusum double precision; -- of the shifts of the mean rank over periods; null: no earlier period
