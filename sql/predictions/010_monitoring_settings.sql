-- A run is judged again when the settings that judge it change, and when its outcomes change, even
-- back to what they were; rows that repeat a player are counted, not only players with several.

select set_config('lock_timeout', '10s', true) where current_setting('lock_timeout') = '0';

alter table monitoring_runs
  add column settings_sha256 text not null default '', -- of the settings that judged it; '': an earlier release
  add column outcomes_revision bigint not null default 0, -- how often the run's outcomes had changed before
  drop constraint monitoring_runs_once,
  add constraint monitoring_runs_once
    unique (scoring_run_id, outcomes_sha256, earlier_performance_id, settings_sha256, outcomes_revision);

alter table scoring_runs
  add column repeated_rows bigint check (repeated_rows >= 0); -- rows of a player beyond the first; null: not counted
