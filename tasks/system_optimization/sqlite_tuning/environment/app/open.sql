-- Runs on the empty database, before its tables are made. PRAGMAs only: there is nothing to index yet.
PRAGMA journal_mode = DELETE;
PRAGMA synchronous = FULL;
PRAGMA cache_size = 24;         -- the machine of the first year had little memory
PRAGMA auto_vacuum = FULL;      -- and a small disk
