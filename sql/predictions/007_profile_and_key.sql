-- A run keeps the profile of its rows, counted while they were scored, so that monitor needs
-- neither the input nor the scores.
--
-- A forced scoring may carry a key, such as the id of the workflow run that asked for it. A
-- batch is scored once per key, so a repeated or retried dispatch adds no second attempt.

select set_config('lock_timeout', '10s', true) where current_setting('lock_timeout') = '0';

alter table scoring_runs
  add column profile jsonb, -- null: not counted; the model has no reference profile, or returns no probability
  add column idempotency_key text; -- null: none was given

create unique index scoring_runs_once_key
on scoring_runs (variant, content_sha256, coalesce(period, '-infinity'), idempotency_key)
where status = 'completed' and idempotency_key is not null;
