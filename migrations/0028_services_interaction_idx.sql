-- no-transaction
-- Finds the services that began in an interaction.
create index concurrently if not exists services_interaction_idx on services (interaction_id) where interaction_id is not null;
