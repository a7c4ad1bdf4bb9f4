-- no-transaction
-- Finds the services that began in a session.
create index concurrently if not exists services_session_idx on services (session_id) where session_id is not null;
