-- Lanes: a lane holds services with all that belongs to them, in tables of its own. The first lane is the schema public. More are
-- made by `context-services lanes add`; until then nothing here is used.

create table lanes (
  lane             integer not null,
  first_service_id bigint  not null,
  last_service_id  bigint  not null,
  of_lanes         integer not null,
  is_open          boolean not null,
  version          bigint  not null,
  constraint lanes_pk primary key (lane),
  constraint lanes_range check (first_service_id < last_service_id)
);
comment on table lanes is 'Where services are: the tables of lane 0 are in the schema public, those of any other lane in lane_ and its number.';
comment on column lanes.lane is 'Counts from 0.';
comment on column lanes.first_service_id is 'The lowest identifier that a service of the lane has.';
comment on column lanes.last_service_id is 'The highest identifier that a service of the lane may have. Ranges do not change.';
comment on column lanes.of_lanes is 'How many lanes there were once it had been added. Such numbers decide in which lanes a customer''s services are.';
comment on column lanes.is_open is 'Whether services may start in it: once every node knows it.';
comment on column lanes.version is 'The newest step of the schema that its tables have.';

-- The identifiers of a deployment may have been moved beyond the range that a first lane usually has.
insert into lanes (lane, first_service_id, last_service_id, of_lanes, is_open, version)
select 0, -9223372036854775808, (last_value / 1000000000000 + 1) * 1000000000000 - 1, 1, true, 40 from service_id_seq;

create table customer_lanes (
  customer_id text    not null,
  lane        integer not null,
  constraint customer_lanes_pk primary key (customer_id, lane)
);
comment on table customer_lanes is 'Customers with services outside the lanes that their identifiers decide: they came by Associate Service. Lists look there too.';
comment on column customer_lanes.customer_id is 'The customer.';
comment on column customer_lanes.lane is 'A lane in which the customer may have services.';

alter table purges add column reached_lane integer not null default 0;
comment on column purges.reached_lane is 'The lane that it is in. It goes through one after the other.';

create function lane_tables() returns text[] language sql immutable as $$
  select array['services', 'states', 'tasks', 'dispositions', 'extensions', 'open_services', 'auto_completions', 'deleted_services']
$$;
comment on function lane_tables is 'The tables that every lane has.';

create function lane_views() returns text[] language sql immutable as $$
  select array['unexpired_services', 'expired_services', 'unexpired_extensions']
$$;
comment on function lane_views is 'The views that every lane has, each after those that it reads.';

create function lane_schema(of_lane integer) returns text language sql immutable as $$
  select case of_lane when 0 then 'public' else 'lane_' || of_lane end
$$;
comment on function lane_schema is 'The schema with the tables of a lane.';

create function events_lock() returns bigint language sql immutable as 'select 5329::bigint';
comment on function events_lock is 'The advisory lock that events in services of a lane share until they are committed. Every lane has this function in its schema.';

create function copy_grants(place text) returns void language plpgsql as $$
declare
  granted record;
begin
  for granted in
    select c.relname, case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as grantee,
      case when place = 'all_lanes' then 'select' else a.privilege_type end as privilege, l.relkind
    from pg_class c
    join pg_class l on l.relname = c.relname and l.relnamespace = place::regnamespace and l.relkind in ('r', 'v', 'S')
    cross join lateral aclexplode(c.relacl) a
    where c.relnamespace = 'public'::regnamespace and a.grantee <> c.relowner
      and (place <> 'all_lanes' or a.privilege_type = 'SELECT')
  loop
    execute format('grant usage on schema %I to %s', place, granted.grantee);
    execute format('grant %s on %s %I.%I to %s', granted.privilege,
      case granted.relkind when 'S' then 'sequence' else 'table' end, place, granted.relname, granted.grantee);
  end loop;
end $$;
comment on function copy_grants is 'Grants what roles may do in the schema public in a lane as well.';

-- Tables, constraints, indexes, triggers and views are made like those of the first lane. PostgreSQL says how these are defined, and leaves
-- out the schema of everything that the search path finds: in the search path of the lane, the same words mean the lane's own.
create function create_lane(of_lane integer, first bigint, last bigint) returns void language plpgsql as $$
declare
  place text := lane_schema(of_lane);
  known text := current_setting('search_path');
  definitions text[];
  definition text;
