"""What callers may ask of a running engine, over HTTP on a Unix socket."""
