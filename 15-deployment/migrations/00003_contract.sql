-- +goose Up

-- Nobody runs v1 any more, and the backfill is done: SET NOT NULL says so if it is not.
ALTER TABLE orders ALTER COLUMN customer SET NOT NULL;
DROP TRIGGER both_names ON orders;
DROP FUNCTION both_names;
ALTER TABLE orders DROP COLUMN user_email;

-- +goose Down
ALTER TABLE orders ADD COLUMN user_email text;
UPDATE orders SET user_email = customer;