begin
  perform set_config('search_path', 'public', true);
  select array_agg(made.definition order by made.number) into definitions from (
    select row_number() over (order by part.place, part.at, part.name) as number, part.definition from (
      select 1 as place, 0 as at, t as name, format('create table %I (like public.%1$I including all excluding indexes)', t) as definition
      from unnest(lane_tables()) t
      union all
      select 2, 0, c.relname, format('alter table %I set (%s)', c.relname, array_to_string(c.reloptions, ', '))
      from pg_class c
      where c.relnamespace = 'public'::regnamespace and c.relname = any(lane_tables()) and c.reloptions is not null
      union all
      select 3, case c.contype when 'f' then 1 else 0 end, c.conname,
        format('alter table %I add constraint %I %s', t.relname, c.conname, pg_get_constraintdef(c.oid))
      from pg_constraint c join pg_class t on t.oid = c.conrelid
      where t.relnamespace = 'public'::regnamespace and t.relname = any(lane_tables()) and c.contype in ('p', 'u', 'f', 'x')
      union all
      select 4, 0, x.relname, replace(pg_get_indexdef(i.indexrelid), ' ON public.', ' ON ')
      from pg_index i join pg_class x on x.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
      where t.relnamespace = 'public'::regnamespace and t.relname = any(lane_tables())
        and not exists (select from pg_constraint c where c.conindid = i.indexrelid and c.conrelid = i.indrelid)
      union all
      select 5, v.number::int, v.name, format('create view %I as %s', v.name, pg_get_viewdef(format('public.%I', v.name)::regclass))
      from unnest(lane_views()) with ordinality as v(name, number)
      union all
      -- Functions of triggers name the schema of the tables that they write.
      select 6, step.number, p.proname, step.definition
      from pg_proc p cross join lateral (values
        (1, replace(pg_get_functiondef(p.oid), 'public.', lane_schema(of_lane) || '.')),
        (2, format('revoke all on function %I() from public', p.proname))
      ) as step(number, definition)
      where p.oid in (
        select g.tgfoid from pg_trigger g join pg_class t on t.oid = g.tgrelid
        where not g.tgisinternal and t.relnamespace = 'public'::regnamespace and t.relname = any(lane_tables()))
      union all
      select 7, 0, g.tgname, replace(pg_get_triggerdef(g.oid), ' ON public.', ' ON ')
      from pg_trigger g join pg_class t on t.oid = g.tgrelid
      where not g.tgisinternal and t.relnamespace = 'public'::regnamespace and t.relname = any(lane_tables())
      union all
      select 8, d.objsubid, c.relname, case d.objsubid
        when 0 then format('comment on %s %I is %L', case c.relkind when 'v' then 'view' else 'table' end, c.relname, d.description)
        else format('comment on column %I.%I is %L', c.relname, a.attname, d.description) end
      from pg_class c join pg_description d on d.objoid = c.oid and d.classoid = 'pg_class'::regclass
      left join pg_attribute a on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0
      where c.relnamespace = 'public'::regnamespace and c.relname = any(lane_tables() || lane_views())
    ) part
  ) made;
  execute format('create schema %I', place);
  execute format('create sequence %I.service_id_seq as bigint minvalue %s maxvalue %s', place, first, last);
  execute format('create function %I.events_lock() returns bigint language sql immutable as %L', place,
    format('select %s::bigint', 5329 + (of_lane::bigint << 32)));
  perform set_config('search_path', format('%I, public', place), true);
  foreach definition in array definitions loop
    execute definition;
  end loop;
  perform set_config('search_path', known, true);
  perform copy_grants(place);
end $$;
comment on function create_lane is 'Makes the schema of a lane, with tables like those of the schema public.';

-- Views of the tables of all lanes, under the same names: in the search path of this schema, a statement reads every lane. Views are
-- made of tables, not of views: PostgreSQL then looks into each lane by the index that the statement needs.
create function unite_lanes() returns void language plpgsql as $$
declare
  known text := current_setting('search_path');
  name text;
  definition text;
  reader record;
