-- One process uses the file: locks are taken once, and its pages stay in memory.
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -32000;
-- The journal file is kept; only its head is overwritten at each commit.
PRAGMA journal_mode = PERSIST;
-- A crash of the process loses nothing that the operating system has been given.
PRAGMA synchronous = OFF;
