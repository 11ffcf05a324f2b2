-- Scores are appended to a narrow table and become visible when the ledger says so:
-- churn_predictions and churn_predictions_current are views that show the rows of completed
-- scoring runs only. The table churn_predictions that existed before is renamed to
-- churn_predictions_before. It keeps its rows, and both views show them.
--
-- Only the catalog and the ledger are changed; no row of scores is rewritten. The lock on
-- churn_predictions is held from the end of this file to the commit.

-- A reader or writer that is busy for longer makes setup stop, to be run again (55P03).
select set_config('lock_timeout', '10s', true) where current_setting('lock_timeout') = '0';

-- In the order in which writers lock them.
lock table scoring_runs, churn_predictions in access exclusive mode;

-- The ledger. A run is inserted as 'running', when its content and size are not known yet.

alter table scoring_runs
  alter column content_sha256 drop not null,
  alter column row_count drop not null,
  add column input_bytes bigint check (input_bytes >= 0), -- null: not recorded
  add column rows_set_aside bigint not null default 0 check (rows_set_aside >= 0),
  add column lease_expires_at timestamptz, -- a running run that has not renewed its lease is dead
  add check (status <> 'completed' or (content_sha256 is not null and row_count is not null)),
  add check (status <> 'running' or lease_expires_at is not null) not valid, -- older runs have no lease
  drop constraint scoring_runs_once;

-- Attempts are counted per variant and content, whichever model scored it.
update scoring_runs r
set attempt = counted.attempt
from (
  select id, row_number() over (partition by variant, content_sha256 order by id) as attempt
  from scoring_runs
  where status = 'completed'
) counted
where counted.id = r.id and counted.attempt <> r.attempt;

-- What makes a rerun, a crash, or two schedulers at once publish a batch once.
create unique index scoring_runs_once on scoring_runs (variant, content_sha256, attempt)
where status = 'completed';

-- A published run never changes: whoever may publish runs cannot alter those of the past.
create function scoring_runs_stay_published() returns trigger language plpgsql as $body$
begin
  if old.status = 'completed' and not pg_has_role(
    (select relowner from pg_class where oid = tg_relid), 'usage'
  ) then
    raise exception 'permission denied: scoring run % is completed, and only the owner of scoring_runs may change it', old.id
      using errcode = '42501';
  end if;
  return case tg_op when 'DELETE' then old else new end;
end
$body$;

create trigger scoring_runs_stay_published before update or delete on scoring_runs
for each row execute function scoring_runs_stay_published();

-- The scores. Columns in this order need no padding.

create table scores (
  scoring_run_id bigint not null, -- no foreign key: it would cost more than the row
  row_number integer not null, -- from 1, in the order of the input
  churn_probability real not null check (churn_probability between 0 and 1), -- refuses NaN too
  player_id text
) with (
  -- The indexes below summarize new rows when the table is vacuumed.
  autovacuum_vacuum_insert_threshold = 500000,
  autovacuum_vacuum_insert_scale_factor = 0
);

-- A publication of all tables would otherwise refuse to delete what a dead run left.
alter table scores replica identity full;

-- B-trees would cost more than the rows: figures in docs/operations.md, "Stored rows".
create index scores_run on scores
using brin (scoring_run_id, (scoring_run_id * 2147483648 + row_number)) with (pages_per_range = 32);

do $index$
begin
  if current_setting('server_version_num')::integer >= 140000 then
    create index scores_player on scores
    using brin (player_id text_bloom_ops (n_distinct_per_range = 2500)) with (pages_per_range = 16);
  else
    create index scores_player on scores (player_id); -- Postgres 13 has no bloom operators for BRIN
  end if;
end
$index$;

-- Deletes a run that was not published, and its scores. Returns false if there is no such
-- run. With `only_expired`, a run that still renews its lease stays. A function, so that the
-- role that stores scores needs no right to delete any.
create function discard_scoring_run(run_id bigint, only_expired boolean default false) returns boolean
language plpgsql security definer set search_path from current as $body$
begin
  delete from scoring_runs
  where id = run_id and status = 'running'
    and not (only_expired and lease_expires_at > clock_timestamp());
  if not found then
    return false;
  end if;
  delete from scores where scoring_run_id = run_id;
  return true;
end
$body$;

