-- What business attributes that are defined through the API need, extensions without a declared schema, and the mode that
-- all nodes follow.

-- The numbers of values that are defined without one. They begin where the numbers that people give have usually ended.
create sequence value_dbid_seq as bigint start with 1000001;

alter table deployment add column mode text not null default 'production'
  constraint deployment_mode_known check (mode in ('production', 'maintenance'));
comment on column deployment.mode is 'production, or maintenance: then lifecycle events and queries are refused on every node.';

alter table extension_schemas add column open boolean not null default false;
comment on column extension_schemas.open is 'True: learned from an event rather than declared; takes any record.';
