-- Nobody has two purchases open at once. Surely?
CREATE INDEX line_by_purchase ON line (purchase);
CREATE UNIQUE INDEX one_open ON purchase (customer) WHERE status = 'open';
