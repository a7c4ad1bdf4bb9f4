-- The data model: two facts per element. A start fact (services, states, tasks) is written when the element starts, an
-- end fact (dispositions) when it ends; nothing is updated on the way, so an end happens exactly once by primary key.
-- service_id leads every key: one service stays together, and the tables can be distributed by it.

create type element as enum ('service', 'state', 'task');
comment on type element is 'The kind of a thing with a lifecycle.';

-- The server draws identifiers in blocks and knows one before it inserts. The 32-bit ones may wrap round: a state or
-- task is named by the pair with its service.
create sequence service_id_seq as bigint;
create sequence state_id_seq as integer cycle;
create sequence task_id_seq as integer cycle;
create sequence schema_id_seq as integer;
create sequence attribute_id_seq as integer;
create sequence value_id_seq as integer;

-- Business attributes: the enumerations behind every field that is "long or string".

create table business_attributes (
  attribute_id     integer     not null default nextval('attribute_id_seq'),
  default_value_id integer,
  learned          boolean     not null,
  created_at       timestamptz not null,
  removed_at       timestamptz,
  name             text        not null,
  display_name     text,
  description      text,
  fields           text[]      not null,
  constraint business_attributes_pk primary key (attribute_id)
);
create unique index business_attributes_living_name on business_attributes (lower(name)) where removed_at is null;
comment on table business_attributes is 'Enumerations. A declared one lists the values its fields may take; a learned one collects whatever its field is sent.';
comment on column business_attributes.attribute_id is 'Drawn from attribute_id_seq.';
comment on column business_attributes.default_value_id is 'The value that fills an absent field; null: none.';
comment on column business_attributes.learned is 'True: belongs to one unmapped field and grows with each new number or string.';
comment on column business_attributes.created_at is 'When it was defined.';
comment on column business_attributes.removed_at is 'When it was removed; its values stay for the events that have them.';
comment on column business_attributes.name is 'Its name, unique among the living without regard to case.';
comment on column business_attributes.display_name is 'The name to show a person.';
comment on column business_attributes.description is 'What it is for.';
comment on column business_attributes.fields is 'The fields it is mapped to, such as Task.disposition.';

create table business_attribute_values (
  value_id     integer not null default nextval('value_id_seq'),
  attribute_id integer not null,
  dbid         bigint,
  retired_at   timestamptz,
  name         text,
  display_name text,
  description  text,
  constraint business_attribute_values_pk primary key (value_id),
  constraint business_attribute_values_attribute_fk foreign key (attribute_id) references business_attributes,
  constraint business_attribute_values_named check (dbid is not null or name is not null)
);
-- Number 10 and string "10" are two values of a learned attribute.
create unique index business_attribute_values_dbid on business_attribute_values (attribute_id, dbid) where retired_at is null;
create unique index business_attribute_values_name on business_attribute_values (attribute_id, name) where retired_at is null;
comment on table business_attribute_values is 'Every value ever seen; rows are never deleted, only retired, and their meaning never changes.';
comment on column business_attribute_values.value_id is 'What the element tables store; drawn from value_id_seq.';
comment on column business_attribute_values.attribute_id is 'The attribute it belongs to.';
comment on column business_attribute_values.dbid is 'The number that stands for it; null: it has none.';
comment on column business_attribute_values.retired_at is 'When it was taken off the list; recorded events keep it.';
comment on column business_attribute_values.name is 'The string that stands for it; null: it has none.';
comment on column business_attribute_values.display_name is 'The name to show a person.';
comment on column business_attribute_values.description is 'What it means.';

-- The learned attribute of each field that is "long or string".
insert into business_attributes (learned, created_at, name, fields)
select true, now(), field, array[field]
from unnest(array[
  'Service.service_type', 'Service.disposition', 'Service.application_type', 'Service.resource_type', 'Service.media_type',
  'State.state_type', 'State.disposition', 'State.application_type', 'State.resource_type', 'State.media_type',
  'Task.task_type', 'Task.disposition', 'Task.application_type', 'Task.resource_type', 'Task.media_type'
]) as field;

-- Extension schemas, and the version by which every node knows whether its copy of the metadata is current.

