-- Lines are looked for by their purchase, purchases by their customer.
CREATE INDEX line_by_purchase ON line (purchase);
CREATE INDEX purchase_by_customer ON purchase (customer);
-- The predicates that no plain index on a column serves.
CREATE INDEX customer_by_mail ON customer (lower(email));
CREATE INDEX open_purchases ON purchase (day, id) WHERE status = 'open';
