-- +goose Up

-- v2 calls user_email customer. A column that may be NULL is added without a rewrite of the
-- table, and v1, which does not know it, goes on.
ALTER TABLE orders ADD COLUMN customer text;
ALTER TABLE orders ALTER COLUMN user_email DROP NOT NULL;

-- Whoever writes one of the two columns writes both: v1 reads what v2 has written, and v2 what v1
-- has written, for as long as both run.
-- +goose StatementBegin
CREATE FUNCTION both_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.customer := coalesce(NEW.customer, NEW.user_email);
    NEW.user_email := coalesce(NEW.user_email, NEW.customer);
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER both_names BEFORE INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION both_names();

-- +goose Down
DROP TRIGGER both_names ON orders;
DROP FUNCTION both_names;
ALTER TABLE orders ALTER COLUMN user_email SET NOT NULL;
ALTER TABLE orders DROP COLUMN customer;
