-- Lines are looked for by their purchase, purchases by their customer.
CREATE INDEX line_by_purchase ON line (purchase);
CREATE INDEX purchase_by_customer ON purchase (customer);
