-- Lets tests write what all lanes have as if it were in one table.
create or replace function all_lanes.write() returns trigger language plpgsql as $$
declare
  key bigint := case tg_op when 'INSERT' then new.service_id else old.service_id end;
  place text;
  columns text;
begin
  select lane_schema(lane) into place from lanes where key between first_service_id and last_service_id;
  select string_agg(quote_ident(attname), ', ' order by attnum) into columns
  from pg_attribute where attrelid = tg_relid and attnum > 0;
  case tg_op
    when 'INSERT' then
      execute format('insert into %I.%I (%s) select ($1).*', place, tg_table_name, columns) using new;
    when 'UPDATE' then
      execute format('update %I.%I x set (%s) = (select ($1).*) where x.service_id = $3 and x::text = $2::text',
        place, tg_table_name, columns) using new, old, key;
    else
      execute format('delete from %I.%I x where x.service_id = $2 and x::text = $1::text', place, tg_table_name)
        using old, key;
  end case;
  return coalesce(new, old);
end $$;
do $$
declare
  name text;
begin
  foreach name in array lane_tables() loop
    execute format('create or replace trigger write instead of insert or update or delete on all_lanes.%I
      for each row execute function all_lanes.write()', name);
  end loop;
end $$;
