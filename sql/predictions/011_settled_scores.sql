-- churn_predictions_current need not read the whole history. When a newer run is published, the
-- scores of the runs before it are settled: those of players whom the newest run does not contain
-- are copied to settled_scores, the others are superseded. The view reads settled_scores and the
-- runs that are not settled.
--
-- For each variant and player, the newest row of all settled runs is in settled_scores, or the
-- player has a newer row in a completed run that is not settled. The view takes the newest row of
-- both, so it is right at any time: whatever is settled, and in whichever order runs complete.
--
-- Only the catalog is changed. At first no run is settled; setup and predict settle them.

select set_config('lock_timeout', '10s', true) where current_setting('lock_timeout') = '0';

-- In the order in which writers lock them.
lock table scores in share row exclusive mode;

alter table scoring_runs
  add column settled_at timestamptz; -- null: churn_predictions_current reads all its scores

create table settled_scores (
  variant text not null,
  player_id text not null,
  period date not null, -- of the run; the day of scoring if its input names none
  scoring_run_id bigint not null,
  row_number integer not null,
  churn_probability real not null,
  primary key (variant, player_id)
);

-- Whoever reads scores, such as the owner of a view or the readers of one with security_invoker.
do $grants$
declare
  item record;
begin
  for item in
    select coalesce(quote_ident(pg_get_userbyid(nullif(grantee, 0))), 'public') as grantee, is_grantable
    from pg_class cross join lateral aclexplode(relacl)
    where oid = format('%I.scores', current_schema())::regclass and privilege_type = 'SELECT' and grantee <> relowner
  loop
    execute format('grant select on settled_scores to %s%s', item.grantee, case when item.is_grantable then ' with grant option' else '' end);
  end loop;
end
$grants$;

-- Whoever settles scores, or changes what is settled, first locks the completed runs of the
-- variant in the order of their ids, and writes to them. So nobody else does the same meanwhile,
-- and a transaction at repeatable read that began before fails instead of overlooking it.

-- Settles the scores of all completed runs of a variant but the newest, and returns how many
-- runs these are. A function, so that the role that stores scores needs no right to change any.
-- Its settings: a hash of the newest run's players fits in memory, and sorting or compiling
-- would cost more than the rest.
create function settle_scores(of_variant text) returns integer
language plpgsql security definer
set search_path from current set work_mem = '64MB' set enable_mergejoin = off set jit = off as $body$
declare
  newest bigint;
  others bigint[];
begin
  select (array_agg(id order by period desc, id desc))[1], array_agg(id) filter (where settled_at is null)
  into newest, others
  from (
    select id, settled_at, coalesce(period, (finished_at at time zone 'UTC')::date) as period
    from scoring_runs where variant = of_variant and status = 'completed'
    order by id for no key update
  ) locked;
  others := array_remove(others, newest);
  if others is null or others = '{}' then
    return 0;
  end if;

  insert into settled_scores as p (variant, player_id, period, scoring_run_id, row_number, churn_probability)
  select of_variant, player_id, date '2000-01-01' + last_score[1]::integer,
    last_score[2]::bigint >> 31, last_score[2]::bigint & 2147483647, last_score[3]
  from (
    select s.player_id, max(array[
      (coalesce(r.period, (r.finished_at at time zone 'UTC')::date) - date '2000-01-01')::double precision,
      (s.scoring_run_id * 2147483648 + s.row_number)::double precision,
      s.churn_probability::double precision
    ]) as last_score
    from scoring_runs r
    -- Run by run, as `offset` demands, and not in a pass over all of scores.
    cross join lateral (select * from scores where scoring_run_id = r.id offset 0) s
    where r.id = any(others) and s.player_id is not null
      and not exists (select from scores n where n.scoring_run_id = newest and n.player_id = s.player_id)
    group by s.player_id
  ) each
  on conflict (variant, player_id) do update
  set period = excluded.period, scoring_run_id = excluded.scoring_run_id,
    row_number = excluded.row_number, churn_probability = excluded.churn_probability
  where (excluded.period, excluded.scoring_run_id) > (p.period, p.scoring_run_id);

  -- The newest one is written, too, for transactions at repeatable read.
  update scoring_runs set settled_at = case when id <> newest then clock_timestamp() end
  where id = newest or id = any(others);
  -- The plan of the view depends on how few runs are not settled.
  analyze (skip_locked) scoring_runs, settled_scores;
  return cardinality(others);
