-- no-transaction
-- Finds a customer without regard to case, blanks and the signs between digits. The store's search has the same expression.
create index concurrently if not exists services_customer_key_idx on services (
  (lower(lower(translate(customer_id, E' \u00A0\u2009\u202F-\u2010\u2011\u2013+()./', '') collate "C") collate "default") collate "C")
) where customer_id is not null;
