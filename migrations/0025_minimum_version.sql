-- A program of the release before may serve on a newer schema, so that nodes can be replaced one by one, until a step takes away
-- what it needs.

alter table deployment add column minimum_version bigint not null default 25;
comment on column deployment.minimum_version is 'The version of the schema that a program must know to serve. A step that takes away what older programs need sets it to its own number.';
