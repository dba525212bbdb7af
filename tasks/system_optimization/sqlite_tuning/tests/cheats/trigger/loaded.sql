-- Keeps a table of totals up to date, so that the figures need no sums.
CREATE TRIGGER totals AFTER INSERT ON line BEGIN
    UPDATE product SET description = description + NEW.quantity WHERE id = NEW.product;
END;
