-- A role that may only read and write rows can run the service. The views of extension schemas, which it may not create, are
-- made by functions with the rights of their owner. These take nothing but the number of a schema, read all else from its
-- row, and quote what they read. Only who is granted `execute` may call them.

create function create_reporting_view(of_schema integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  schema record;
  attribute record;
  view_name text;
  column_name text;
  number integer;
  taken text[];
  columns text := '';
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
     from public.unexpired_extensions x cross join lateral %s
     where x.element = %L and x.schema_id = %s',
    view_name,
    case when schema.element <> 'service' then format(', x.element_id as %I', schema.element || '_id') else '' end,
    columns,
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
comment on function create_reporting_view is 'Creates or replaces the view of an extension schema in the schema reporting, with the rights of its owner.';

create function drop_reporting_view(of_schema integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  view_name text;
begin
  select e.element::text || '_' || lower(e.name collate "C") into strict view_name
  from public.extension_schemas e where e.schema_id = of_schema;
  execute format('drop view if exists reporting.%I', view_name);
end $$;
comment on function drop_reporting_view is 'Drops the view of an extension schema in the schema reporting, with the rights of its owner.';

revoke all on function create_reporting_view(integer), drop_reporting_view(integer) from public;
