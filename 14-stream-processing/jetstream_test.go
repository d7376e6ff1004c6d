package streams

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
)

// What a reader was given is still there for the next one, from any place.
func TestLogKeepsWhatWasRead(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for i := range 300 {
		check(t, w.log.Append(ctx, 1, fmt.Sprint(i), fmt.Append(nil, i)))
	}
	for _, from := range []uint64{0, 0, 120, 299} {
		records := w.batch(1, from, 300-int(from))
		for i, r := range records {
			if want := int(from) + i; string(r.Body) != fmt.Sprint(want) || r.Offset != uint64(want)+1 ||
				r.Partition != 1 || time.Since(r.Appended) > time.Hour {
				t.Fatalf("record %d behind %d is %+v", i, from, r)
			}
		}
	}
	ends, err := w.log.Ends(ctx)
	if err != nil || ends[0] != 0 || ends[1] != 300 {
		t.Errorf("ends %v, %v", ends, err)
	}
}

// A producer that does not know whether the first time has arrived says it again, and it is one record.
func TestTheSameIdIsOneRecord(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		check(t, w.log.Append(t.Context(), 0, "id", []byte("x")))
	}
	if ends, err := w.log.Ends(t.Context()); err != nil || ends[0] != 1 {
		t.Errorf("ends %v, %v", ends, err)
	}
}

// Retention: what is too old goes, and a reader that comes too late begins with what is left.
func TestRetention(t *testing.T) {
	w := newWorld(t, func(s *Settings) { s.MaxAge = time.Second })
	ctx := t.Context()
	check(t, w.log.Append(ctx, 0, "old", []byte("old")))
	js := w.log.(*jetStream)
	until(t, "the record to be too old", func() bool {
		stream, err := js.js.Stream(ctx, js.name(0))
		check(t, err)
		return stream.CachedInfo().State.Msgs == 0
	})
	check(t, w.log.Append(ctx, 0, "new", []byte("new")))
	if r := w.batch(0, 0, 1)[0]; string(r.Body) != "new" || r.Offset != 2 {
		t.Errorf("read %+v", r)
	}
}

// A log may be kept short by its size, too: the oldest go.
func TestRetentionBySize(t *testing.T) {
	w := newWorld(t, func(s *Settings) { s.MaxBytes = 10_000 })
	for i := range 20 {
		check(t, w.log.Append(t.Context(), 0, fmt.Sprint(i), make([]byte, 1000)))
	}
	if r := w.batch(0, 0, 1)[0]; r.Offset < 10 || r.Offset > 15 {
		t.Errorf("the oldest record is %d", r.Offset)
	}
}

// Replay from a time: what was appended before is not read, and the sums are those of the rest.
func TestReplayFromATime(t *testing.T) {
	w := newWorld(t, func(s *Settings) { s.PayWithin = time.Minute })
	first, second, third := w.order(0), w.order(1), w.order(2)
	w.append(0, first, second)
	w.pay(0, first.ID, 1)
	w.append(0, third)
	records := w.batch(0, 0, 4)
	for at, want := range map[time.Time]uint64{
		records[0].Appended: 0, records[0].Appended.Add(-time.Hour): 0,
		records[1].Appended: 1, records[3].Appended: 3, records[3].Appended.Add(time.Hour): 4,
	} {
		if got, err := w.log.Before(t.Context(), 0, at); err != nil || got != want {
			t.Errorf("before %s: %d, %v; want %d", at, got, err, want)
		}
	}
	if got, err := w.log.Before(t.Context(), 1, time.Now()); err != nil || got != 0 {
		t.Errorf("a partition without records: %d, %v", got, err)
	}
	c := w.consumer()
	check(t, c.exactlyOnce(t.Context(), w.load(c, 0), records))
	w.settings.Group, w.settings.From = "later", records[1].Appended
	c = w.consumer()
	check(t, c.exactlyOnce(t.Context(), w.load(c, 0), w.batch(0, 1, 3)))
	if n := w.number(`SELECT coalesce(sum(orders), 0) FROM windows
		WHERE shape = $1 AND product = '' AND reader_group = 'later'`, Tumbling); n != 2 {
		t.Errorf("%d orders are in the sums, and 2 came since then", n)
	}
	c = w.consumer()
	if p := w.load(c, 0); p.position != 4 {
		t.Errorf("who reads on begins at %d, and not behind what was read", p.position)
	}
	if book := w.book(); book != (Book{}) {
		t.Errorf("the book says %+v", book)
	}
}

