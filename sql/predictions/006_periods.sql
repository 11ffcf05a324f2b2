-- A scoring run may belong to a period, such as a week. Both views show it in a new last
-- column, and churn_predictions_current goes by it: for each player and variant the newest
-- period, and in it the newest attempt.
--
-- Only the catalog and the ledger are changed. Both views are replaced, not dropped: their
-- other columns are the same, so grants and whatever is built on them stay, and so do options
-- such as security_invoker.

select set_config('lock_timeout', '10s', true) where current_setting('lock_timeout') = '0';

alter table scoring_runs
  add column period date, -- first day; null: the run's input names no period, so the day of scoring counts
  add column input_version text, -- changes whenever a file of the input is written; null: unknown
  add column input_parts jsonb, -- uri, bytes, rows and sha256 of each file; null: one file, input_uri
  add column duplicate_players bigint check (duplicate_players >= 0); -- players with several rows; null: not counted

-- What makes a rerun, a crash, or two schedulers at once publish a batch once. Attempts are
-- counted per period; without one, per content.
drop index scoring_runs_once;

create unique index scoring_runs_once on scoring_runs (variant, content_sha256, attempt)
where status = 'completed' and period is null;

create unique index scoring_runs_once_period on scoring_runs (variant, period, attempt)
where status = 'completed' and period is not null;

do $periods$
declare
  before_rows constant text := format('%I.churn_predictions_before', current_schema());
  all_rows constant text := format('%I.churn_predictions', current_schema());
  current_rows constant text := format('%I.churn_predictions_current', current_schema());
  all_options text := coalesce((select ' with (' || array_to_string(reloptions, ', ') || ')' from pg_class where oid = all_rows::regclass), '');
  current_options text := coalesce((select ' with (' || array_to_string(reloptions, ', ') || ')' from pg_class where oid = current_rows::regclass), '');
  row_day text; -- the day of a row that belongs to no run of the ledger
  current_columns text;
begin
  if exists (
    select from pg_attribute
    where attrelid in (all_rows::regclass, current_rows::regclass) and attname = 'period' and not attisdropped
  ) then
    raise exception using errcode = 'P0001', message =
      'Cannot add the column period to churn_predictions and churn_predictions_current, because one of them has a column of that name. '
      'Rename it (`alter table churn_predictions rename column period to …`, or `alter view` if it is a view already) and run `deno task setup` again';
  end if;

  select case format_type(atttypid, -1)
    when 'timestamp with time zone' then '(v.prediction_timestamp at time zone ''UTC'')::date'
    else 'v.prediction_timestamp::date' end
  into row_day
  from pg_attribute where attrelid = all_rows::regclass and attname = 'prediction_timestamp';

  -- The join is on the key of scoring_runs, so Postgres leaves it out of queries without period.
  execute format(
    'create or replace view %1$s%4$s as select v.*, coalesce(r.period, %2$s) as period from (%3$s) v left join scoring_runs r on r.id = v.scoring_run_id',
    all_rows, row_day, rtrim(pg_get_viewdef(all_rows::regclass), '; ' || chr(10)),
    all_options
  );

  -- Each column as the view has it, with its type.
  select string_agg(
    format(
      case when attname = 'id' and type = 'uuid' then 'coalesce(o.id, md5(c.key::text)::uuid)'
        when attname = 'id' then 'coalesce(o.id::%2$s, c.key::%2$s)'
        when attname = 'prediction_timestamp' and type <> 'timestamp with time zone'
          then 'coalesce(o.prediction_timestamp, (r.finished_at at time zone ''UTC'')::%2$s)'
        when attname = 'prediction_timestamp' then 'coalesce(o.prediction_timestamp, r.finished_at)'
        else source || '::%2$s' end || ' as %1$I',
      attname, type
    ), ', ' order by attnum
  )
  into current_columns
  from (
    select a.attname, a.attnum, format_type(a.atttypid, -1) as type, s.source
    from pg_attribute a
    left join (values
      ('geography_id', 'c.geography_id'), ('company_id', 'c.company_id'), ('player_id', 'c.player_id'),
      ('churn_probability', 'c.last_score[3]'), ('model_name', 'r.model_name'),
      ('model_version', 'r.model_version'), ('scoring_run_id', 'r.id'), ('row_number', '(c.key & 2147483647)')
    ) s (attname, source) on s.attname = a.attname
    where a.attrelid = current_rows::regclass and a.attnum > 0 and not a.attisdropped
  ) columns;

  -- For each variant and player: the row from the newest period, and in it from the newest run
  -- (the highest id in the ledger). If a player occurs twice in a run, the last row counts. Rows
  -- without a player id cannot be matched, so only those of the variant's newest run are shown.
  --
  -- One pass over the scores: period, (run, row) and score of a player's newest row are the
  -- largest array, exact below 2^53, that is up to run 4 million. Geography and company are those
  -- of the variant's newest run and part of the grouping, so that a condition on them limits the
  -- pass to the runs of that variant, and a condition on player_id to that player.
  execute format(
    $view$
    create or replace view %3$s%5$s as
    with runs as not materialized (
      select id, variant, geography_id, company_id,
        coalesce(period, (finished_at at time zone 'UTC')::date) as period
      from scoring_runs where status = 'completed'
    ),
    latest as not materialized (
      select distinct on (variant) id, variant, geography_id, company_id
      from runs order by variant, period desc, id desc
    )
    select %1$s, coalesce(r.period, (r.finished_at at time zone 'UTC')::date) as period
    from (
      select geography_id, company_id, player_id, last_score, last_score[2]::bigint as key
      from (
        select l.id, l.geography_id, l.company_id, s.player_id,
          max(array[
            (r.period - date '2000-01-01')::double precision,
            (s.scoring_run_id * 2147483648 + s.row_number)::double precision,
            s.score
          ]) as last_score
        from latest l
        join runs r on r.variant = l.variant
        join (
          -- The same types in both, or the planner would not look into them.
          select scoring_run_id, row_number, player_id::text as player_id, churn_probability::double precision as score
          from %2$s
          union all
          select scoring_run_id, row_number::bigint, player_id, churn_probability::double precision from scores
        ) s on s.scoring_run_id = r.id
        where s.player_id is not null
        group by l.id, l.geography_id, l.company_id, s.player_id
      ) each
    ) c
    join scoring_runs r on r.id = c.key >> 31
    left join %2$s o on o.scoring_run_id = c.key >> 31 and o.row_number = c.key & 2147483647
    union all
    select p.id, p.prediction_timestamp, p.geography_id, p.company_id, p.player_id, p.churn_probability,
      p.model_name, p.model_version, p.scoring_run_id, p.row_number, p.period
    from %4$s p join latest l on l.id = p.scoring_run_id
    where p.player_id is null
    $view$, current_columns, before_rows, current_rows, all_rows, current_options
  );
end
$periods$;
