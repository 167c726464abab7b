"""Web, worker and scheduler together on one machine, for `make demo` and `make run`."""
