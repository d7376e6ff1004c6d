package streams

import (
	"context"
	"errors"
	"time"
)

// Log is what producers append to and consumers read: a number of partitions, each a sequence of
// records that only grows at its end. A record that was read is still there, for the next reader.
//
// Its methods are safe for concurrent use.
type Log interface {
	// Append adds a record to a partition and returns when it is as safe as the log makes it. The same
	// id appended again, because nobody knows what became of the first time, is one record. An error
	// that wraps [ErrUnknown] says that the record may be in the log or not.
	Append(ctx context.Context, partition int, id string, body []byte) error
	// Read returns a reader of the records of a partition that stand behind an offset; 0 is before all.
	Read(ctx context.Context, partition int, after uint64) (Reader, error)
	// Before returns the offset of the last record that was appended before a time: who reads behind it
	// begins at that time.
	Before(ctx context.Context, partition int, at time.Time) (offset uint64, err error)
	// Ends returns the offset of the last record of each partition.
	Ends(ctx context.Context) ([]uint64, error)
	// Close ends all that goes on.
	Close() error
}

// Reader reads one partition in the order of its offsets, each record once. It keeps its own place: the
// log does not know how far anyone has come.
type Reader interface {
	// Batch waits for a record and returns it with those that have arrived besides, at most so many.
	Batch(ctx context.Context, most int) ([]Record, error)
	Close()
}

// OpenLog connects to the servers: those of Kafka's protocol where the settings name any, and otherwise
// those of NATS. It does not wait for them: one that is away is an error of the first use. The connection
// comes back by itself, forever.
func OpenLog(settings Settings) (Log, error) {
	if settings.KafkaBrokers != "" {
		return openKafka(settings)
	}
	return openJetStream(settings)
}

// Record is an entry of the log.
type Record struct {
	Partition int
	Offset    uint64
	Appended  time.Time // by the clock of the server
	Body      []byte
}

var (
	// ErrUnknown says that nobody knows whether the record was appended.
	ErrUnknown = errors.New("outcome unknown: the log has not answered")
	// ErrNotAppended says that the record is not in the log.
	ErrNotAppended = errors.New("the log does not take the order now")
	// ErrShorter says that the log ends before a place to which somebody has read already: it has lost
	// records.
	ErrShorter = errors.New("the log has lost records")
)
