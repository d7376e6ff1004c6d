-- What the consumers know, kept beside how far they have read: whatever changes here changes in one
-- transaction with progress.position.

-- How far a group has come in a partition. The row is what makes a reader's word count: who has
-- read from an older position than the one that stands here commits nothing.
CREATE TABLE IF NOT EXISTS progress (
    reader_group text        NOT NULL,
    partition    integer     NOT NULL,
    began        bigint      NOT NULL DEFAULT 0, -- the offset behind which it has read
    position     bigint      NOT NULL DEFAULT 0, -- the offset of the last record that is in the sums
    latest       timestamptz NOT NULL DEFAULT '0001-01-01 00:00:00+00', -- event time; makes the watermark
    latest_paid  timestamptz NOT NULL DEFAULT '0001-01-01 00:00:00+00', -- of payments; see Join
    orders       text[]      NOT NULL DEFAULT '{}', -- of the last transaction, and where they stand:
    offsets      bigint[]    NOT NULL DEFAULT '{}', -- nobody may have heard that they were processed
    PRIMARY KEY (reader_group, partition)
);

-- The results, which are the readers' state as well: a window that may still change is a row without
-- closed_at. A partition has rows of its own, so that no two readers write the same one.
CREATE TABLE IF NOT EXISTS windows (
    reader_group text        NOT NULL,
    partition    integer     NOT NULL,
    shape        text        NOT NULL,
    starts       timestamptz NOT NULL,
    ends         timestamptz NOT NULL,
    product      text        NOT NULL, -- '' is all of them
    orders       bigint      NOT NULL,
    pieces       bigint      NOT NULL,
    cents        bigint      NOT NULL,
    late         bigint      NOT NULL, -- of the orders, those that came behind the watermark
    closed_at    timestamptz,
    PRIMARY KEY (reader_group, partition, shape, starts, product)
);
CREATE INDEX IF NOT EXISTS windows_open ON windows (reader_group, partition, ends)
    WHERE closed_at IS NULL;

-- The orders of windows that may still change: one that stands in the log twice counts once.
CREATE TABLE IF NOT EXISTS seen (
    reader_group text        NOT NULL,
    partition    integer     NOT NULL,
    order_id     text        NOT NULL,
    until        timestamptz NOT NULL, -- the watermark at which its last window closes
    PRIMARY KEY (reader_group, partition, order_id)
);

-- Orders joined with their payments. A record that waits for its other half is the readers' state, and one
-- that is decided a result: paid, or a side stream of its own.
CREATE TABLE IF NOT EXISTS joined (
    reader_group text        NOT NULL,
    partition    integer     NOT NULL,
    position     bigint      NOT NULL, -- where it stands in the log
    payment      boolean     NOT NULL, -- and otherwise an order
    order_id     text        NOT NULL,
    at           timestamptz NOT NULL, -- event time
    cents        bigint      NOT NULL,
    outcome      text        NOT NULL, -- see join.go
    PRIMARY KEY (reader_group, partition, position)
);
CREATE INDEX IF NOT EXISTS joined_open ON joined (reader_group, partition, at)
    WHERE outcome = 'waiting' OR outcome = 'paid' AND NOT payment;

-- The side stream: what came too late for a window, and is in no sum.
CREATE TABLE IF NOT EXISTS too_late (
    reader_group text        NOT NULL,
    partition    integer     NOT NULL,
    shape        text        NOT NULL,
    starts       timestamptz NOT NULL,
    ends         timestamptz NOT NULL,
    order_id     text        NOT NULL,
    position     bigint      NOT NULL, -- where it stands in the log
    PRIMARY KEY (reader_group, partition, shape, starts, order_id)
);

-- What cannot be processed, and why.
CREATE TABLE IF NOT EXISTS dead (
    reader_group text    NOT NULL,
    partition    integer NOT NULL,
    position     bigint  NOT NULL,
    order_id     text    NOT NULL, -- '' where nobody can tell
    reason       text    NOT NULL,
    PRIMARY KEY (reader_group, partition, position)
);

-- State by key that no window bounds: what each customer has bought.
CREATE TABLE IF NOT EXISTS customers (
    reader_group text        NOT NULL,
    email        text        NOT NULL,
    orders       bigint      NOT NULL,
    cents        bigint      NOT NULL,
    first_at     timestamptz NOT NULL, -- of the last transaction, when its first order was appended
    last_at      timestamptz NOT NULL, -- when the latest order was appended
    overtaken    bigint      NOT NULL, -- how often a later order had been counted before an earlier one
    PRIMARY KEY (reader_group, email)
);

-- Who reads: each is seen again and again, or is gone.
CREATE TABLE IF NOT EXISTS members (
    reader_group text        NOT NULL,
    name         text        NOT NULL,
    seen_at      timestamptz NOT NULL,
    PRIMARY KEY (reader_group, name)
);
