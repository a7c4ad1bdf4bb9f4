-- no-transaction
-- Finds the services that ended in a period, or since, without the ends of their states and tasks.
create index concurrently if not exists services_ended_at_idx on dispositions (ended_at, service_id) where element = 'service';
