CREATE TABLE joined AS SELECT p.day, p.customer, l.* FROM purchase p JOIN line l ON l.purchase = p.id;
