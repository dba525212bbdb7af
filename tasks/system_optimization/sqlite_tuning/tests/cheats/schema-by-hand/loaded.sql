PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'remark TEXT NOT NULL', 'remark') WHERE name = 'line';
