"""The engine put together: its sessions, what they share, and how they are taken up again."""
