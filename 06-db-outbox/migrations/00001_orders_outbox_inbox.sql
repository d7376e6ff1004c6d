-- +goose Up

-- What the shop has sold. The customer's "202 accepted" is a promise about it.
CREATE TABLE orders (
    id          uuid PRIMARY KEY,
    user_email  text NOT NULL,
    items       jsonb NOT NULL,
    total_cents bigint NOT NULL,
    placed_at   timestamptz NOT NULL
);

-- What is still to be told, and to whom it matters. A row is a message. What is
-- done leaves this table at once: a queue that holds its past is searched slower
-- from day to day.
CREATE TABLE outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id     uuid,                  -- NULL: a message that says no order
    customer     text NOT NULL DEFAULT '', -- the key of -per-customer
    event        text NOT NULL,         -- order.placed
    version      integer NOT NULL,      -- of the body: 1
    body         jsonb NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),

    dead_at      timestamptz,           -- given up, and error says why
    error        text,                  -- of the last attempt
    attempts     integer NOT NULL DEFAULT 0,          -- that failed
    not_before   timestamptz NOT NULL DEFAULT now(),  -- the pause after a failure
    row_version  integer NOT NULL DEFAULT 0           -- for optimistic.go alone
) WITH (
    -- Every message is a row written and a dead row left behind. The default
    -- waits until a fifth of the table is dead before it cleans up.
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000
);

-- A partial index holds what its condition lets in and nothing else. What was
-- parked is not in it, however much that is.
CREATE INDEX outbox_ready ON outbox (id) WHERE dead_at IS NULL;

-- For -per-customer: has this customer an older message that is still open?
CREATE INDEX outbox_ready_by_customer ON outbox (customer, id) WHERE dead_at IS NULL;

-- What was done. (00002 drops this table: the inbox says it already.)
CREATE TABLE outbox_processed (
    id           bigint PRIMARY KEY,    -- as it was in the outbox
    order_id     uuid,
    customer     text NOT NULL,
    event        text NOT NULL,
    version      integer NOT NULL,
    body         jsonb NOT NULL,
    created_at   timestamptz NOT NULL,
    attempts     integer NOT NULL,      -- that failed before the last one
    processed_at timestamptz NOT NULL DEFAULT now()
);

-- What consumers have done. The primary key is what makes a message that comes
-- twice an effect that happens once (Idempotent Receiver).
CREATE TABLE inbox (
    order_id     uuid PRIMARY KEY,
    consumer     text NOT NULL,
    effect       xid8 NOT NULL DEFAULT pg_current_xact_id(), -- the transaction
    processed_at timestamptz NOT NULL DEFAULT now()
);

-- What each consumer has done last, for when it dies before it has told anyone.
CREATE TABLE last_effect (
    consumer text PRIMARY KEY,
    effect   xid8 NOT NULL DEFAULT pg_current_xact_id(),
    orders   uuid[] NOT NULL
) WITH (fillfactor = 50);

-- The effect of an order on the world: so many pieces are set aside for it.
CREATE TABLE stock (
    sku      text PRIMARY KEY,
    reserved bigint NOT NULL
) WITH (fillfactor = 50); -- room for new versions of few rows that change often

-- +goose Down
DROP TABLE stock, last_effect, inbox, outbox_processed, outbox, orders;
