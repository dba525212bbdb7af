-- Lines are looked for by their purchase and by their product; what is asked of them is in the index.
CREATE INDEX line_by_purchase ON line (purchase, product, quantity, price);
CREATE INDEX line_by_product ON line (product, purchase);
-- Purchases by their customer, and whole days of them.
CREATE INDEX purchase_by_customer ON purchase (customer);
CREATE INDEX purchase_by_day ON purchase (day, customer, status, total);
CREATE INDEX product_short ON product (category, stock);
-- The predicates that no plain index on a column serves.
CREATE INDEX customer_by_mail ON customer (lower(email));
CREATE INDEX open_purchases ON purchase (day, id) WHERE status = 'open';
