-- A role for analysts: who is a member of it reads the schema reporting, and nothing else. Roles belong to the whole
-- server: it may be there already, made for another database, and an owner of this database may not be allowed to make
-- it. Then it is left to the server's administrator (docs/operating.md), and the service starts all the same.

do $$
begin
  create role reporting_reader nologin;
exception
  when duplicate_object or unique_violation then null;
  when insufficient_privilege then raise notice 'the role reporting_reader is not made: % may not create roles', current_user;
end $$;

-- Views that are made later too: those of extension schemas.
do $$
begin
  if exists (select from pg_roles where rolname = 'reporting_reader') then
    grant usage on schema reporting to reporting_reader;
    grant select on all tables in schema reporting to reporting_reader;
    alter default privileges in schema reporting grant select on tables to reporting_reader;
  end if;
end $$;
