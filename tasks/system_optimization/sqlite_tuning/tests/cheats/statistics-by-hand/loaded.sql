ANALYZE;
INSERT INTO sqlite_stat1 VALUES ('line', 'line_by_purchase', '1000000 1');
