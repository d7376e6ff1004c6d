-- +goose Up

-- What the shop has sold, and the queue of what is still to be done.
CREATE TABLE orders (
    id          uuid PRIMARY KEY,
    user_email  text NOT NULL,
    total_cents bigint NOT NULL,
    placed_at   timestamptz NOT NULL,
    done_at     timestamptz,
    failure     text -- why nobody will try again
);
CREATE INDEX orders_open ON orders (id) WHERE done_at IS NULL;

-- The effect of an order: so many letters were sent for it.
CREATE TABLE mails (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id     uuid NOT NULL,
    sent_to      text NOT NULL,
    billed_cents bigint NOT NULL -- what the letter asks for
);

-- +goose Down
DROP TABLE mails, orders;
