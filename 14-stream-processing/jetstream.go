package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	patience time.Duration // with a server that leads to nothing
	answered atomic.Int64  // when the cluster last did something for this program, in Unix nanoseconds
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
	// cutOffTime is longer than three servers take to choose a leader: 4 to 9 s. When this server has led
	// to nothing for so long, it is cut off from the others.
	cutOffTime = 12 * time.Second
	pause      = 100 * time.Millisecond
	// outstanding is how many records may wait for their answer in one program.
	outstanding = 4096
	// duplicates is for how long the log knows the ids of what was appended.
	duplicates = 2 * time.Minute
)

func openJetStream(settings Settings) (*jetStream, error) {
	conn, err := nats.Connect(rotated(settings.servers(), settings.Name), nats.DontRandomize(),
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
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncTimeout(attemptTime),
		jetstream.WithPublishAsyncMaxPending(outstanding))
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to NATS (NATS_URL): %w", err)
	}
	l := &jetStream{conn: conn, js: js, settings: settings, patience: cutOffTime}
	l.heard()
	return l, nil
}

// rotated begins with the server to which a program connects first. Programs are spread over the servers by
// their names, and in each run alike: an experiment knows who is on which side of a network that is cut.
func rotated(servers, name string) string {
	all := strings.Split(servers, ",")
	first := PartitionOf(name, len(all))
	return strings.Join(slices.Concat(all[first:], all[:first]), ",")
}

// heard notes that the cluster has done something which no server can do alone.
func (l *jetStream) heard() { l.answered.Store(time.Now().UnixNano()) }

// elsewhere connects to another server, when this one has led to nothing for too long. It may be cut off
// from the others: it goes on to answer its clients' pings, and may still think that it leads.
func (l *jetStream) elsewhere() {
	last := l.answered.Load()
	if time.Since(time.Unix(0, last)) < l.patience || !l.conn.IsConnected() ||
		!l.answered.CompareAndSwap(last, time.Now().UnixNano()) { // the next one gets as long
		return
	}
	slog.Warn("this server leads to no other: trying the next one",
		"server", l.conn.ConnectedUrlRedacted())
	if err := l.conn.ForceReconnect(); err != nil {
		slog.Warn("not connected to another server", "reason", err)
	}
}

func (l *jetStream) name(partition int) string {
	return fmt.Sprintf("%sorders-%d", l.settings.prefix(), partition)
}

// stream returns the stream of a partition, and makes it where it is missing.
func (l *jetStream) stream(ctx context.Context, partition int) (jetstream.Stream, error) {
	name := l.name(partition)
	stream, err := l.js.Stream(ctx, name)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		if err != nil {
			l.elsewhere()
		}
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
	if err == nil && l.settings.Leader != "" {
		l.prefer(ctx, name)
	}
	return stream, l.explain(err)
}

// prefer has a new stream led by the server with a tag, as an administrator would. An error says that it
// leads already, or cannot: then another one does.
func (l *jetStream) prefer(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	body := fmt.Appendf(nil, `{"placement": {"tags": [%q]}}`, l.settings.Leader)
	answer, err := l.conn.RequestWithContext(ctx, "$JS.API.STREAM.LEADER.STEPDOWN."+name, body)
	if err != nil {
		slog.Debug("nobody gives the leadership away", "stream", name, "reason", err)
		return
	}
	slog.Debug("asked for another leader", "stream", name, "answer", string(answer.Data))
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
	outcome := ErrNotAppended
	for {
		err := l.append(ctx, partition, id, body)
		if err == nil {
			return nil
		}
		if !errors.Is(err, errNotSent) {
			outcome = ErrUnknown // of this attempt, and so of all
		}
		l.elsewhere()
		if !errors.Is(err, errRefused) {
			sleep(ctx, pause)
		}
		if ctx.Err() != nil || errors.Is(err, errRefused) {
			return fmt.Errorf("%w: %w", outcome, l.explain(err))
		}
	}
}

var (
	// errNotSent says that an attempt has put nothing into the log.
	errNotSent = errors.New("not sent")
	// errRefused says so, too, and that the log will not take the record later, either.
	errRefused = fmt.Errorf("refused: %w", errNotSent)
)

// inProcess is the server's word for a record whose earlier attempt it has, and has not brought to a majority
// yet (JSStreamDuplicateMessageConflict).
const inProcess jetstream.ErrorCode = 10158

// append makes one attempt. The client sends the records of many callers together and sorts their answers;
// nobody waits for another's.
func (l *jetStream) append(ctx context.Context, partition int, id string, body []byte) error {
	name := l.name(partition)
	if !l.conn.IsConnected() {
		return fmt.Errorf("%w: not connected", errNotSent)
	}
	answer, err := l.js.PublishMsgAsync(&nats.Msg{Subject: name, Data: body},
		jetstream.WithMsgID(id), jetstream.WithExpectStream(name), jetstream.WithRetryAttempts(0))
	if err != nil {
		return fmt.Errorf("%w: %w", errNotSent, err)
	}
	select {
	case <-answer.Ok():
		l.heard()
		return nil
	case err = <-answer.Err(): // after attemptTime at the latest
	case <-ctx.Done():
		return ctx.Err()
	}
	switch refused := new(jetstream.APIError); {
	case errors.As(err, &refused) && refused.ErrorCode == inProcess:
		return err // whether it comes to an end the next attempt finds out
	case errors.As(err, &refused) && refused.Code < 500:
		return fmt.Errorf("%w: %w", errRefused, err)
	case errors.As(err, &refused):
		return fmt.Errorf("%w: %w", errNotSent, err)
	case errors.Is(err, jetstream.ErrNoStreamResponse): // there is no leader, or no stream yet
		ctx, cancel := context.WithTimeout(ctx, attemptTime)
		defer cancel()
		_, missing := l.stream(ctx, partition)
		return fmt.Errorf("%w: %w", errNotSent, errors.Join(err, missing))
	}
	return err
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

func (l *jetStream) Before(ctx context.Context, partition int, at time.Time) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	offset, err := l.before(ctx, partition, at)
	if err != nil {
		return 0, fmt.Errorf("partition %d before %s: %w", partition, at.Format(time.RFC3339), l.explain(err))
	}
	return offset, nil
}

