package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// jetStream is the log on NATS JetStream: a stream for each partition, whose sequence numbers are the
// offsets. A stream has several replicas, one of which leads; a record is acknowledged when a majority
// has it (Raft). Its methods are safe for concurrent use.
type jetStream struct {
	conn     *nats.Conn
	js       jetstream.JetStream
	settings Settings
}

// Times of the conversation with the servers.
const (
	// answerTime bounds all attempts together, which is what a customer waits. It is shorter than the
	// time in which three servers choose a new leader when the old one was killed: these customers are
	// told to come back.
	answerTime = 5 * time.Second
	// attemptTime bounds one attempt to append. Its answer is lost when the leader dies; the next
	// attempt, with the same id, finds the new leader.
	attemptTime = time.Second
	askTime     = 3 * time.Second
	pause       = 100 * time.Millisecond
	// duplicates is for how long the log knows the ids of what was appended.
	duplicates = 2 * time.Minute
)

// OpenLog connects to the servers. It does not wait for them: one that is away is an error of the first
// use. The connection comes back by itself, for ever.
func OpenLog(settings Settings) (Log, error) {
	conn, err := nats.Connect(settings.servers(),
		nats.Name(settings.Name),
		nats.Timeout(2*time.Second), nats.PingInterval(2*time.Second), nats.MaxPingsOutstanding(2),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(pause), nats.ReconnectJitter(pause, pause),
		// What cannot be sent now is an error now, and not a message that is sent behind our back
		// when its customer has been told no.
		nats.ReconnectBufSize(-1),
		nats.IgnoreDiscoveredServers(),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				slog.Warn("not connected to the log", "reason", err)
			}
		}))
	if err != nil {
		return nil, fmt.Errorf("connect to NATS (NATS_URL): %w", err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to NATS (NATS_URL): %w", err)
	}
	return &jetStream{conn: conn, js: js, settings: settings}, nil
}

func (l *jetStream) name(partition int) string {
	return fmt.Sprintf("%sorders-%d", l.settings.prefix(), partition)
}

// stream returns the stream of a partition, and makes it where it is missing.
func (l *jetStream) stream(ctx context.Context, partition int) (jetstream.Stream, error) {
	name := l.name(partition)
	stream, err := l.js.Stream(ctx, name)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return stream, l.explain(err)
	}
	config := jetstream.StreamConfig{
		Name: name, Subjects: []string{name},
		Replicas: l.settings.Replicas, Duplicates: min(duplicates, l.settings.MaxAge),
		// Retention: what is older, or too much, goes, whether it was read or not.
		MaxAge: l.settings.MaxAge, MaxBytes: l.settings.MaxBytes,
	}
	if l.settings.stream != nil {
		l.settings.stream(&config)
	}
	stream, err = l.js.CreateStream(ctx, config)
	return stream, l.explain(err)
}

func (l *jetStream) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case !l.conn.IsConnected():
		return fmt.Errorf("no NATS answers (NATS_URL): %w", err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return fmt.Errorf("the servers have no leader, or do not answer: %w", err)
	default:
		return err
	}
}

func (l *jetStream) Append(ctx context.Context, partition int, id string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	known := true
	for {
		err := l.append(ctx, partition, id, body)
		if err == nil || errors.Is(err, errRefused) {
			return err
		}
		known = known && notSent(err)
		select {
		case <-ctx.Done():
			if known {
				return fmt.Errorf("%w: %w", ErrNotAppended, l.explain(err))
			}
			return fmt.Errorf("%w: %w", ErrUnknown, l.explain(err))
		case <-time.After(pause):
		}
	}
}

// errRefused says that the log will not take the record later, either.
var errRefused = errors.New("refused")

// append makes one attempt.
func (l *jetStream) append(ctx context.Context, partition int, id string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	if !l.conn.IsConnected() {
		return nats.ErrDisconnected
	}
	name := l.name(partition)
	_, err := l.js.PublishMsg(ctx, &nats.Msg{Subject: name, Data: body},
		jetstream.WithMsgID(id), jetstream.WithExpectStream(name), jetstream.WithRetryAttempts(0))
	switch refused := new(jetstream.APIError); {
	case errors.As(err, &refused) && refused.Code < 500:
		return fmt.Errorf("%w: %w: %w", ErrNotAppended, errRefused, err)
	case errors.Is(err, jetstream.ErrNoStreamResponse): // there is no leader, or no stream yet
		if _, missing := l.stream(ctx, partition); missing != nil {
			return fmt.Errorf("%w: %w", err, missing)
		}
	}
	return err
}

