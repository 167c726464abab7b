"""The documents a client receives: their frozen snapshots and how those are printed."""
