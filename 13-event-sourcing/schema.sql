-- All programs of the step run this as they start, one after the other.

-- The log. It is only ever appended to: what has happened has happened.
CREATE TABLE IF NOT EXISTS events (
    stream      uuid NOT NULL,      -- the order
    version     integer NOT NULL,   -- 1, 2, 3 within the stream
    -- The sequence gives positions away in the order in which rows are written, which is
    -- not the order in which they are committed. The transaction tells: see projector.go.
    txid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position    bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    type        text NOT NULL,      -- order-placed
    schema      integer NOT NULL,   -- the version of the body
    body        json NOT NULL,      -- not jsonb: kept to the letter, for its hash
    command     uuid NOT NULL,      -- what a customer asked for
    ordinal     smallint NOT NULL,  -- an event among those of its command
    metadata    json NOT NULL,      -- who wrote it, what was asked, by whose clock when
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(), -- one clock for all
    hash        bytea NOT NULL,     -- over this event and the hash before it: chain.go
    PRIMARY KEY (stream, version)   -- two deciders at once: one of them is told
);
CREATE UNIQUE INDEX IF NOT EXISTS events_in_order ON events (txid, position);
CREATE UNIQUE INDEX IF NOT EXISTS events_of_command ON events (command, ordinal);

-- A key for each customer, with which what is personal in events is sealed: forget.go. Not a
-- log: a row that is deleted makes all of it unreadable.
CREATE TABLE IF NOT EXISTS customer_keys (
    customer uuid PRIMARY KEY DEFAULT gen_random_uuid(), -- what events call the customer
    email    text NOT NULL UNIQUE,
    key      bytea NOT NULL
);

-- A cache of the fold of long streams, see snapshot.go.
CREATE TABLE IF NOT EXISTS snapshots (
    stream  uuid PRIMARY KEY,
    version integer NOT NULL,
    fold    integer NOT NULL,       -- the version of the program's fold
    state   json NOT NULL,
    hash    bytea NOT NULL          -- of the last event in it
);

-- How far each projection has come. A generation is one building of it from zero, of which
-- one is live; the streams of a generation are divided into parts that can be worked on
-- side by side.
CREATE TABLE IF NOT EXISTS checkpoints (
    projection text NOT NULL,
    generation integer NOT NULL,
    part       integer NOT NULL,
    parts      integer NOT NULL,
    txid       xid8 NOT NULL DEFAULT '0',
    position   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (projection, generation, part)
) WITH (fillfactor = 50); -- room for new versions of few rows that change often
CREATE TABLE IF NOT EXISTS projections (
    name   text PRIMARY KEY,
    live   integer NOT NULL DEFAULT 1, -- the generation that is read
    newest integer NOT NULL DEFAULT 1  -- the last number that was given away
);

-- Streams of which a projection cannot read an event. Those behind it wait: an order that
-- is projected with a hole would be wrong. All other orders go on.
CREATE TABLE IF NOT EXISTS parked (
    projection text NOT NULL,
    generation integer NOT NULL,
    stream     uuid NOT NULL,
    version    integer NOT NULL,    -- of the event, which is not projected
    reason     text NOT NULL,
    parked_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    for_good    boolean NOT NULL DEFAULT false, -- no other program can do better
    PRIMARY KEY (projection, generation, stream)
);

-- The read models. Whoever drops them all has lost nothing.
CREATE TABLE IF NOT EXISTS customer_orders (
    generation  integer NOT NULL,
    order_id    uuid NOT NULL,
    customer    text NOT NULL,      -- by name; of orders older than keys the address
    status      text NOT NULL,
    pieces      bigint NOT NULL,
    total_cents bigint NOT NULL,
    version     integer NOT NULL,
    PRIMARY KEY (generation, order_id)
) WITH (fillfactor = 80);
CREATE INDEX IF NOT EXISTS customer_orders_of ON customer_orders (generation, customer, order_id);
CREATE TABLE IF NOT EXISTS stock (
    generation integer NOT NULL,
    sku        text NOT NULL,
    reserved   bigint NOT NULL,
    PRIMARY KEY (generation, sku)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS sales (
    generation integer NOT NULL,
    day        date NOT NULL,       -- in UTC
    orders     bigint NOT NULL,     -- placed that day
    cents      bigint NOT NULL,     -- of what was ordered that day, less what was cancelled
    PRIMARY KEY (generation, day)
) WITH (fillfactor = 50);

-- The letters that a mail server has taken. It knows a letter by its message id, so that
-- one that is sent again is not delivered again.
CREATE TABLE IF NOT EXISTS letters (
    message_id text PRIMARY KEY,
    order_id   uuid NOT NULL,
    sent_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS letters_of ON letters (order_id);
CREATE INDEX IF NOT EXISTS letters_last ON letters (sent_at);

INSERT INTO projections (name) SELECT unnest(ARRAY['customers', 'stock', 'sales', 'mail'])
ON CONFLICT DO NOTHING;
INSERT INTO checkpoints (projection, generation, part, parts)
SELECT name, 1, part, parts
FROM (VALUES ('customers', 1), ('stock', 1), ('sales', 1), ('mail', 8)) p (name, parts),
    generate_series(0, parts - 1) part
WHERE NOT EXISTS (SELECT FROM checkpoints c WHERE c.projection = p.name);
