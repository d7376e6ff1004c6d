-- +goose Up

-- now() is when the transaction began, before the work. These rows are about the
-- moment in which they are written.
ALTER TABLE inbox ALTER COLUMN processed_at SET DEFAULT clock_timestamp();
ALTER TABLE outbox_processed ALTER COLUMN processed_at SET DEFAULT clock_timestamp();

-- +goose Down
ALTER TABLE inbox ALTER COLUMN processed_at SET DEFAULT now();
ALTER TABLE outbox_processed ALTER COLUMN processed_at SET DEFAULT now();
