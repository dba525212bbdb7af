"""A finished run, or one that goes on, at any moment of it: the app without an engine."""
