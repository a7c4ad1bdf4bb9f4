-- What the values of a business attribute mean to people: pages show it as a colour with a sign.

create type tone as enum ('good', 'neutral', 'bad');
alter table business_attribute_values add column tone tone;
comment on column business_attribute_values.tone is 'What the value means to people; null: nothing in particular.';

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
  d.auto_completed is not null as auto_completed,
  o.tone::text as disposition_tone
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
  d.auto_completed is not null as auto_completed,
  o.tone::text as disposition_tone
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
  d.auto_completed is not null as auto_completed,
  o.tone::text as disposition_tone
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

comment on column reporting.services.disposition_tone is 'What the business outcome means to people: good, neutral or bad; null: nothing in particular.';
comment on column reporting.states.disposition_tone is 'What the business outcome means to people: good, neutral or bad; null: nothing in particular.';
comment on column reporting.tasks.disposition_tone is 'What the business outcome means to people: good, neutral or bad; null: nothing in particular.';
