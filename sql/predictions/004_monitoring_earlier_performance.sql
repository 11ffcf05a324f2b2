-- A look whose run has no judged performance of its own rests its advice on the latest
-- performance that is known of the same model version. When that changes, the run is
-- looked at again, so the earlier look is a part of what makes a look the same.

alter table monitoring_runs
  add column earlier_performance_id bigint not null default 0; -- id of that look in this table; 0: none

alter table monitoring_runs
  drop constraint monitoring_runs_once,
  add constraint monitoring_runs_once unique (scoring_run_id, outcomes_sha256, earlier_performance_id);
