-- no-transaction
-- Finds the elements that ended in a period. The index takes a few bytes per megabyte of the table and costs events next to
-- nothing. It keeps several spans of each megabyte, so that a few events with other times, or new rows in the space of
-- removed ones, do not make the megabyte match every period between.
create index concurrently if not exists dispositions_ended_at_idx on dispositions using brin
  (ended_at timestamptz_minmax_multi_ops(values_per_range = 16))
  with (autosummarize = on);
