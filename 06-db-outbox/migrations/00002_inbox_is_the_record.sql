-- +goose Up

-- now() is when the transaction began, before the work. This is about the moment in
-- which the effect is written.
ALTER TABLE inbox ALTER COLUMN processed_at SET DEFAULT clock_timestamp();

-- Who has done which order, and when, stands in the inbox; the order itself in orders.
-- A copy of each message that is done says nothing more, and is one more row to write.
DROP TABLE outbox_processed;

-- +goose Down
CREATE TABLE outbox_processed (
    id           bigint PRIMARY KEY,
    order_id     uuid,
    customer     text NOT NULL,
    event        text NOT NULL,
    version      integer NOT NULL,
    body         jsonb NOT NULL,
    created_at   timestamptz NOT NULL,
    attempts     integer NOT NULL,
    processed_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE inbox ALTER COLUMN processed_at SET DEFAULT now();