revoke execute on function discard_scoring_run from public;

-- From here on: churn_predictions becomes a view. Whatever is bound to the table (views, and
-- functions with its row type or a parsed body) is dropped and created again on the view,
-- with its owner, grants, comments and options. What cannot be moved is refused by name.

do $move$
declare
  schema_name constant text := current_schema();
  before constant regclass := format('%I.churn_predictions', schema_name)::regclass;
  before_name constant text := format('%I.churn_predictions_before', schema_name);
  view_name constant text := format('%I.churn_predictions', schema_name);
  current_name constant text := format('%I.churn_predictions_current', schema_name);
  owner_name constant text := (select pg_get_userbyid(relowner) from pg_class where oid = before);
  -- 'kind', 'name', 'create', 'owner', 'grants', 'comments': in the order of creation.
  moved jsonb[] := '{}';
  refused text[];
  item jsonb;
  largest_id bigint;
  old_columns text;
  new_columns text;
  insert_columns text;
  insert_values text;
  insert_defaults text;
  current_columns text;
  current_body text;
begin
  -- 1. What cannot be moved.

  with recursive bound (classid, objid) as (
    select 'pg_class'::regclass::oid, before::oid
    union
    select found.classid, found.objid
    from bound
    join pg_depend d on d.refclassid = bound.classid and d.refobjid = bound.objid
    cross join lateral (
      -- A view is bound by its rule. Row types and array types belong to their relation.
      select case when d.classid = 'pg_rewrite'::regclass then 'pg_class'::regclass::oid else d.classid end as classid,
        case when d.classid = 'pg_rewrite'::regclass then (select ev_class from pg_rewrite where oid = d.objid) else d.objid end as objid
    ) found
    where not (
      -- The table's own parts stay with it.
      d.refclassid = 'pg_class'::regclass and d.refobjid = before
      and (d.deptype = 'i' and d.classid = 'pg_class'::regclass or d.classid = 'pg_attrdef'::regclass
        or d.classid = 'pg_class'::regclass and (select relkind in ('i', 'I', 'S', 't') from pg_class where oid = d.objid)
        or d.classid = 'pg_constraint'::regclass and (select conrelid = before from pg_constraint where oid = d.objid)
        or d.classid = 'pg_statistic_ext'::regclass
        or d.classid = 'pg_trigger'::regclass and (select tgisinternal from pg_trigger where oid = d.objid))
    )
  )
  select array_agg(distinct pg_describe_object(classid, objid, 0) order by pg_describe_object(classid, objid, 0))
  into refused
  from bound
  where not (
    objid = before
    or classid = 'pg_type'::regclass and (select typtype in ('c', 'b') from pg_type where oid = objid)
    or classid = 'pg_proc'::regclass and (select prokind in ('f', 'p') from pg_proc where oid = objid)
    or classid = 'pg_class'::regclass and (select relkind = 'v' from pg_class where oid = objid)
  );
  refused := refused
    || array(select format('row level security of table %s', oid::regclass) from pg_class where oid = before and relrowsecurity)
    || array(select format('rule %I on table %s', rulename, ev_class::regclass) from pg_rewrite where ev_class = before)
    || array(select format('publication %I of table %s', pubname, before) from pg_publication_rel join pg_publication p on p.oid = prpubid where prrelid = before)
    || array(select format('inheritance of table %s from %s', before, inhparent::regclass) from pg_inherits where inhrelid = before)
    || array(select format('column player_id of type %s in table %s', format_type(atttypid, atttypmod), before)
             from pg_attribute where attrelid = before and attname = 'player_id' and atttypid not in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype));
  if refused <> '{}' then
    raise exception using errcode = 'P0001', message = format(
      'Cannot make churn_predictions a view, because this cannot be moved from the table to the view: %s. '
      'Drop it, run `deno task setup` again, and create it again on the view, or on the tables churn_predictions_before (older rows) and scores',
      array_to_string(refused, ', ')
    );
  end if;

  -- 2. What is moved, dependencies first.

  with recursive bound (classid, objid, depth) as (
    select 'pg_class'::regclass::oid, before::oid, 0
    union
    select found.classid, found.objid, depth + 1
    from bound
    join pg_depend d on d.refclassid = bound.classid and d.refobjid = bound.objid
    cross join lateral (
      select 'pg_class'::regclass::oid as classid, ev_class as objid from pg_rewrite where oid = d.objid and d.classid = 'pg_rewrite'::regclass
      union all
      select d.classid, d.objid where d.classid = 'pg_proc'::regclass or d.classid = 'pg_type'::regclass
    ) found
    where (found.classid, found.objid) is distinct from (bound.classid, bound.objid)
  ),
  ordered as (
    select classid, objid, max(depth) as depth from bound where objid <> before group by classid, objid
  ),
  described as (
    select depth, objid, 'view' as kind, format('%I.%I', n.nspname, c.relname) as name, relowner as owner, relacl as acl,
      format(
        'create view %I.%I%s as %s', n.nspname, c.relname,
        ' with (' || array_to_string(c.reloptions, ', ') || ')',
        case when c.relname = 'churn_predictions_current' and n.nspname = schema_name
          then '{current}' else pg_get_viewdef(c.oid) end
      ) as creation,
      array(
        select format('grant %s (%I) on %I.%I to %s%s', privilege_type, a.attname, n.nspname, c.relname,
          coalesce(quote_ident(pg_get_userbyid(nullif(grantee, 0))), 'public'), case when is_grantable then ' with grant option' else '' end)
        from pg_attribute a cross join lateral aclexplode(a.attacl) where a.attrelid = c.oid
      ) as column_grants,
      array(
        select format('comment on %s %I.%I%s is %L', case objsubid when 0 then 'view' else 'column' end, n.nspname, c.relname,
          (select '.' || quote_ident(attname) from pg_attribute where attrelid = c.oid and attnum = nullif(objsubid, 0)), description)
        from pg_description where pg_description.classoid = 'pg_class'::regclass and objoid = c.oid
      ) as comments
    from ordered join pg_class c on c.oid = objid join pg_namespace n on n.oid = c.relnamespace
    where classid = 'pg_class'::regclass
    union all
    select depth, objid, case prokind when 'p' then 'procedure' else 'function' end,
      format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), proowner, proacl,
      pg_get_functiondef(p.oid), '{}',
      array(
        select format('comment on routine %I.%I(%s) is %L', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid), description)
        from pg_description where pg_description.classoid = 'pg_proc'::regclass and objoid = p.oid
      )
    from ordered join pg_proc p on p.oid = objid join pg_namespace n on n.oid = p.pronamespace
    where classid = 'pg_proc'::regclass
  )
  select coalesce(array_agg(
    jsonb_build_object(
      'kind', kind, 'name', name, 'create', creation, 'owner', pg_get_userbyid(owner),
      'grants', to_jsonb(array(
        select format('grant %s on %s %s to %s%s', privilege_type, case kind when 'view' then 'table' else kind end, name,
          coalesce(quote_ident(pg_get_userbyid(nullif(grantee, 0))), 'public'), case when is_grantable then ' with grant option' else '' end)
        from aclexplode(acl)
      ) || column_grants),
      'has_grants', acl is not null,
      'comments', to_jsonb(comments)
    ) order by depth, objid
  ), '{}')
  into moved
  from described;

  for item in select value from unnest(moved) with ordinality as each (value, position) order by position desc loop
    execute format('drop %s %s', item ->> 'kind', item ->> 'name');
  end loop;

  -- 3. The table steps aside. Its grants, indexes, constraints and sequence stay.

  execute format('alter table %s rename to churn_predictions_before', before);

  -- Ids of new rows are above those of the old ones: a run's number times 2^31, plus the row's.
  if exists (select from pg_attribute where attrelid = before and attname = 'id' and atttypid = 'bigint'::regtype) then
    execute format('select max(id) from %s', before) into largest_id;
    if largest_id >= 2147483648 then
      perform setval(sequence_name, greatest(nextval(sequence_name), largest_id / 2147483648 + 1))
      from pg_get_serial_sequence('scoring_runs', 'id') sequence_name;
    end if;
  end if;

  -- 4. The view, with the table's columns in the table's order and types.

  select
    string_agg(
      case when attname = 'id' and type in ('smallint', 'integer') then 'id::bigint' else format('%I', attname) end,
      ', ' order by attnum
    ),
    string_agg(
      case
        when attname = 'id' and type = 'uuid' then format('md5(%s::text)::uuid', source)
        when attname = 'id' and type in ('smallint', 'integer') then source
        when source is null then format('null::%s', type)
        when attname = 'prediction_timestamp' and type <> 'timestamp with time zone' then format('(%s at time zone ''UTC'')::%s', source, type)
        when type = source_type then source
        else format('%s::%s', source, type)
      end,
      ', ' order by attnum
    ),
    string_agg(
      case
        when attname = 'id' and type = 'uuid' then 'coalesce(o.id, md5(c.key::text)::uuid)'
        when attname = 'id' and type in ('smallint', 'integer') then 'coalesce(o.id::bigint, c.key)'
        when attname = 'id' then format('coalesce(o.id, c.key::%s)', type)
        when attname = 'prediction_timestamp' and type <> 'timestamp with time zone'
          then format('coalesce(o.prediction_timestamp, (r.finished_at at time zone ''UTC'')::%s)', type)
        when attname = 'prediction_timestamp' then 'coalesce(o.prediction_timestamp, r.finished_at)'
        when type = source_type then current_source
        else format('%s::%s', current_source, type)
      end || format(' as %I', attname),
      ', ' order by current_position
    ) filter (where current_position is not null),
    string_agg(format('%I', attname), ', ' order by attnum) filter (where attgenerated = ''),
    string_agg(format('new.%I', attname), ', ' order by attnum) filter (where attgenerated = ''),
    string_agg(
      format('new.%I := coalesce(new.%1$I, %s);', attname, default_value), ' ' order by attnum
    ) filter (where default_value is not null and attgenerated = '')
  into old_columns, new_columns, current_columns, insert_columns, insert_values, insert_defaults
  from (
    select a.attname, a.attnum, a.attgenerated, format_type(a.atttypid, -1) as type,
      s.source, s.source_type, s.current_source, s.current_position,
      case when a.attidentity <> ''
        then format('nextval(%L::regclass)', pg_get_serial_sequence(before_name, a.attname))
        else pg_get_expr(d.adbin, d.adrelid) end as default_value
    from pg_attribute a
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    left join (values
      -- Column, its source in churn_predictions, type of the source, source and position in churn_predictions_current.
      ('id', '(s.scoring_run_id * 2147483648 + s.row_number)', 'bigint', 'c.key', 1),
      ('prediction_timestamp', 'r.finished_at', 'timestamp with time zone', 'r.finished_at', 2),
      ('geography_id', 'r.geography_id', 'text', 'c.geography_id', 3),
      ('company_id', 'r.company_id', 'text', 'c.company_id', 4),
      ('player_id', 's.player_id', 'text', 'c.player_id', 5),
      ('churn_probability', 's.churn_probability::double precision', 'double precision', 'c.last_score[2]', 6),
      ('model_name', 'r.model_name', 'text', 'r.model_name', 7),
      ('model_version', 'r.model_version', 'text', 'r.model_version', 8),
      ('scoring_run_id', 's.scoring_run_id', 'bigint', 'r.id', 9),
      ('row_number', 's.row_number::bigint', 'bigint', '(c.key & 2147483647)', 10)
    ) s (attname, source, source_type, current_source, current_position) on s.attname = a.attname
    where a.attrelid = before and a.attnum > 0 and not a.attisdropped
  ) columns;

  execute format(
    'create view %s as select %s from %s union all select %s from scores s join scoring_runs r on r.id = s.scoring_run_id where r.status = ''completed''',
    view_name, old_columns, before_name, new_columns
  );

  -- churn_predictions_current shows each player once per variant: the row from the newest
  -- completed run of the variant that scored this player. "Newest" means the highest id in the
  -- ledger. If a player occurs twice in a run, its last row counts. Rows without a player id
  -- cannot be matched, so only those of the variant's newest run are shown.
  --
  -- One pass over the scores: the largest (run, row) of a player and its score are one array,
  -- exact below 2^53, that is up to run 4 million. Geography and company are those of the
  -- variant's newest run and part of the grouping, so that a condition on them limits the pass
  -- to the runs of that variant, and a condition on player_id to that player.
  current_body := format(
    $view$
    with latest as not materialized (
      select distinct on (variant) id, variant, geography_id, company_id
      from scoring_runs where status = 'completed' order by variant, id desc
    )
    select %1$s
    from (
      select geography_id, company_id, player_id, last_score, last_score[1]::bigint as key
      from (
        select l.id, l.geography_id, l.company_id, s.player_id,
          max(array[(s.scoring_run_id * 2147483648 + s.row_number)::double precision, s.score]) as last_score
        from latest l
        join scoring_runs r on r.variant = l.variant
        join (
          -- The same types in both, or the planner would not look into them.
          select scoring_run_id, row_number, player_id::text as player_id, churn_probability::double precision as score
          from %2$s
          union all
          select scoring_run_id, row_number::bigint, player_id, churn_probability::double precision from scores
        ) s on s.scoring_run_id = r.id
        where r.status = 'completed' and s.player_id is not null
        group by l.id, l.geography_id, l.company_id, s.player_id
      ) each
    ) c
    join scoring_runs r on r.id = c.key >> 31
    left join %2$s o on o.scoring_run_id = c.key >> 31 and o.row_number = c.key & 2147483647
    union all
    select p.id, p.prediction_timestamp, p.geography_id, p.company_id, p.player_id, p.churn_probability,
      p.model_name, p.model_version, p.scoring_run_id, p.row_number
    from %3$s p join latest l on l.id = p.scoring_run_id
    where p.player_id is null
    $view$, current_columns, before_name, view_name
  );

  -- 5. Other programs may go on inserting into churn_predictions: their rows go into the old table.

  execute format(
    'create function churn_predictions_insert() returns trigger language plpgsql security definer set search_path from current as $body$ '
    'begin %s insert into %s (%s) overriding system value values (%s); return new; end $body$',
    insert_defaults, before_name, insert_columns, insert_values
  );
  revoke execute on function churn_predictions_insert from public;
  execute format(
    'create trigger churn_predictions_insert instead of insert on %s for each row execute function churn_predictions_insert()',
    view_name
  );

  -- 6. The view's owner, grants and comments are the table's; then everything that was bound to it.

  moved := array(
    select jsonb_build_object(
      'kind', 'view', 'name', view_name, 'create', null, 'owner', owner_name,
      'grants', to_jsonb(array(
        select format('grant %s on %s to %s%s', privilege_type, view_name,
          coalesce(quote_ident(pg_get_userbyid(nullif(grantee, 0))), 'public'), case when is_grantable then ' with grant option' else '' end)
        from aclexplode(c.relacl)
      ) || array(
        select format('grant %s (%I) on %s to %s%s', privilege_type, a.attname, view_name,
          coalesce(quote_ident(pg_get_userbyid(nullif(grantee, 0))), 'public'), case when is_grantable then ' with grant option' else '' end)
        from pg_attribute a cross join lateral aclexplode(a.attacl) where a.attrelid = c.oid
      )),
      'has_grants', c.relacl is not null,
      'comments', to_jsonb(array(
        select format('comment on %s %s%s is %L', case objsubid when 0 then 'view' else 'column' end, view_name,
          (select '.' || quote_ident(attname) from pg_attribute where attrelid = c.oid and attnum = nullif(objsubid, 0)), description)
        from pg_description where classoid = 'pg_class'::regclass and objoid = c.oid
      ))
    )
    from pg_class c where c.oid = before
  ) || moved;

  for item in select value from unnest(moved) with ordinality as each (value, position) order by position loop
    if item ->> 'create' is not null then
      execute case item ->> 'name' when current_name then replace(item ->> 'create', '{current}', current_body) else item ->> 'create' end;
    end if;
    if item ->> 'owner' <> current_user then
      execute format('alter %s %s owner to %I', item ->> 'kind', item ->> 'name', item ->> 'owner');
      -- A view reads with the rights of its owner.
      execute format('grant select on scores, scoring_runs, %s to %I', before_name, item ->> 'owner');
    end if;
    if (item ->> 'has_grants')::boolean then
      execute format('revoke all on %s %s from public', case item ->> 'kind' when 'view' then 'table' else item ->> 'kind' end, item ->> 'name');
    end if;
    execute coalesce((select string_agg(value, '; ') from jsonb_array_elements_text((item -> 'grants') || (item -> 'comments'))), '');
  end loop;
end
$move$;
