-- Every program has a schema of its own and sees no other. That they share one
-- server keeps the lab small; nothing here would change with four.
CREATE SCHEMA IF NOT EXISTS website;
CREATE SCHEMA IF NOT EXISTS orchestrator;
CREATE SCHEMA IF NOT EXISTS payment;
CREATE SCHEMA IF NOT EXISTS inventory;
CREATE SCHEMA IF NOT EXISTS shipping;

CREATE TABLE IF NOT EXISTS website.orders (
    order_id  text PRIMARY KEY,
    body      json NOT NULL,
    state     text NOT NULL DEFAULT 'Pending',
    version   integer NOT NULL DEFAULT 0, -- of the state: a later one wins
    reason    text NOT NULL DEFAULT '',
    placed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    moved_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Which transactions have placed and moved it: how the auditor finds what is new.
    placed_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    moved_by  xid8 NOT NULL DEFAULT pg_current_xact_id()
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
CREATE INDEX IF NOT EXISTS orders_moved_by ON website.orders (moved_by);
CREATE INDEX IF NOT EXISTS orders_parked ON website.orders (placed_at) WHERE state = 'Parked';

CREATE TABLE IF NOT EXISTS orchestrator.sagas (
    order_id  text PRIMARY KEY,
    body      json NOT NULL,
    state     text NOT NULL,
    version   integer NOT NULL,
    attempts  integer NOT NULL,
    parked_in text NOT NULL DEFAULT '',
    reason    text NOT NULL DEFAULT '', -- why it is cancelled
    problem   text NOT NULL DEFAULT '', -- why it is parked
    deadline  timestamptz, -- null: nothing is waited for
    moved_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS sagas_due ON orchestrator.sagas (deadline)
    WHERE deadline IS NOT NULL;

CREATE TABLE IF NOT EXISTS inventory.stock (
    sku      text PRIMARY KEY,
    opening  bigint NOT NULL,
    quantity bigint NOT NULL CHECK (quantity >= 0)
);

DO $$
DECLARE
    s text;
BEGIN
    FOREACH s IN ARRAY ARRAY['website', 'orchestrator', 'payment', 'inventory', 'shipping'] LOOP
        -- Short lives: what is dead is cleaned up often.
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I.outbox (
            seq bigserial PRIMARY KEY, message json NOT NULL,
            due_at timestamptz NOT NULL DEFAULT clock_timestamp())
            WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)', s);
    END LOOP;
    FOREACH s IN ARRAY ARRAY['payment', 'inventory', 'shipping'] LOOP
        -- What was decided for an order: done, refused or undone.
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I.decisions (
            order_id text PRIMARY KEY, status text NOT NULL, reason text NOT NULL,
            placed_at timestamptz NOT NULL)', s);
        EXECUTE format('CREATE INDEX IF NOT EXISTS decisions_old
            ON %I.decisions USING brin (placed_at)', s);
        -- The effects on the world, which are only ever added, by account: cents,
        -- pieces of each product, parcels.
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I.journal (
            entry bigserial PRIMARY KEY, order_id text NOT NULL, account text NOT NULL,
            amount bigint NOT NULL, made_by xid8 NOT NULL DEFAULT pg_current_xact_id())', s);
        EXECUTE format('CREATE INDEX IF NOT EXISTS journal_order ON %I.journal (order_id)', s);
        EXECUTE format('CREATE INDEX IF NOT EXISTS journal_made ON %I.journal (made_by)', s);
        -- What the entries add up to that housekeeping has deleted.
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I.closed (
            account text PRIMARY KEY, amount bigint NOT NULL)', s);
    END LOOP;
END $$;
