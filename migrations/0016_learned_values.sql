-- A limit to the values that fields learn, and what the removal of unused ones needs.

alter table business_attributes add column learned_values integer not null default 0;
update business_attributes a set learned_values = (
  select count(*) from business_attribute_values v where v.attribute_id = a.attribute_id and v.retired_at is null)
where a.learned;
comment on column business_attributes.learned_values is 'How many values it has learned that are not retired; 0 if it was declared. MAX_LEARNED_VALUES limits it.';
create unique index business_attributes_learned_fields on business_attributes (fields) where learned;
comment on table business_attribute_values is 'The values of fields. The meaning of a row never changes. A declared value is retired when it is no longer listed, and stays. A learned one is retired when nothing refers to it any more, and removed later.';
comment on column business_attribute_values.retired_at is 'When it was taken off the list, or nothing referred to it any more; recorded events that refer to it keep it.';

-- Filters by type find values of any attribute, retired ones too.
create index business_attribute_values_of_dbid on business_attribute_values (dbid) where dbid is not null;
create index business_attribute_values_of_name on business_attribute_values (name) where name is not null;

alter table deployment add column values_generation bigint not null default 1;
comment on column deployment.values_generation is 'Grows, together with metadata_version, when learned values are retired: every node then forgets the values that it knows before it writes another event.';
alter table deployment add column values_swept_at timestamptz;
comment on column deployment.values_swept_at is 'When a node last began to look for learned values that nothing refers to.';
