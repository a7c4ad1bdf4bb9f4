-- Knows the services that are open. Nothing else does: a service is open if no row says that it ended, and to find those
-- without such a row takes all of history.

create table open_services (
  service_id bigint not null,
  constraint open_services_pk primary key (service_id)
);
comment on table open_services is 'Every open service, and perhaps some that are not: whoever reads it looks whether they have ended. Services that had started before this table was made are entered by the step after.';
comment on column open_services.service_id is 'The service.';

-- A trigger enters them, so that a program of the release before does so too.
create function enter_open_services() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into public.open_services (service_id) select s.service_id from started s on conflict do nothing;
  return null;
end $$;
comment on function enter_open_services() is 'Enters services that start into open_services.';
revoke all on function enter_open_services() from public;

create trigger enter_open_services after insert on services
referencing new table as started for each statement execute function enter_open_services();