end
$body$;

-- Makes churn_predictions_current read all scores of a variant again, until they are settled.
create function unsettle_scores(of_variant text) returns void
language plpgsql security definer set search_path from current as $body$
begin
  perform from scoring_runs where variant = of_variant and status = 'completed' order by id for no key update;
  update scoring_runs set settled_at = null where variant = of_variant and (status = 'completed' or settled_at is not null);
  delete from settled_scores where variant = of_variant;
end
$body$;

-- When scores are deleted or changed, finds the newest settled row of their players again. Of
-- many players, that would take longer than to settle the variant again.
create function settle_changed_scores() returns trigger
language plpgsql security definer set search_path from current as $body$
declare
  most_players constant integer := 100;
  changed_runs bigint[];
  changed_variants text[];
  changed_players text[];
begin
  select array_agg(id) into changed_runs from (select distinct scoring_run_id as id from old_rows) old;
  if tg_op = 'UPDATE' then
    select changed_runs || array_agg(id) into changed_runs from (select distinct scoring_run_id as id from new_rows) new;
  end if;
  select array_agg(distinct variant) into changed_variants from scoring_runs where id = any(changed_runs);
  if changed_variants is null then
    return null; -- a run that was not published is discarded
  end if;
  -- Runs that are published meanwhile, too.
  perform from scoring_runs
  where variant = any(changed_variants) and (status = 'completed' or id = any(changed_runs))
  order by id for no key update;
  update scoring_runs set settled_at = settled_at
  where variant = any(changed_variants) and (status = 'completed' or id = any(changed_runs));

  select array_agg(player_id) into changed_players
  from (select distinct player_id from old_rows where player_id is not null limit most_players + 1) old;
  if tg_op = 'UPDATE' then
    select changed_players || array_agg(player_id) into changed_players
    from (select distinct player_id from new_rows where player_id is not null limit most_players + 1) new;
  end if;
  if cardinality(changed_players) > most_players then
    perform unsettle_scores(variant) from unnest(changed_variants) variant;
    return null;
  end if;
  delete from settled_scores where variant = any(changed_variants) and player_id = any(changed_players);
  insert into settled_scores (variant, player_id, period, scoring_run_id, row_number, churn_probability)
  select variant, player_id, date '2000-01-01' + last_score[1]::integer,
    last_score[2]::bigint >> 31, last_score[2]::bigint & 2147483647, last_score[3]
  from (
    select r.variant, s.player_id, max(array[
      (coalesce(r.period, (r.finished_at at time zone 'UTC')::date) - date '2000-01-01')::double precision,
      (s.scoring_run_id * 2147483648 + s.row_number)::double precision,
      s.churn_probability::double precision
    ]) as last_score
    from scores s join scoring_runs r on r.id = s.scoring_run_id
    where s.player_id = any(changed_players) and r.variant = any(changed_variants) and r.settled_at is not null
    group by r.variant, s.player_id
  ) each;
  return null;
end
$body$;

create trigger scores_deleted after delete on scores referencing old table as old_rows
for each statement execute function settle_changed_scores();

create trigger scores_updated after update on scores referencing old table as old_rows new table as new_rows
for each statement execute function settle_changed_scores();

-- A completed run is deleted or changed, or a table is truncated.
create function unsettle_changed_runs() returns trigger
language plpgsql security definer set search_path from current as $body$
begin
  if tg_op = 'TRUNCATE' then
    delete from settled_scores;
    update scoring_runs set settled_at = null where settled_at is not null;
    return null;
  end if;
  perform unsettle_scores(old.variant);
  if tg_op = 'UPDATE' and new.variant <> old.variant then
    perform unsettle_scores(new.variant);
  end if;
  return null;
end
$body$;

create trigger scoring_runs_deleted after delete on scoring_runs
for each row when (old.status = 'completed') execute function unsettle_changed_runs();