begin
  if (select count(*) from lanes) = 1 then
    return;
  end if;
  create schema if not exists all_lanes;
  foreach name in array lane_tables() loop
    select string_agg(format('select %s from %I.%I', columns.list, lane_schema(l.lane), name), ' union all ' order by l.lane)
    into definition
    from lanes l cross join (
      select string_agg(quote_ident(attname), ', ' order by attnum) as list from pg_attribute
      where attrelid = format('public.%I', name)::regclass and attnum > 0 and not attisdropped
    ) columns;
    execute format('create or replace view all_lanes.%I as %s', name, definition);
  end loop;
  foreach name in array lane_views() loop
    perform set_config('search_path', 'public', true);
    definition := pg_get_viewdef(format('public.%I', name)::regclass);
    perform set_config('search_path', 'all_lanes, public', true);
    execute format('create or replace view all_lanes.%I as %s', name, definition);
  end loop;
  for reader in
    select distinct v.oid, v.relname from pg_class v
    join pg_rewrite r on r.ev_class = v.oid
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
    join pg_class t on t.oid = d.refobjid and t.relnamespace = 'public'::regnamespace and t.relname = any(lane_tables() || lane_views())
    where v.relnamespace = 'reporting'::regnamespace and v.relkind = 'v' and pg_has_role(v.relowner, 'usage')
  loop
    perform set_config('search_path', 'public', true);
    definition := pg_get_viewdef(reader.oid);
    perform set_config('search_path', 'all_lanes, public', true);
    execute format('create or replace view reporting.%I as %s', reader.relname, definition);
  end loop;
  perform set_config('search_path', known, true);
  perform copy_grants('all_lanes');
end $$;
comment on function unite_lanes is 'Makes the views of all lanes, and has the views in the schema reporting read them. To be called whenever a lane is added, or tables or views change.';

revoke all on function copy_grants(text), create_lane(integer, bigint, bigint), unite_lanes() from public;

-- The views of extension schemas that are made from now on read all lanes, if there are several.
create or replace function create_reporting_view(of_schema integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  schema record;
  attribute record;
  view_name text;
  column_name text;
  number integer;
  taken text[];
  columns text := '';
  place text := case when to_regclass('all_lanes.unexpired_extensions') is null then 'public' else 'all_lanes' end;
  comments text := '';
begin
  select e.element::text as element, e.name, e.multi_valued, e.attributes into strict schema
  from public.extension_schemas e where e.schema_id = of_schema;
  view_name := schema.element || '_' || lower(schema.name collate "C");
  taken := array['service_id', 'record_number', schema.element || '_id'];
  for attribute in
    select a.value ->> 'name' as name, a.value ->> 'type' as type
    from jsonb_array_elements(schema.attributes) with ordinality as a(value, number) order by a.number
  loop
    -- Names that are too long for PostgreSQL are cut, and numbered if they clash.
    number := 1;
    loop
      column_name := attribute.name;
      while octet_length(column_name) > 63 - case when number = 1 then 0 else 1 + length(number::text) end loop
        column_name := left(column_name, -1);
      end loop;
      column_name := column_name || case when number = 1 then '' else '_' || number end;
      exit when column_name <> all (taken);
      number := number + 1;
    end loop;
    taken := taken || column_name;
    columns := columns || format(', ' || case attribute.type
      when 'json' then 'e.record -> %1$L'
      when 'string' then 'e.record ->> %1$L'
      when 'boolean' then '(e.record ->> %1$L)::boolean'
      when 'integer' then '(e.record ->> %1$L)::bigint'
      -- A float is any number within the range of a double, and is stored as it was sent.
      when 'float' then '(e.record ->> %1$L)::numeric'
      -- SQL has no year 0, which records of earlier versions may have. It must not make the view fail.
      when 'date' then 'case when (e.record ->> %1$L) !~ ''^0000'' then (e.record ->> %1$L)::date end'
      when 'datetime' then 'case when (e.record ->> %1$L) !~ ''^0000'' then (e.record ->> %1$L)::timestamptz end'
    end || ' as %2$I', attribute.name, column_name);
    comments := comments || format('comment on column reporting.%I.%I is %L;', view_name, column_name,
      'Attribute ' || attribute.name || '.');
  end loop;
  if schema.element <> 'service' then
    comments := comments || format('comment on column reporting.%I.%I is %L;', view_name, schema.element || '_id',
      'The ' || schema.element || '.');
  end if;
  execute format(
    'create or replace view reporting.%I as select x.service_id%s, e.record_number::integer as record_number%s
     from %I.unexpired_extensions x cross join lateral %s
     where x.element = %L and x.schema_id = %s',
    view_name,
    case when schema.element <> 'service' then format(', x.element_id as %I', schema.element || '_id') else '' end,
    columns,
    place,
    case when schema.multi_valued then 'jsonb_array_elements(x.records) with ordinality as e(record, record_number)'
      else '(select x.records as record, 1 as record_number) as e' end,
    schema.element,
    of_schema);
  execute format('comment on view reporting.%I is %L', view_name,
    'One row per record of the ' || schema.element || ' extension ' || schema.name || '.');
  execute format('comment on column reporting.%I.service_id is %L', view_name, 'The service.');
  execute format('comment on column reporting.%I.record_number is %L', view_name, 'Counts from 1 within an element.');
  if comments <> '' then
    execute comments;
  end if;
end $$;
