-- The typed views of extension schemas have changed: no record makes them fail. The service replaces those of older forms.

alter table extension_schemas add column view_version integer not null default 1;
comment on column extension_schemas.view_version is 'The form of its view in the schema reporting: a service that knows a newer one replaces the view.';
