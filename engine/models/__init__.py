"""Models over HTTP: wire formats, streaming, and what to do when a call fails."""
