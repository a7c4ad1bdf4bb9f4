-- no-transaction
-- Finds the states that started in a period. It has a few bytes for every megabyte of the table. Several spans are kept of
-- each megabyte, so that a few events of other times do not make it match every period between.
create index concurrently if not exists states_started_at_idx on states using brin (started_at timestamptz_minmax_multi_ops(values_per_range = 16))
  with (autosummarize = on);
