-- The account's own tables. Nothing in them knows of Redis.
CREATE TABLE IF NOT EXISTS orders (
    id       uuid PRIMARY KEY,
    number   bigint GENERATED ALWAYS AS IDENTITY,
    body     jsonb NOT NULL,
    drawn    bigint NOT NULL DEFAULT 0,      -- the sequencer: the highest token given out
    newest   bigint NOT NULL DEFAULT 0,      -- the fence: the highest token of anybody who came
    rejected bigint NOT NULL DEFAULT 0,      -- how many visits the fence has refused
    settled  boolean NOT NULL DEFAULT false  -- billed or given up
);
CREATE INDEX IF NOT EXISTS orders_open ON orders (number) WHERE NOT settled;
CREATE INDEX IF NOT EXISTS orders_rejected ON orders (rejected) WHERE rejected > 0;

-- One row for each holder of an order's lock that came here.
CREATE TABLE IF NOT EXISTS stays (
    order_id uuid NOT NULL REFERENCES orders,
    owner    text NOT NULL,
    token    bigint NOT NULL DEFAULT 0,      -- 0 where nobody asks for tokens
    place    bigint,                         -- in the order of entering; null: drawn, not yet here
    entered  timestamptz,
    left_at  timestamptz,                    -- null: never heard of again
    billed   boolean NOT NULL DEFAULT false,
    overlap  boolean NOT NULL DEFAULT false, -- another had entered before this one was done
    PRIMARY KEY (order_id, owner)
);
CREATE INDEX IF NOT EXISTS stays_overlap ON stays (order_id) WHERE overlap;
