-- If a monitored scoring run has no performance result of its own, its verdict uses the
-- latest known performance of the same model version. When that changes, the run is
-- monitored again, so the earlier monitoring run is part of the unique key.

alter table monitoring_runs
  add column earlier_performance_id bigint not null default 0; -- id of the earlier monitoring run in this table; 0: none

alter table monitoring_runs
  drop constraint monitoring_runs_once,
  add constraint monitoring_runs_once unique (scoring_run_id, outcomes_sha256, earlier_performance_id);
