/* PRAGMA */ -- CREATE INDEX
DROP INDEX line_by_remark; PRAGMA journal_mode = WAL;
