"""A run as a file to keep: one self-contained HTML page, or a table of its sessions."""