create trigger scoring_runs_changed after update on scoring_runs
for each row when (
  old.status = 'completed'
  and (old.id, old.variant, old.status, old.period, old.finished_at)
    is distinct from (new.id, new.variant, new.status, new.period, new.finished_at)
) execute function unsettle_changed_runs();

create trigger scores_truncated after truncate on scores
for each statement execute function unsettle_changed_runs();

create trigger scoring_runs_truncated after truncate on scoring_runs
for each statement execute function unsettle_changed_runs();

revoke execute on function
  settle_scores, unsettle_scores, settle_changed_scores, unsettle_changed_runs
from public;

-- The view is replaced, not dropped: its columns are the same, so grants, options and whatever
-- is built on it stay.

do $current$
declare
  before_rows constant text := format('%I.churn_predictions_before', current_schema());
  current_rows constant text := format('%I.churn_predictions_current', current_schema());
  current_options text := coalesce((select ' with (' || array_to_string(reloptions, ', ') || ')' from pg_class where oid = current_rows::regclass), '');
  current_columns text;
begin
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
      ('model_version', 'r.model_version'), ('scoring_run_id', 'r.id'), ('row_number', '(c.key & 2147483647)'),
      ('period', 'coalesce(r.period, (r.finished_at at time zone ''UTC'')::date)')
    ) s (attname, source) on s.attname = a.attname
    where a.attrelid = current_rows::regclass and a.attnum > 0 and not a.attisdropped
  ) columns;

  -- For each variant and player: the row from the newest period, and in it from the newest run
  -- (the highest id in the ledger). If a player occurs twice in a run, the last row counts. Rows
  -- without a player id cannot be matched, so only those of the variant's newest run are shown.
  --
  -- Period, (run, row) and score of a player's newest row are the largest array, exact below
  -- 2^53, that is up to run 4 million. Geography and company are those of the variant's newest
  -- run and part of the grouping, so that a condition on them limits the question to that
  -- variant, and a condition on player_id to that player.
  --
  -- The planner takes the pages of a run for scattered, because it does not know that a BRIN index
  -- finds them side by side, and would rather read all of scores. The condition on the run is
  -- therefore written twice (`any(array[…])`): then it expects a small part of the run.
  execute format(
    $view$
    create or replace view %3$s%4$s as
    with runs as not materialized (
      select id, variant, geography_id, company_id, settled_at,
        coalesce(period, (finished_at at time zone 'UTC')::date) as period
      from scoring_runs where status = 'completed'
    ),
    latest as not materialized (
      select distinct on (variant) id, variant, geography_id, company_id
      from runs order by variant, period desc, id desc
    )
    select %1$s
    from (
      select geography_id, company_id, player_id, last_score, last_score[2]::bigint as key
      from (
        select id, geography_id, company_id, player_id, max(array[
          (period - date '2000-01-01')::double precision, key::double precision, score
        ]) as last_score
        from (
          select l.id, l.geography_id, l.company_id, r.period, s.player_id::text as player_id,
            s.scoring_run_id * 2147483648 + s.row_number as key, s.churn_probability::double precision as score
          from latest l join runs r on r.variant = l.variant join %2$s s on s.scoring_run_id = r.id
          where s.player_id is not null or r.id = l.id
          union all
          select l.id, l.geography_id, l.company_id, r.period, s.player_id,
            s.scoring_run_id * 2147483648 + s.row_number, s.churn_probability::double precision
          from latest l join runs r on r.variant = l.variant and r.settled_at is null
          join scores s on s.scoring_run_id = r.id and s.scoring_run_id = any(array[r.id])
          where s.player_id is not null or r.id = l.id
          union all
          select l.id, l.geography_id, l.company_id, s.period, s.player_id,
            s.scoring_run_id * 2147483648 + s.row_number, s.churn_probability::double precision
          from latest l join settled_scores s on s.variant = l.variant
        ) counted
        group by id, geography_id, company_id, player_id, case when player_id is null then key end
      ) each
    ) c
    join scoring_runs r on r.id = c.key >> 31
    left join %2$s o on o.scoring_run_id = c.key >> 31 and o.row_number = c.key & 2147483647
    $view$, current_columns, before_rows, current_rows, current_options
  );
end
$current$;
