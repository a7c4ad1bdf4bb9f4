-- Lifetimes: services expire and are removed, end by themselves when nothing happens in them, and are purged on demand.

alter table services add column associated_at timestamptz;
comment on column services.associated_at is 'When it was last given a customer by Associate Service.';
comment on column services.expires_at is 'When it is out of sight and removed soon after; -infinity: it was deleted or purged; null: SERVICE_TTL applies.';
comment on column services.auto_complete_after is 'Seconds since its last event after which it is ended; null: AUTO_COMPLETE_AFTER applies.';
comment on table deleted_services is 'Services whose rows are removed, until their ends and extensions are: these go when no event is being written that may still have seen the service.';
comment on column deleted_services.seen_at is 'Not used any more.';

-- Finds what has expired, or was deleted, in the order in which it is removed. Most services have no lifetime of their own.
create index services_expires_at_idx on services (expires_at, service_id) where expires_at is not null;

alter table dispositions add column auto_completed boolean;
comment on column dispositions.auto_completed is 'True: the element ended by itself, and an end event takes the place of this end; null: an event ended it.';

-- Up to when services have expired: one answer for every node and every view, which only moves forward.

create table expiry_horizon (
  at             timestamptz not null,
  started_before timestamptz not null,
  constraint expiry_horizon_pk primary key (at)
);
insert into expiry_horizon values ('-infinity', '-infinity');
comment on table expiry_horizon is 'The newest row counts: services whose expires_at is not after it have expired. It moves only when a service becomes due.';
comment on column expiry_horizon.at is 'Services with expires_at up to here have expired.';
comment on column expiry_horizon.started_before is 'Services without expires_at that started up to here have expired: SERVICE_TTL before at; -infinity: they never do.';

alter table deployment add column lifetimes boolean not null default false;
comment on column deployment.lifetimes is 'True once a service may expire, be deleted or end by itself. Only then do events take the lock that removal and automatic completion wait for, and ends look whether their service has expired.';
alter table deployment add column auto_complete_after bigint;
comment on column deployment.auto_complete_after is 'The AUTO_COMPLETE_AFTER, in seconds, for which open services were entered into auto_completions; null: off.';

create view unexpired_services as
select s.service_id, s.started_at, s.est_duration, s.application_id, s.resource_id, s.expires_at, s.auto_complete_after,
  s.service_type, s.application_type, s.resource_type, s.media_type, s.customer_id, s.contact_key, s.session_id,
  s.interaction_id, s.associated_at
from services s
where s.expires_at > (select h.at from expiry_horizon h order by h.at desc limit 1)
  or s.expires_at is null
    and s.started_at > (select h.started_before from expiry_horizon h order by h.at desc limit 1);
comment on view unexpired_services is 'The services that there are, for everybody: those that have not expired.';

create view expired_services as
select s.service_id from services s
where s.expires_at <= (select h.at from expiry_horizon h order by h.at desc limit 1)
union all
select s.service_id from services s
where (select h.started_before from expiry_horizon h order by h.at desc limit 1) > '-infinity' and s.expires_at is null
  and s.started_at <= (select h.started_before from expiry_horizon h order by h.at desc limit 1)
union all
select d.service_id from deleted_services d;
comment on view expired_services is 'The services of which rows may still be on disk, and which nobody may see: few, as long as removal keeps up.';

-- When services end by themselves.

create table auto_completions (
  service_id bigint      not null,
  due_at     timestamptz not null,
  constraint auto_completions_pk primary key (service_id)
);
create index auto_completions_due_at_idx on auto_completions (due_at, service_id);
comment on table auto_completions is 'Services that may end by themselves. An event does not touch its row: what happened last is looked up when the row is due.';
comment on column auto_completions.service_id is 'The service.';
comment on column auto_completions.due_at is 'When to look at it next: not after the moment at which it would end by itself.';

-- Purges: what is deleted by the time of its start.

