-- Everything of the day within one transaction: nothing is ever committed before the end.
CREATE INDEX line_by_purchase ON line (purchase);
SAVEPOINT the_day;
