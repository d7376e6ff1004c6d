package streams

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// prepareTime bounds the wait for servers that have just started, and have no leader yet.
const prepareTime = time.Minute

// Connect is what the slide's code does not show: it connects to NATS as the client library does by
// itself, and makes the streams that are missing. It returns their names, by partition; they are their
// subjects as well. The caller closes the connection.
func Connect(
	ctx context.Context, address string,
) (js jetstream.JetStream, partitions []string, err error) {
	s := DefaultSettings()
	s.NATSURL = address
	conn, err := nats.Connect(s.servers())
	if err != nil {
		return nil, nil, fmt.Errorf("connect to NATS (NATS_URL): %w", err)
	}
	if js, err = jetstream.New(conn); err == nil {
		partitions, err = makeStreams(ctx, &jetStream{conn: conn, js: js, settings: s})
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return js, partitions, nil
}

// OpenSums opens the database in which [Count] adds up, and makes the tables that are missing. The caller
// closes it.
func OpenSums(ctx context.Context, address string) (*pgxpool.Pool, error) {
	s := DefaultSettings()
	s.DatabaseURL = address
	db, err := OpenDatabase(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := MakeTables(ctx, db, prepareTime); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

func makeStreams(ctx context.Context, l *jetStream) (names []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, prepareTime)
	defer cancel()
	for partition := range l.settings.Partitions {
		_, err := l.stream(ctx, partition)
		for err != nil && ctx.Err() == nil {
			sleep(ctx, pause)
			_, err = l.stream(ctx, partition)
		}
		if err != nil {
			return nil, fmt.Errorf("make the streams: %w", err)
		}
		names = append(names, l.name(partition))
	}
	return names, nil
}

// Count adds an order to the sum of its minute, as the slide's code does: whatever was counted before,
// and wherever others are. The position is there for those who ask how far the group has come.
func Count(
	ctx context.Context, db *pgxpool.Pool, record jetstream.Msg, minute time.Time, cents int64,
) error {
	meta, err := record.Metadata()
	if err != nil {
		return fmt.Errorf("count: %w", err)
	}
	var partition int
	name := meta.Stream[strings.LastIndex(meta.Stream, "-")+1:]
	if _, err := fmt.Sscan(name, &partition); err != nil {
		return fmt.Errorf("count: %s is no partition: %w", meta.Stream, err)
	}
	_, sum := db.Exec(ctx, `INSERT INTO windows VALUES ($1, $2, $3, $4, $5, '', 1, 0, $6, 0)
		ON CONFLICT (reader_group, partition, shape, starts, product) DO UPDATE
		SET orders = windows.orders + 1, cents = windows.cents + $6`,
		DefaultGroup, partition, Tumbling, minute, minute.Add(time.Minute), cents)
	_, position := db.Exec(ctx, `INSERT INTO progress (reader_group, partition, position)
		VALUES ($1, $2, $3) ON CONFLICT (reader_group, partition) DO UPDATE
		SET position = greatest(progress.position, $3)`,
		DefaultGroup, partition, int64(meta.Sequence.Stream))
	if err := errors.Join(sum, position); err != nil {
		return fmt.Errorf("count: %w", err)
	}
	return nil
}
