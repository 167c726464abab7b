"""/api/v1: what other programs talk to."""
