-- What lets a client repeat the start of a service, state or task, or a transition, without starting another.

create table idempotency_keys (
  created_at timestamptz not null,
  element_id bigint      not null,
  key        text        not null,
  request    bytea       not null,
  constraint idempotency_keys_pk primary key (key)
);
-- Finds those that have served their time.
create index idempotency_keys_created_at_idx on idempotency_keys (created_at);
comment on table idempotency_keys is 'Idempotency-Key headers of the last 24 hours: written in the transaction of what they started.';
comment on column idempotency_keys.created_at is 'When it was first used.';
comment on column idempotency_keys.element_id is 'The service, state or task that was started.';
comment on column idempotency_keys.key is 'The header, as sent.';
comment on column idempotency_keys.request is '16 bytes of BLAKE3 over route and body: tells a repeat from a key that is used twice.';
