-- The services that are open. Otherwise a service is open if there is no row for its end, and finding the services without
-- such a row means reading all of history.

create table open_services (
  service_id bigint not null,
  constraint open_services_pk primary key (service_id)
);
comment on table open_services is 'Every open service, and perhaps some that have ended: a reader must check for an end.';
comment on column open_services.service_id is 'The service.';

-- A trigger adds them, so that nodes of the previous release do so, too.
create function enter_open_services() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into public.open_services (service_id) select s.service_id from started s on conflict do nothing;
  return null;
end $$;
comment on function enter_open_services() is 'Adds services that start to open_services.';
revoke all on function enter_open_services() from public;

create trigger enter_open_services after insert on services
referencing new table as started for each statement execute function enter_open_services();
