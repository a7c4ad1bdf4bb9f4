-- Services that were deleted a moment ago, so that what other nodes write of them meanwhile is deleted too, whatever
-- becomes of the node that deleted them.

create table deleted_services (
  service_id bigint not null,
  seen_at    timestamptz,
  constraint deleted_services_pk primary key (service_id)
);
comment on table deleted_services is 'Deleted services until every transaction has ended that may still have seen them: usually a few milliseconds.';
comment on column deleted_services.service_id is 'The service that is gone.';
comment on column deleted_services.seen_at is 'A moment at which its deletion was committed: whatever began later cannot have seen it.';
