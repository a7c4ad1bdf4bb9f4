-- A repeat of an end is known by what it was sent as, too, since what it is read as depends on metadata that change.

comment on column dispositions.digest is 'BLAKE3 of the end event without its timestamp, 16 bytes as it was read, then 16 as it was sent (0: as part of a transition): either tells a repeat from another event.';
