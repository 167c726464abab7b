"""The documents an agency receives: their frozen snapshots and how those are printed."""