create table extension_schemas (
  schema_id         integer     not null default nextval('schema_id_seq'),
  element           element     not null,
  multi_valued      boolean     not null,
  created_at        timestamptz not null,
  deleted_at        timestamptz,
  swept_at          timestamptz,
  name              text        not null,
  attributes        jsonb       not null,
  unique_attributes jsonb       not null,
  constraint extension_schemas_pk primary key (schema_id),
  constraint extension_schemas_name_shape check (name ~ '^[A-Za-z][A-Za-z0-9_]{0,25}$')
);
create unique index extension_schemas_living_name on extension_schemas (element, lower(name)) where deleted_at is null;
comment on table extension_schemas is 'What an extension of services, states or tasks may hold. A deleted one keeps its row, so that its records can be told from those of a later schema of that name.';
comment on column extension_schemas.schema_id is 'What extensions point at; drawn from schema_id_seq.';
comment on column extension_schemas.element is 'The kind of element that can have it.';
comment on column extension_schemas.multi_valued is 'True: an array of records; false: one record.';
comment on column extension_schemas.created_at is 'When it was created.';
comment on column extension_schemas.deleted_at is 'When it was deleted: from then on its records are out of sight.';
comment on column extension_schemas.swept_at is 'When its last record was removed after the deletion.';
comment on column extension_schemas.name is 'Its name as declared; used without regard to case.';
comment on column extension_schemas.attributes is 'Array of {name, type, length, mandatory, default}.';
comment on column extension_schemas.unique_attributes is 'Array of arrays of attribute names whose values may not repeat among the records of one element.';

create table deployment (
  only_row         boolean not null default true,
  metadata_version bigint  not null default 1,
  constraint deployment_pk primary key (only_row),
  constraint deployment_only_row check (only_row)
);
insert into deployment default values;
comment on table deployment is 'One row: what all nodes on this database share.';
comment on column deployment.only_row is 'Always true.';
comment on column deployment.metadata_version is 'Grows with every change of schemas or business attributes. An event is written only if it was validated against this version.';

-- Start facts.

create table services (
  service_id          bigint      not null,
  started_at          timestamptz not null,
  est_duration        bigint,
  application_id      bigint,
  resource_id         bigint,
  expires_at          timestamptz,
  auto_complete_after bigint,
  service_type        integer,
  application_type    integer,
  resource_type       integer,
  media_type          integer,
  customer_id         text,
  contact_key         text,
  session_id          text,
  interaction_id      text,
  constraint services_pk primary key (service_id),
  constraint services_someone check (customer_id is not null or contact_key is not null),
  constraint services_est_duration_positive check (est_duration >= 0)
);
-- The services of a customer, and of an anonymous caller, newest first.
create index services_customer_started_idx on services (customer_id, started_at, service_id) where customer_id is not null;
create index services_contact_key_started_idx on services (contact_key, started_at, service_id) where customer_id is null;
comment on table services is 'Start facts of services: one row per customer commitment.';
comment on column services.service_id is 'Drawn from service_id_seq.';
comment on column services.started_at is 'When it started, in milliseconds, as the event or else the server''s clock said.';
comment on column services.est_duration is 'Estimated duration in seconds.';
comment on column services.application_id is 'The application that reported the start.';
comment on column services.resource_id is 'The resource that took part in the start.';
comment on column services.expires_at is 'When the service and all of its data are to be deleted; null: never.';
comment on column services.auto_complete_after is 'Seconds since its last event after which it is to be ended; null: never.';
comment on column services.service_type is 'Value of Service.service_type.';
comment on column services.application_type is 'Value of Service.application_type at the start.';
comment on column services.resource_type is 'Value of Service.resource_type at the start.';
comment on column services.media_type is 'Value of Service.media_type at the start.';
comment on column services.customer_id is 'The customer; null: anonymous.';
comment on column services.contact_key is 'By which an anonymous caller is found again.';
comment on column services.session_id is 'Session of the start event.';
comment on column services.interaction_id is 'Interaction of the start event.';

create table states (
  service_id        bigint      not null,
  state_id          integer     not null,
  previous_state_id integer,
  started_at        timestamptz not null,
  est_duration      bigint,
  application_id    bigint,
  resource_id       bigint,
  state_type        integer,
  application_type  integer,
  resource_type     integer,
  media_type        integer,
  session_id        text,
  interaction_id    text,
  constraint states_pk primary key (service_id, state_id),
  constraint states_service_fk foreign key (service_id) references services on delete cascade,
  constraint states_est_duration_positive check (est_duration >= 0)
);
comment on table states is 'Start facts of states: one row per stage of a service.';
comment on column states.service_id is 'The service it is a stage of.';
comment on column states.state_id is 'Drawn from state_id_seq; unique within the service.';
comment on column states.previous_state_id is 'The state of the same service that it follows.';
comment on column states.started_at is 'When it started.';
comment on column states.est_duration is 'Estimated duration in seconds.';
comment on column states.application_id is 'The application that reported the start.';
comment on column states.resource_id is 'The resource that took part in the start.';
comment on column states.state_type is 'Value of State.state_type.';
comment on column states.application_type is 'Value of State.application_type at the start.';
comment on column states.resource_type is 'Value of State.resource_type at the start.';
comment on column states.media_type is 'Value of State.media_type at the start.';
comment on column states.session_id is 'Session of the start event.';
comment on column states.interaction_id is 'Interaction of the start event.';