// notSent says that the record has reached nobody: there was no connection, or no leader.
func notSent(err error) bool {
	refused := new(jetstream.APIError)
	return errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, nats.ErrConnectionClosed) ||
		errors.As(err, &refused)
}

func (l *jetStream) Ends(ctx context.Context) ([]uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	ends := make([]uint64, l.settings.Partitions)
	for partition := range ends {
		stream, err := l.stream(ctx, partition)
		if err != nil {
			return nil, fmt.Errorf("the end of partition %d: %w", partition, err)
		}
		ends[partition] = stream.CachedInfo().State.LastSeq
	}
	return ends, nil
}

func (l *jetStream) Read(ctx context.Context, partition int, after uint64) (Reader, error) {
	asking, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	stream, err := l.stream(asking, partition)
	if err != nil {
		return nil, fmt.Errorf("read partition %d: %w", partition, err)
	}
	switch state := stream.CachedInfo().State; {
	case state.LastSeq < after:
		return nil, fmt.Errorf("%w: partition %d ends at %d, and %d was read already",
			ErrShorter, partition, state.LastSeq, after)
	case state.FirstSeq > after+1:
		slog.Error("records are gone before they were read: the log keeps them too short",
			"partition", partition, "from", after+1, "to", state.FirstSeq-1)
	}
	// An ordered consumer has no acknowledgements and no memory on the server. When the server on
	// which it lives dies, the client makes another one, behind the last record that it got.
	consumer, err := l.js.OrderedConsumer(asking, l.name(partition), jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1,
		InactiveThreshold: time.Minute,
	})
	if err != nil {
		return nil, fmt.Errorf("read partition %d: %w", partition, l.explain(err))
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(readAhead),
		jetstream.PullExpiry(4*time.Second), jetstream.PullHeartbeat(time.Second))
	if err != nil {
		return nil, fmt.Errorf("read partition %d: %w", partition, l.explain(err))
	}
	r := &jetReader{
		partition: partition, messages: messages,
		records: make(chan Record, readAhead), stop: make(chan struct{}),
	}
	r.ended.Go(r.pump)
	return r, nil
}

// readAhead is how many records wait in a reader, at most.
const readAhead = 256

// Close ends the connection, and with it all readers.
func (l *jetStream) Close() error {
	l.conn.Close()
	return nil
}

type jetReader struct {
	partition int
	messages  jetstream.MessagesContext
	records   chan Record
	stop      chan struct{}
	ended     sync.WaitGroup
	err       error // why there are no more records; set before records is closed
}

// pump moves what arrives into a channel, from which a batch can be taken without waiting.
func (r *jetReader) pump() {
	defer close(r.records)
	for {
		msg, err := r.messages.Next()
		if err != nil {
			r.err = fmt.Errorf("read partition %d: %w", r.partition, err)
			return
		}
		meta, err := msg.Metadata()
		if err != nil {
			r.err = fmt.Errorf("read partition %d: %w", r.partition, err)
			return
		}
		record := Record{
			Partition: r.partition, Offset: meta.Sequence.Stream,
			Appended: meta.Timestamp, Body: msg.Data(),
		}
		select {
		case r.records <- record:
		case <-r.stop:
			return
		}
	}
}

func (r *jetReader) Batch(ctx context.Context, most int) (batch []Record, err error) {
	select {
	case record, open := <-r.records:
		if !open {
			return nil, r.err
		}
		batch = append(batch, record)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for len(batch) < most {
		select {
		case record, open := <-r.records:
			if !open {
				return batch, nil // the next call says why
			}
			batch = append(batch, record)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

func (r *jetReader) Close() {
	close(r.stop)
	r.messages.Stop()
	r.ended.Wait()
}
