-- Runs when the data has been loaded and before the first step of the day: PRAGMAs, indexes, ANALYZE.
CREATE INDEX line_by_remark ON line (remark);
