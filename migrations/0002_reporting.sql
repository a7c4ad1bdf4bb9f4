-- Views for analysts. Their columns are a public contract: add at the end, never rename. A join that a query does not
-- use costs nothing, since PostgreSQL removes left joins to a primary key whose columns are not read.

create schema reporting;
comment on schema reporting is 'Services, states, tasks and extensions for people and reports: names in place of ids. Read these, not the tables.';

create view reporting.services as
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
  coalesce(em.name, em.dbid::text) as end_media_type
from services s
left join dispositions d on d.service_id = s.service_id and d.element = 'service' and d.element_id = 0
left join business_attribute_values t on t.value_id = s.service_type
left join business_attribute_values o on o.value_id = d.disposition
left join business_attribute_values sa on sa.value_id = s.application_type
left join business_attribute_values sr on sr.value_id = s.resource_type
left join business_attribute_values sm on sm.value_id = s.media_type
left join business_attribute_values ea on ea.value_id = d.application_type
left join business_attribute_values er on er.value_id = d.resource_type
left join business_attribute_values em on em.value_id = d.media_type;
comment on view reporting.services is 'One row per service. ended, duration_ms and the end_… columns are null while it is active.';

create view reporting.states as
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
  coalesce(em.name, em.dbid::text) as end_media_type
from states s
left join dispositions d on d.service_id = s.service_id and d.element = 'state' and d.element_id = s.state_id
left join business_attribute_values t on t.value_id = s.state_type
left join business_attribute_values o on o.value_id = d.disposition
left join business_attribute_values sa on sa.value_id = s.application_type
left join business_attribute_values sr on sr.value_id = s.resource_type
left join business_attribute_values sm on sm.value_id = s.media_type
left join business_attribute_values ea on ea.value_id = d.application_type
left join business_attribute_values er on er.value_id = d.resource_type
left join business_attribute_values em on em.value_id = d.media_type;
comment on view reporting.states is 'One row per state. ended, duration_ms and the end_… columns are null while it is active.';

create view reporting.tasks as
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
  coalesce(em.name, em.dbid::text) as end_media_type
from tasks s
left join dispositions d on d.service_id = s.service_id and d.element = 'task' and d.element_id = s.task_id
left join business_attribute_values t on t.value_id = s.task_type
left join business_attribute_values o on o.value_id = d.disposition
left join business_attribute_values sa on sa.value_id = s.application_type
left join business_attribute_values sr on sr.value_id = s.resource_type
left join business_attribute_values sm on sm.value_id = s.media_type
left join business_attribute_values ea on ea.value_id = d.application_type
left join business_attribute_values er on er.value_id = d.resource_type
left join business_attribute_values em on em.value_id = d.media_type;
comment on view reporting.tasks is 'One row per task. ended, duration_ms and the end_… columns are null while it is active.';

create view reporting.extensions as
select
  x.service_id,
  x.element::text as element,
  x.element_id,
  e.name as extension,
  r.record_number::integer as record_number,
  r.record
from extensions x
join extension_schemas e on e.schema_id = x.schema_id and e.deleted_at is null
cross join lateral jsonb_array_elements(
  case when jsonb_typeof(x.records) = 'array' then x.records else jsonb_build_array(x.records) end
) with ordinality as r(record, record_number);
comment on view reporting.extensions is 'One row per extension record; record_number counts from 1 within an element and extension. element_id is state_id or task_id, 0 for the service itself.';

-- The three views share most of their columns, and so the comments on them.
do $$
declare
  element_view text;
  shared record;
begin
  foreach element_view in array array['services', 'states', 'tasks'] loop
    for shared in
      select * from (values
        ('service_id', 'The service, or the service it belongs to.'),
        ('status', 'active or completed.'),
        ('started', 'When it started.'),
        ('ended', 'When it ended; null while active.'),
        ('duration_ms', 'Milliseconds from start to end, 0 where the clocks differed; null while active.'),
        ('est_duration_s', 'Estimated duration in seconds.'),
        ('disposition', 'Business outcome as the API reads it: its number, or its name.'),
        ('disposition_name', 'Business outcome for a person.'),
        ('disposition_desc', 'Business outcome in words.'),
        ('start_session_id', 'Session of the start event.'),
        ('start_interaction_id', 'Interaction of the start event.'),
        ('start_application_type', 'Type of the application that reported the start.'),
        ('start_application_id', 'The application that reported the start.'),
        ('start_resource_type', 'Type of the resource that took part in the start.'),
        ('start_resource_id', 'The resource that took part in the start.'),
        ('start_media_type', 'Medium of the start event.'),
        ('end_session_id', 'Session of the end event.'),
        ('end_interaction_id', 'Interaction of the end event.'),
        ('end_application_type', 'Type of the application that reported the end.'),
        ('end_application_id', 'The application that reported the end.'),
        ('end_resource_type', 'Type of the resource that took part in the end.'),
        ('end_resource_id', 'The resource that took part in the end.'),
        ('end_media_type', 'Medium of the end event.')
      ) as of_all(name, meaning)
    loop
      execute format('comment on column reporting.%I.%I is %L', element_view, shared.name, shared.meaning);
    end loop;
  end loop;
end $$;
comment on column reporting.services.customer_id is 'The customer; null: anonymous.';
comment on column reporting.services.contact_key is 'By which an anonymous caller is found again.';
comment on column reporting.services.service_type is 'Kind of service.';
comment on column reporting.states.state_id is 'The state; unique within its service.';
comment on column reporting.states.previous_state_id is 'The state that it follows.';
comment on column reporting.states.state_type is 'Kind of state.';
comment on column reporting.tasks.task_id is 'The task; unique within its service.';
comment on column reporting.tasks.state_id is 'The state it is a step of; null: of the service itself.';
comment on column reporting.tasks.task_type is 'Kind of task.';
comment on column reporting.extensions.service_id is 'The service, or the service of the state or task.';
comment on column reporting.extensions.element is 'service, state or task.';
comment on column reporting.extensions.element_id is 'state_id or task_id; 0 for the service itself.';
comment on column reporting.extensions.extension is 'Name of the extension.';
comment on column reporting.extensions.record_number is 'Counts from 1 within an element and extension.';
comment on column reporting.extensions.record is 'The record, a JSON object.';
