package streams

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// stalled delivers some records, and then nothing forever, as a consumer does that its server has
// forgotten.
type stalled struct {
	offsets []uint64
	gives   error // instead of nothing forever
	stopped chan struct{}
}

func stalledAfter(offsets ...uint64) *stalled {
	return &stalled{offsets, nil, make(chan struct{})}
}

func (s *stalled) Next(options ...jetstream.NextOpt) (jetstream.Msg, error) {
	if len(s.offsets) > 0 {
		next := s.offsets[0]
		s.offsets = s.offsets[1:]
		return offsetMsg{offset: next}, nil
	}
	if s.gives != nil {
		return nil, s.gives
	}
	var over <-chan time.Time
	if len(options) > 0 { // the only one is how long to wait
		over = time.After(silence)
	}
	select {
	case <-over:
		return nil, nats.ErrTimeout
	case <-s.stopped:
		return nil, jetstream.ErrMsgIteratorClosed
	}
}

func (s *stalled) Stop() { close(s.stopped) }

type offsetMsg struct {
	jetstream.Msg
	offset uint64
}

func (m offsetMsg) Data() []byte { return nil }

func (m offsetMsg) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{Sequence: jetstream.SequencePair{Stream: m.offset}}, nil
}

// The client may wait forever for records that are there. The reader asks anew behind the last one, again
// and again while the log does not answer.
func TestAStalledReaderBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened []uint64
		first, second, last := stalledAfter(8, 9), stalledAfter(), stalledAfter(10)
		second.gives = errors.New("no new consumer of that name")
		r := &jetReader{
			heard: func() {}, end: func(context.Context) (uint64, error) { return 10, nil },
			last: 7, records: make(chan Record, readAhead), stop: make(chan struct{}),
			open: func(_ context.Context, after uint64) (messages, error) {
				opened = append(opened, after)
				switch len(opened) {
				case 1:
					return first, nil
				case 2:
					return nil, errors.New("there is no leader")
				case 3:
					return second, nil
				}
				return last, nil
			},
		}
		check(t, r.begin(t.Context()))
		r.ended.Go(r.pump)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var offsets []uint64
		for len(offsets) < 3 {
			batch, err := r.Batch(ctx, 1)
			check(t, err)
			for _, record := range batch {
				offsets = append(offsets, record.Offset)
			}
		}
		if took, want := time.Since(began), 2*silence+attemptTime+2*pause; took != want {
			t.Errorf("it took %s, want %s", took, want)
		}
		r.Close()
		if !slices.Equal(offsets, []uint64{8, 9, 10}) || !slices.Equal(opened, []uint64{7, 9, 9, 9}) {
			t.Errorf("records %v, begun behind %v", offsets, opened)
		}
		for _, s := range []*stalled{first, second, last} {
			select {
			case <-s.stopped:
			default:
				t.Error("a consumer that was given up goes on")
			}
		}
	})
}

// Who is at the end waits: there is no reason to begin anew. When the log has grown and nothing comes, there is.
func TestAReaderAtTheEndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened []uint64
		asked, readers := 0, []*stalled{stalledAfter(), stalledAfter(8)}
		r := &jetReader{
			last: 7, records: make(chan Record, readAhead), stop: make(chan struct{}), heard: func() {},
			open: func(_ context.Context, after uint64) (messages, error) {
				opened = append(opened, after)
				return readers[len(opened)-1], nil
			},
			end: func(context.Context) (uint64, error) {
				if asked++; asked < 5 {
					return 7, nil
				}
				return 8, nil
			},
		}
		check(t, r.begin(t.Context()))
		r.ended.Go(r.pump)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		batch, err := r.Batch(ctx, 1)
		check(t, err)
		if took, want := time.Since(began), 5*silence+pause; took != want || batch[0].Offset != 8 {
			t.Errorf("record %d after %s, want 8 after %s", batch[0].Offset, took, want)
		}
		r.Close()
		if !slices.Equal(opened, []uint64{7, 7}) {
			t.Errorf("begun behind %v", opened)
		}
	})
}