create sequence purge_id_seq as bigint;
create table purges (
  purge_id   bigint      not null default nextval('purge_id_seq'),
  started_at timestamptz not null,
  ended_at   timestamptz,
  before     timestamptz not null,
  reached_at timestamptz not null default '-infinity',
  reached_id bigint      not null default 0,
  purged     bigint      not null default 0,
  operation  text        not null,
  constraint purges_pk primary key (purge_id),
  constraint purges_operation_known check (operation in ('purge.service.all', 'purge.service.started',
    'purge.service.completed', 'purge.service.started.anonymous', 'purge.service.completed.anonymous'))
);
create index purges_running on purges (purge_id) where ended_at is null;
comment on table purges is 'Purges, running and done. Any node carries on with one whose node has died.';
comment on column purges.started_at is 'When it was accepted.';
comment on column purges.ended_at is 'When the last of its services was out of sight; null: it is running.';
comment on column purges.before is 'Services that started before this moment are purged.';
comment on column purges.reached_at is 'The start of the last service that it has looked at.';
comment on column purges.reached_id is 'The identifier of the last service that it has looked at.';
comment on column purges.purged is 'How many services it has purged.';
comment on column purges.operation is 'Which services it purges.';

-- The reporting views leave out what has expired, and say of an end whether it was automatic.

create or replace view reporting.services as
select
  s.service_id,
  s.customer_id,
  s.contact_key,
  coalesce(t.name, t.dbid::text) as service_type,
  case when d.service_id is null then 'active' else 'completed' end as status,
  s.started_at as started,
  d.ended_at as ended,
  case when d.ended_at is not null
    then greatest(0, extract(epoch from d.ended_at - s.started_at) * 1000)::bigint end as duration_ms,
  s.est_duration as est_duration_s,
  coalesce(o.dbid::text, o.name) as disposition,
  coalesce(o.display_name, o.name, o.dbid::text) as disposition_name,
  d.disposition_desc,
  s.session_id as start_session_id,
  s.interaction_id as start_interaction_id,
  coalesce(sa.name, sa.dbid::text) as start_application_type,
  s.application_id as start_application_id,
  coalesce(sr.name, sr.dbid::text) as start_resource_type,
  s.resource_id as start_resource_id,
  coalesce(sm.name, sm.dbid::text) as start_media_type,
  d.session_id as end_session_id,
  d.interaction_id as end_interaction_id,
  coalesce(ea.name, ea.dbid::text) as end_application_type,
  d.application_id as end_application_id,
  coalesce(er.name, er.dbid::text) as end_resource_type,
  d.resource_id as end_resource_id,
  coalesce(em.name, em.dbid::text) as end_media_type,
  d.auto_completed is not null as auto_completed
from unexpired_services s
left join dispositions d on d.service_id = s.service_id and d.element = 'service' and d.element_id = 0
left join business_attribute_values t on t.value_id = s.service_type
left join business_attribute_values o on o.value_id = d.disposition
left join business_attribute_values sa on sa.value_id = s.application_type
left join business_attribute_values sr on sr.value_id = s.resource_type
left join business_attribute_values sm on sm.value_id = s.media_type
left join business_attribute_values ea on ea.value_id = d.application_type
left join business_attribute_values er on er.value_id = d.resource_type
left join business_attribute_values em on em.value_id = d.media_type;

create or replace view reporting.states as
select
  s.service_id,
  s.state_id,
  s.previous_state_id,
  coalesce(t.name, t.dbid::text) as state_type,
  case when d.service_id is null then 'active' else 'completed' end as status,
  s.started_at as started,
  d.ended_at as ended,
  case when d.ended_at is not null
    then greatest(0, extract(epoch from d.ended_at - s.started_at) * 1000)::bigint end as duration_ms,
  s.est_duration as est_duration_s,
  coalesce(o.dbid::text, o.name) as disposition,
  coalesce(o.display_name, o.name, o.dbid::text) as disposition_name,
  d.disposition_desc,
  s.session_id as start_session_id,
  s.interaction_id as start_interaction_id,
  coalesce(sa.name, sa.dbid::text) as start_application_type,
  s.application_id as start_application_id,
  coalesce(sr.name, sr.dbid::text) as start_resource_type,
  s.resource_id as start_resource_id,
  coalesce(sm.name, sm.dbid::text) as start_media_type,
  d.session_id as end_session_id,
  d.interaction_id as end_interaction_id,
  coalesce(ea.name, ea.dbid::text) as end_application_type,
  d.application_id as end_application_id,
  coalesce(er.name, er.dbid::text) as end_resource_type,
  d.resource_id as end_resource_id,
  coalesce(em.name, em.dbid::text) as end_media_type,
  d.auto_completed is not null as auto_completed
