"""The model's API as a program in a sandbox sees it: metered, and without the key."""