func (l *jetStream) before(ctx context.Context, partition int, at time.Time) (uint64, error) {
	stream, err := l.stream(ctx, partition)
	if err != nil {
		return 0, err
	}
	if state := stream.CachedInfo().State; state.Msgs == 0 || state.LastTime.Before(at) {
		return state.LastSeq, nil
	}
	consumer, err := l.js.OrderedConsumer(ctx, l.name(partition), jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &at,
		InactiveThreshold: time.Minute, MaxResetAttempts: 1,
	})
	if err != nil {
		return 0, err
	}
	first, err := consumer.Next(jetstream.FetchMaxWait(attemptTime))
	if err != nil {
		return 0, err
	}
	meta, err := first.Metadata()
	if err != nil {
		return 0, err
	}
	return meta.Sequence.Stream - 1, nil
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
	r := &jetReader{
		partition: partition, last: after,
		records: make(chan Record, readAhead), stop: make(chan struct{}),
		open: func(ctx context.Context, after uint64) (messages, error) {
			return l.open(ctx, partition, after)
		},
		end: func(ctx context.Context) (uint64, error) {
			stream, err := l.stream(ctx, partition)
			if err != nil {
				return 0, err
			}
			return stream.CachedInfo().State.LastSeq, nil
		},
		heard: l.heard,
	}
	if err := r.begin(asking); err != nil {
		return nil, fmt.Errorf("read partition %d: %w", partition, err)
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
	open      func(ctx context.Context, after uint64) (messages, error)
	end       func(ctx context.Context) (uint64, error) // the offset of the last record in the log
	heard     func()                                    // is called for each record
	partition int
	last      uint64 // offset of the record that was read last
	records   chan Record
	stop      chan struct{}
	ended     sync.WaitGroup
	err       error // why there are no more records; set before records is closed

	mu       sync.Mutex
	messages messages
}

// messages is what a reader needs of [jetstream.MessagesContext].
type messages interface {
	Next(options ...jetstream.NextOpt) (jetstream.Msg, error)
	Stop()
}

// open reads a partition behind an offset. An ordered consumer has no acknowledgements and no memory
// on the server. When the server on which it lives dies, the client makes another one, behind the
// last record that it got.
func (l *jetStream) open(ctx context.Context, partition int, after uint64) (messages, error) {
	consumer, err := l.js.OrderedConsumer(ctx, l.name(partition), jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1,
		InactiveThreshold: time.Minute,
		// The client asks for the new one by one name, again and again. If the servers
		// have put that on the dead one before they knew, it would ask forever.
		MaxResetAttempts: 1,
	})
	if err != nil {
		l.elsewhere()
		return nil, l.explain(err)
	}
	l.heard()
	all, err := consumer.Messages(jetstream.PullMaxMessages(readAhead),
		jetstream.PullExpiry(4*time.Second), jetstream.PullHeartbeat(time.Second))
	if err != nil {
		return nil, l.explain(err)
	}
	return all, nil
}

// begin reads on behind the last record.
func (r *jetReader) begin(ctx context.Context) error {
	messages, err := r.open(ctx, r.last)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.messages != nil {
		r.messages.Stop()
	}
	r.messages = messages
	select {
	case <-r.stop: // closed meanwhile
		messages.Stop()
	default:
	}
	return nil
}

// silence is after how long without a record the reader asks whether there is one. The client may wait for
// it forever when the leaders change (nats-io/nats.go, issue 2063), and so it may when the servers have
// put its consumer where the partition has not caught up.
const silence = 2 * time.Second

// behind says whether there is a record that does not come, or nobody knows.
func (r *jetReader) behind() bool {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	end, err := r.end(ctx)
	return err != nil || end > r.last
}

// next waits for a record until the reader or the connection is closed. Whatever else ends the
// wait, a consumer of another name begins behind the last record.
func (r *jetReader) next() (jetstream.Msg, error) {
	for {
		r.mu.Lock()
		messages := r.messages
		r.mu.Unlock()
		msg, err := messages.Next(jetstream.NextMaxWait(silence))
		if err == nil || closed(err) {
			return msg, err
		}
		select {
		case <-r.stop:
			return nil, err
		default:
		}
		if errors.Is(err, nats.ErrTimeout) && !r.behind() {
			continue
		}
		wait := pause
		ctx, cancel := context.WithTimeout(context.Background(), askTime)
		if again := r.begin(ctx); closed(again) {
			cancel()
			return nil, again
		} else if again != nil {
			slog.Warn("no record for a while, and the log does not answer",
				"partition", r.partition, "reason", again)
			wait = attemptTime
		}
		cancel()
		select {
		case <-r.stop:
			return nil, err
		case <-time.After(wait):
		}
	}
}

// closed says that the connection was closed, by us: nothing comes any more.
func closed(err error) bool {
	return errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, jetstream.ErrConnectionClosed)
}

// pump moves what arrives into a channel, from which a batch can be taken without waiting.
func (r *jetReader) pump() {
	defer close(r.records)
	for {
		msg, err := r.next()
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
		r.last = record.Offset
		r.heard()
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
	r.mu.Lock()
	r.messages.Stop()
	r.mu.Unlock()
	r.ended.Wait()
}