create table tasks (
  service_id       bigint      not null,
  task_id          integer     not null,
  state_id         integer,
  started_at       timestamptz not null,
  est_duration     bigint,
  application_id   bigint,
  resource_id      bigint,
  task_type        integer,
  application_type integer,
  resource_type    integer,
  media_type       integer,
  session_id       text,
  interaction_id   text,
  constraint tasks_pk primary key (service_id, task_id),
  constraint tasks_service_fk foreign key (service_id) references services on delete cascade,
  constraint tasks_est_duration_positive check (est_duration >= 0)
);
comment on table tasks is 'Start facts of tasks: one row per step of a service or of a state.';
comment on column tasks.service_id is 'The service it is a step of.';
comment on column tasks.task_id is 'Drawn from task_id_seq; unique within the service.';
comment on column tasks.state_id is 'The state it started in; a task without one may adopt the state that its end names.';
comment on column tasks.started_at is 'When it started.';
comment on column tasks.est_duration is 'Estimated duration in seconds.';
comment on column tasks.application_id is 'The application that reported the start.';
comment on column tasks.resource_id is 'The resource that took part in the start.';
comment on column tasks.task_type is 'Value of Task.task_type.';
comment on column tasks.application_type is 'Value of Task.application_type at the start.';
comment on column tasks.resource_type is 'Value of Task.resource_type at the start.';
comment on column tasks.media_type is 'Value of Task.media_type at the start.';
comment on column tasks.session_id is 'Session of the start event.';
comment on column tasks.interaction_id is 'Interaction of the start event.';

-- End facts. They and extensions have no foreign key: it cost 28 % and 15 % of the time of a completion. An end is only
-- inserted beside its start, and whoever deletes a service deletes what belongs to it.

create table dispositions (
  service_id       bigint      not null,
  element          element     not null,
  element_id       integer     not null,
  ended_at         timestamptz not null,
  application_id   bigint,
  resource_id      bigint,
  state_id         integer,
  disposition      integer,
  application_type integer,
  resource_type    integer,
  media_type       integer,
  digest           bytea       not null,
  disposition_desc text,
  session_id       text,
  interaction_id   text,
  constraint dispositions_pk primary key (service_id, element, element_id),
  constraint dispositions_disposition_desc_length check (char_length(disposition_desc) <= 64)
);
comment on table dispositions is 'End facts: one row per ended service, state or task, with its business outcome. No row: it is still active.';
comment on column dispositions.service_id is 'The service that ended, or that the state or task belongs to.';
comment on column dispositions.element is 'What ended.';
comment on column dispositions.element_id is 'state_id or task_id; 0 for the service itself.';
comment on column dispositions.ended_at is 'When it ended, in milliseconds, as the event or else the server''s clock said; may lie before the start where clocks differ.';
comment on column dispositions.application_id is 'The application that reported the end.';
comment on column dispositions.resource_id is 'The resource that took part in the end.';
comment on column dispositions.state_id is 'The state that the end of a task named.';
comment on column dispositions.disposition is 'Value of the disposition field of the element.';
comment on column dispositions.application_type is 'Value of application_type at the end.';
comment on column dispositions.resource_type is 'Value of resource_type at the end.';
comment on column dispositions.media_type is 'Value of media_type at the end.';
comment on column dispositions.digest is '16 bytes of BLAKE3 over the end event without its timestamp: tells a repeat from another event.';
comment on column dispositions.disposition_desc is 'The outcome in words, at most 64 characters.';
comment on column dispositions.session_id is 'Session of the end event.';
comment on column dispositions.interaction_id is 'Interaction of the end event.';

create table extensions (
  service_id bigint  not null,
  element    element not null,
  element_id integer not null,
  schema_id  integer not null,
  records    jsonb   not null,
  constraint extensions_pk primary key (service_id, element, element_id, schema_id),
  constraint extensions_records_shape check (jsonb_typeof(records) in ('object', 'array'))
);
comment on table extensions is 'What applications attached to elements: one row per element and extension.';
comment on column extensions.service_id is 'The service, or the service of the state or task.';
comment on column extensions.element is 'What it is attached to.';
comment on column extensions.element_id is 'state_id or task_id; 0 for the service itself.';
comment on column extensions.schema_id is 'The schema it was validated against; records of a deleted schema are out of sight.';
comment on column extensions.records is 'One record (an object), or an array of records where the schema is multi-valued.';
