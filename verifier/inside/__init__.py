"""The files that run inside sandboxes: standard library only, and trusted for nothing.

They are handed in as read-only files and are never imported from here.
"""
