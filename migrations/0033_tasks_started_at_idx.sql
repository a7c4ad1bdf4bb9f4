-- no-transaction
-- Finds the tasks that started in a period. The index takes a few bytes per megabyte of the table and costs events next to
-- nothing. It keeps several spans of each megabyte, so that a few events with other times, or new rows in the space of
-- removed ones, do not make the megabyte match every period between.
create index concurrently if not exists tasks_started_at_idx on tasks using brin
  (started_at timestamptz_minmax_multi_ops(values_per_range = 16))
  with (autosummarize = on);
