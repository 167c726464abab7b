"""A sample agency to look around in."""