from states s
left join dispositions d on d.service_id = s.service_id and d.element = 'state' and d.element_id = s.state_id
left join business_attribute_values t on t.value_id = s.state_type
left join business_attribute_values o on o.value_id = d.disposition
left join business_attribute_values sa on sa.value_id = s.application_type
left join business_attribute_values sr on sr.value_id = s.resource_type
left join business_attribute_values sm on sm.value_id = s.media_type
left join business_attribute_values ea on ea.value_id = d.application_type
left join business_attribute_values er on er.value_id = d.resource_type
left join business_attribute_values em on em.value_id = d.media_type
where not exists (select from expired_services e where e.service_id = s.service_id);

create or replace view reporting.tasks as
select
  s.service_id,
  s.task_id,
  coalesce(s.state_id, d.state_id) as state_id,
  coalesce(t.name, t.dbid::text) as task_type,
  case when d.service_id is null then 'active' else 'completed' end as status,
  s.started_at as started,
  d.ended_at as ended,
  case when d.ended_at is not null
    then greatest(0, extract(epoch from d.ended_at - s.started_at) * 1000)::bigint end as duration_ms,
  s.est_duration as est_duration_s,
  coalesce(o.dbid::text, o.name) as disposition,
  coalesce(o.display_name, o.name, o.dbid::text) as disposition_name,
  d.disposition_desc,
  s.session_id as start_session_id,
  s.interaction_id as start_interaction_id,
  coalesce(sa.name, sa.dbid::text) as start_application_type,
  s.application_id as start_application_id,
  coalesce(sr.name, sr.dbid::text) as start_resource_type,
  s.resource_id as start_resource_id,
  coalesce(sm.name, sm.dbid::text) as start_media_type,
  d.session_id as end_session_id,
  d.interaction_id as end_interaction_id,
  coalesce(ea.name, ea.dbid::text) as end_application_type,
  d.application_id as end_application_id,
  coalesce(er.name, er.dbid::text) as end_resource_type,
  d.resource_id as end_resource_id,
  coalesce(em.name, em.dbid::text) as end_media_type,
  d.auto_completed is not null as auto_completed
from tasks s
left join dispositions d on d.service_id = s.service_id and d.element = 'task' and d.element_id = s.task_id
left join business_attribute_values t on t.value_id = s.task_type
left join business_attribute_values o on o.value_id = d.disposition
left join business_attribute_values sa on sa.value_id = s.application_type
left join business_attribute_values sr on sr.value_id = s.resource_type
left join business_attribute_values sm on sm.value_id = s.media_type
left join business_attribute_values ea on ea.value_id = d.application_type
left join business_attribute_values er on er.value_id = d.resource_type
left join business_attribute_values em on em.value_id = d.media_type
where not exists (select from expired_services e where e.service_id = s.service_id);

comment on column reporting.services.auto_completed is 'True where the service ended by itself, and no event has said otherwise since.';
comment on column reporting.states.auto_completed is 'True where the state ended with its service, which ended by itself.';
comment on column reporting.tasks.auto_completed is 'True where the task ended with its service, which ended by itself.';

create view unexpired_extensions as
select x.service_id, x.element, x.element_id, x.schema_id, x.records
from extensions x
where not exists (select from expired_services e where e.service_id = x.service_id);
comment on view unexpired_extensions is 'What is attached to services that have not expired, and to their states and tasks.';

create or replace view reporting.extensions as
select
  x.service_id,
  x.element::text as element,
  x.element_id,
  e.name as extension,
  r.record_number::integer as record_number,
  r.record
from unexpired_extensions x
join extension_schemas e on e.schema_id = x.schema_id and e.deleted_at is null
cross join lateral jsonb_array_elements(
  case when jsonb_typeof(x.records) = 'array' then x.records else jsonb_build_array(x.records) end
) with ordinality as r(record, record_number);

-- The columns of views mean what those of their tables do.
do $$
declare
  of_view record;
begin
  for of_view in
    select v.relname as view_name, a.attname as column_name, col_description(t.oid, ta.attnum) as meaning
    from (values ('unexpired_services', 'services'), ('expired_services', 'services'), ('unexpired_extensions', 'extensions'))
      as pair(view_name, table_name)
    join pg_class v on v.oid = pair.view_name::regclass
    join pg_class t on t.oid = pair.table_name::regclass
    join pg_attribute a on a.attrelid = v.oid and a.attnum > 0
    join pg_attribute ta on ta.attrelid = t.oid and ta.attname = a.attname
  loop
    execute format('comment on column %I.%I is %L', of_view.view_name, of_view.column_name, of_view.meaning);
  end loop;
end $$;
comment on column purges.purge_id is 'Drawn from purge_id_seq.';
