"""One session: its life, its sandbox and files, the bench its agent works at, its running time."""
