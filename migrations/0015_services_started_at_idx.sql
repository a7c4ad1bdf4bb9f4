-- no-transaction
-- Finds services by the time of their start: those that SERVICE_TTL has expired, and those to be purged.
create index concurrently if not exists services_started_at_idx on services (started_at, service_id);
