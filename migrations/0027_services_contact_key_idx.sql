-- no-transaction
-- Finds a contact key in the same way, of services with a customer too.
create index concurrently if not exists services_contact_key_idx on services (
  (lower(lower(translate(contact_key, E' \u00A0\u2009\u202F-\u2010\u2011\u2013+()./', '') collate "C") collate "default") collate "C")
) where contact_key is not null;