// A log that ends before one's own place has lost something. To wait there would be to wait forever.
func TestALogThatHasLostRecords(t *testing.T) {
	w := newWorld(t)
	check(t, w.log.Append(t.Context(), 0, "one", nil))
	if _, err := w.log.Read(t.Context(), 0, 2); !errors.Is(err, ErrShorter) {
		t.Errorf("error %v, want %v", err, ErrShorter)
	}
}

// A reader ends when it is told to, and with the connection.
func TestReadersEnd(t *testing.T) {
	w := newWorld(t)
	reader, err := w.log.Read(t.Context(), 0, 0)
	check(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := reader.Batch(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	reader.Close()
	if reader, err = w.log.Read(t.Context(), 0, 0); err != nil {
		t.Fatal(err)
	}
	check(t, w.log.Close())
	if _, err := reader.Batch(t.Context(), 1); err == nil {
		t.Error("no error, and no connection")
	}
	reader.Close()
}

// Without servers, an order is refused in the time that was given, for certain and not as unknown.
func TestNoServer(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	s.NATSURL = "nats://127.0.0.1:1"
	log, err := OpenLog(s)
	check(t, err)
	t.Cleanup(func() { check(t, log.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	err = log.Append(ctx, 0, "id", nil)
	if !errors.Is(err, ErrNotAppended) || errors.Is(err, ErrUnknown) ||
		!strings.Contains(err.Error(), "no NATS answers (NATS_URL)") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if err := NewProducer(log, s).Ready(ctx); err == nil {
		t.Error("ready, and there is no server")
	}
}

// What a majority has confirmed outlives the leader, and a reader goes on behind its last record.
func TestLeaderIsKilled(t *testing.T) {
	t.Parallel()
	nodes := servicestest.NATSCluster(t)
	s := DefaultSettings()
	s.NATSURL, s.Partitions, s.Leader = nodes.Env()["NATS_URL"], 1, "nats-2"
	log, err := OpenLog(s)
	check(t, err)
	t.Cleanup(func() { check(t, log.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	js := log.(*jetStream)
	until(t, "a stream", func() bool { _, err := log.Ends(ctx); return err == nil })
	stream, err := js.js.Stream(ctx, js.name(0))
	check(t, err)
	until(t, "the leader that was asked for", func() bool {
		info, err := stream.Info(ctx)
		if err == nil && info.Cluster.Leader != nodes[1].Name {
			js.prefer(ctx, js.name(0)) // a busy machine may have elected another one since
		}
		return err == nil && info.Cluster.Leader == nodes[1].Name
	})
	if info := stream.CachedInfo(); info.Config.Replicas != 3 || len(info.Cluster.Replicas) != 2 {
		t.Fatalf("the stream is %+v, %+v", info.Config, info.Cluster)
	}
	reader, err := log.Read(ctx, 0, 0)
	check(t, err)
	defer reader.Close()
	next := 0
	for i := range 400 {
		if i == 200 {
			leader := stream.CachedInfo().Cluster.Leader
			for _, n := range nodes {
				if n.Name == leader {
					check(t, n.Kill(ctx))
				}
			}
		}
		// Until there is another leader, the log says no. The same id again is the same record.
		until(t, "another leader", func() bool {
			err = log.Append(ctx, 0, fmt.Sprint(i), fmt.Append(nil, i))
			return err == nil
		})
		for next <= i {
			records, err := reader.Batch(ctx, 100)
			check(t, err)
			for _, r := range records {
				if string(r.Body) != fmt.Sprint(next) || r.Offset != uint64(next)+1 {
					t.Fatalf("record %d is %q at %d", next, r.Body, r.Offset)
				}
				next++
			}
		}
	}
}

// A server that takes the record and says nothing: it may have it. Nobody is told yes, and nobody no.
func TestNoAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	s.NATSURL = "nats://" + silent(t)
	log, err := OpenLog(s)
	check(t, err)
	t.Cleanup(func() { check(t, log.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err = log.Append(ctx, 0, "id", []byte("x"))
	if !errors.Is(err, ErrUnknown) || errors.Is(err, ErrNotAppended) {
		t.Errorf("error %v, want %v", err, ErrUnknown)
	}
}

// A server that is cut off from the others answers pings, and nothing else. Its clients go to another.
func TestAServerThatIsCutOffIsLeft(t *testing.T) {
	w := newWorld(t)
	s := w.settings
	other, place, _ := strings.Cut(strings.TrimPrefix(s.NATSURL, "nats://"), "/")
	s.NATSURL = "nats://" + silent(t) + "/" + place + ",nats://" + other
	for s.Name = "a"; PartitionOf(s.Name, 2) != 0; {
		s.Name += "a" // who begins with the first server
	}
	log, err := OpenLog(s)
	check(t, err)
	t.Cleanup(func() { check(t, log.Close()) })
	js := log.(*jetStream)
	js.patience = attemptTime
	if at := js.conn.ConnectedAddr(); at == other {
		t.Fatalf("connected to %s at first", at)
	}
	until(t, "another server", func() bool { return log.Append(t.Context(), 0, "id", []byte("x")) == nil })
	if ends, err := log.Ends(t.Context()); err != nil || ends[0] != 1 {
		t.Errorf("ends %v, %v", ends, err)
	}
}

// silent is a server that answers pings and nothing else.
func silent(t *testing.T) (address string) { return fakeServer(t, func(int) string { return "" }) }

// fakeServer answers pings, and what is published with what says, which is told the how manieth it is.
func fakeServer(t *testing.T, says func(n int) string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveFake(conn, says)
		}
	}()
	return l.Addr().String()
}

// serveFake speaks as much of the client protocol as that takes (docs.nats.io, "Client Protocol").
func serveFake(conn net.Conn, says func(n int) string) {
	defer conn.Close()
	fmt.Fprint(conn, "INFO {\"version\":\"2.15.3\",\"headers\":true,\"max_payload\":1048576}\r\n")
	published, inbox := 0, "" // the number of the client's subscription to its answers
	for in := bufio.NewReader(conn); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch words := strings.Fields(line); {
		case len(words) == 1 && words[0] == "PING":
			fmt.Fprint(conn, "PONG\r\n")
		case len(words) > 2 && words[0] == "SUB":
			inbox = words[len(words)-1]
		case len(words) == 5 && words[0] == "HPUB":
			size, err := strconv.Atoi(words[4])
			if err != nil {
				return
			}
			if _, err := in.Discard(size + 2); err != nil {
				return
			}
			published++
			if answer := says(published); answer != "" {
				fmt.Fprintf(conn, "MSG %s %s %d\r\n%s\r\n", words[2], inbox, len(answer), answer)
			}
		}
	}
}

// An attempt whose answer was lost may still be in process when the next one comes. That is no refusal: in
// the end the log has the record.
func TestAnAttemptInProcessIsWaitedFor(t *testing.T) {
	t.Parallel()
	const conflict = `{"error":{"code":409,"err_code":10158,"description":"duplicate message id is in process"}}`
	for name, tt := range map[string]struct {
		first string
		want  error
	}{
		"in process": {conflict, nil},
		"too large":  {strings.Replace(conflict, "10158", "10054", 1), ErrNotAppended},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := DefaultSettings()
			s.NATSURL = "nats://" + fakeServer(t, func(n int) string {
				if n < 3 {
					return tt.first
				}
				return `{"stream":"orders-0","seq":1}`
			})
			log, err := OpenLog(s)
			check(t, err)
			t.Cleanup(func() { check(t, log.Close()) })
			if err := log.Append(t.Context(), 0, "id", []byte("x")); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

// A caller without patience of its own gets an answer all the same.
func TestAppendEndsInBoundedTime(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	s.NATSURL = "nats://127.0.0.1:1"
	log, err := OpenLog(s)
	check(t, err)
	t.Cleanup(func() { check(t, log.Close()) })
	order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
	check(t, err)
	began := time.Now()
	err = NewProducer(log, s).Place(t.Context(), order) // without a limit of the caller's
	if !errors.Is(err, ErrNotAppended) || time.Since(began) > 2*answerTime {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}
