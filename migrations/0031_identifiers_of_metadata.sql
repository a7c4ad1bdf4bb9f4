-- The identifiers of values and schemas may come round: one that is in use is passed over.

create function next_value_id() returns integer language plpgsql as $$
declare
  drawn integer;
begin
  loop
    drawn := nextval('public.value_id_seq');
    exit when not exists (select from public.business_attribute_values where value_id = drawn);
  end loop;
  return drawn;
end $$;
comment on function next_value_id() is 'Draws an identifier that no value has.';

create function next_schema_id() returns integer language plpgsql as $$
declare
  drawn integer;
begin
  loop
    drawn := nextval('public.schema_id_seq');
    exit when not exists (select from public.extension_schemas where schema_id = drawn);
  end loop;
  return drawn;
end $$;
comment on function next_schema_id() is 'Draws an identifier that no extension schema has.';

alter sequence value_id_seq cycle;
alter sequence schema_id_seq cycle;
alter table business_attribute_values alter column value_id set default next_value_id();
alter table extension_schemas alter column schema_id set default next_schema_id();
