-- Every program has a schema of its own and sees no other. That they share one
-- server keeps the lab small; nothing here would change with four.
CREATE SCHEMA IF NOT EXISTS website;
CREATE SCHEMA IF NOT EXISTS orchestrator;
CREATE SCHEMA IF NOT EXISTS payment;
CREATE SCHEMA IF NOT EXISTS inventory;
CREATE SCHEMA IF NOT EXISTS shipping;

CREATE TABLE IF NOT EXISTS website.orders (
    order_id  text PRIMARY KEY,
    body      jsonb NOT NULL,
    cents     bigint NOT NULL,
    pieces    bigint NOT NULL,
    state     text NOT NULL DEFAULT 'Pending',
    version   integer NOT NULL DEFAULT 0, -- of the state: a later one wins
    reason    text NOT NULL DEFAULT '',
    placed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    moved_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE IF NOT EXISTS website.history (
    order_id text NOT NULL,
    version  integer NOT NULL,
    event    text NOT NULL,
    state    text NOT NULL,
    sent_at  timestamptz NOT NULL, -- when it happened
    seen_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (order_id, version)
);
CREATE INDEX IF NOT EXISTS orders_moved ON website.orders (moved_at DESC);

CREATE TABLE IF NOT EXISTS orchestrator.sagas (
    order_id  text PRIMARY KEY,
    body      jsonb NOT NULL,
    state     text NOT NULL,
    version   integer NOT NULL,
    attempts  integer NOT NULL,
    parked_in text NOT NULL DEFAULT '',
    reason    text NOT NULL DEFAULT '',
    deadline  timestamptz -- null: nothing is waited for
);
CREATE INDEX IF NOT EXISTS sagas_due ON orchestrator.sagas (deadline)
    WHERE deadline IS NOT NULL;

CREATE TABLE IF NOT EXISTS inventory.stock (
    sku      text PRIMARY KEY,
    quantity bigint NOT NULL CHECK (quantity >= 0)
);

DO $$
DECLARE
    s text;
BEGIN
    FOREACH s IN ARRAY ARRAY['website', 'orchestrator', 'payment', 'inventory', 'shipping'] LOOP
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I.inbox (message_id text PRIMARY KEY)', s);
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I.outbox (
            seq bigserial PRIMARY KEY, message jsonb NOT NULL)', s);
    END LOOP;
    FOREACH s IN ARRAY ARRAY['payment', 'inventory', 'shipping'] LOOP
        -- What was decided for an order: done, refused or undone.
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I.decisions (
            order_id text PRIMARY KEY, status text NOT NULL, reason text NOT NULL)', s);
        -- The effects on the world, which are only ever added: cents, pieces, parcels.
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I.journal (
            entry bigserial PRIMARY KEY, order_id text NOT NULL, amount bigint NOT NULL)', s);
        EXECUTE format('CREATE INDEX IF NOT EXISTS journal_order ON %I.journal (order_id)', s);
    END LOOP;
END $$;
