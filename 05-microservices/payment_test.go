package microservices

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
	"google.golang.org/grpc/codes"
)

var transports = []string{"http", "grpc"}

// Everything a charge can come to, through either protocol: the caller learns the
// same.
func TestChargeOverBothProtocols(t *testing.T) {
	t.Parallel()
	good := Charge{OrderID: "o", UserEmail: shop.SampleEmail, AmountCents: 4499}
	cases := []struct {
		name   string
		charge Charge
		change func(*Settings)
		want   error
	}{
		{"charged", good, nil, nil},
		{"declined", Charge{"o", "x@" + shop.BounceDomain, 1}, nil, ErrDeclined},
		{"no order", Charge{"", "x@example.com", 1}, nil, ErrInvalid},
		{"nobody's", Charge{"o", "", 1}, nil, ErrInvalid},
		{"less than nothing", Charge{"o", "x@example.com", -1}, nil, ErrInvalid},
		{"told to fail", good, func(s *Settings) { s.Fail = 1 }, ErrUnavailable},
	}
	for _, transport := range transports {
		for _, c := range cases {
			t.Run(transport+" "+c.name, func(t *testing.T) {
				t.Parallel()
				s := quick(t)
				if c.change != nil {
					c.change(&s)
				}
				payment := dial(t, transport, serve(t, newPayment(t, s)).URL)
				r, err := payment.Charge(t.Context(), "key", c.charge)
				if !errors.Is(err, c.want) {
					t.Fatalf("got %v, want %v", err, c.want)
				}
				if c.want != nil {
					return
				}
				if r.ID == "" || r.OrderID != "o" || r.AmountCents != 4499 || r.Repeated ||
					time.Since(r.ChargedAt) > time.Minute {
					t.Errorf("receipt %+v", r)
				}
				again, err := payment.Charge(t.Context(), "key", c.charge)
				if err != nil || again.ID != r.ID || !again.Repeated {
					t.Errorf("again: %+v, %v", again, err)
				}
				for _, other := range []Charge{
					{"o", shop.SampleEmail, 4500}, {"another", shop.SampleEmail, 4499},
				} {
					_, err = payment.Charge(t.Context(), "key", other)
					if !errors.Is(err, ErrKeyReused) {
						t.Errorf("the key for another charge, %+v: %v", other, err)
					}
				}
			})
		}
	}
}

// Repeats that come at the same time, through two replicas, are one charge.
func TestRepeatsAtTheSameTime(t *testing.T) {
	t.Parallel()
	s := quick(t)
	s.Work = 20 * time.Millisecond
	replicas := []*Payment{newPayment(t, s), newPayment(t, s)}
	var receipts tally
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			r, err := replicas[i%2].Charge(t.Context(), "key",
				Charge{OrderID: "o", UserEmail: shop.SampleEmail, AmountCents: 1})
			if err != nil {
				t.Error(err)
			}
			receipts.add(r.ID)
		})
	}
	group.Wait()
	if len(receipts.taken) != 1 {
		t.Errorf("%d receipts for one key", len(receipts.taken))
	}
}

// patience is a deadline that passes when the test wants.
type patience struct {
	context.Context
	over chan struct{}
}

func (p patience) Deadline() (time.Time, bool) { return time.Now().Add(time.Hour), true }
func (p patience) Done() <-chan struct{}       { return p.over }
func (p patience) Err() error {
	select {
	case <-p.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// The caller's deadline ends the wait on both sides; the charge that was begun is
// made, and the repeat finds it.
func TestDeadlineAfterTheCharge(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := quick(t)
			s.Slow = time.Hour
			slow := newPayment(t, s)
			gone := make(chan error, 1)
			watched := chargerFunc(func(ctx context.Context, k string, c Charge) (Receipt, error) {
				// HTTP has no word for a deadline, gRPC sends it along.
				if _, told := ctx.Deadline(); told != (transport == "grpc") {
					t.Errorf("payment was told a deadline: %t", told)
				}
				r, err := slow.Charge(ctx, k, c)
				gone <- err
				return r, err
			})
			c := Charge{OrderID: "o", UserEmail: shop.SampleEmail, AmountCents: 1}
			payment := dial(t, transport, serve(t, watched).URL)
			ctx := patience{t.Context(), make(chan struct{})}
			answered := make(chan error, 1)
			go func() {
				_, err := payment.Charge(ctx, "key", c)
				answered <- err
			}()
			eventually(t, "the charge is made", func() bool {
				_, found, err := slow.book.Find("key")
				return found && err == nil
			})
			close(ctx.over)
			if err := <-answered; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the caller got %v", err)
			}
			if err := <-gone; err == nil {
				t.Error("payment waited on for a caller who has gone")
			}
			s.Slow = 0
			r, err := newPayment(t, s).Charge(t.Context(), "key", c)
			if err != nil || !r.Repeated {
				t.Errorf("the repeat: %+v, %v", r, err)
			}
		})
	}
}

// A repeat that comes while the first is under way waits for it: the work is done
// once. Not parallel: the logger is everybody's.
func TestRepeatsDoTheWorkOnce(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	synctest.Test(t, func(t *testing.T) {
		s := quick(t)
		s.Work = time.Second
		p := newPayment(t, s)
		c := Charge{OrderID: "o", UserEmail: shop.SampleEmail, AmountCents: 1}
		begun := time.Now()
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() {
				if _, err := p.Charge(t.Context(), "key", c); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if took := time.Since(begun); took != s.Work {
			t.Errorf("five at the same time took %v", took)
		}
		if strings.Contains(log.String(), shop.MsgSkipped) {
			t.Errorf("a repeat has worked beside the first:\n%s", &log)
		}
		// One that comes later finds the charge in the book, before any work.
		begun = time.Now()
		if r, err := p.Charge(t.Context(), "key", c); err != nil || !r.Repeated {
			t.Errorf("a later repeat: %+v, %v", r, err)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("a later repeat worked for %v", took)
		}
		if n := strings.Count(log.String(), shop.MsgProcessed); n != 1 {
			t.Errorf("processed %d times:\n%s", n, &log)
		}
	})
}

// The first caller hangs up in the middle of the work. Whoever repeats the charge
// meanwhile gets the receipt all the same.
func TestFirstCallerLeavesTheOthersStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := quick(t)
		s.Work = time.Second
		p := newPayment(t, s)
		c := Charge{OrderID: "o", UserEmail: shop.SampleEmail, AmountCents: 1}
		ctx, hangUp := context.WithCancel(t.Context())
		var first sync.WaitGroup
		first.Go(func() { _, _ = p.Charge(ctx, "key", c) }) // nobody hears its answer
		synctest.Wait()
		time.AfterFunc(s.Work/2, hangUp)
		if r, err := p.Charge(t.Context(), "key", c); err != nil || r.ID == "" {
			t.Errorf("the one who stayed got %+v, %v", r, err)
		}
		first.Wait()
		if _, found, err := p.book.Find("key"); !found || err != nil {
			t.Errorf("what was begun is not in the book: %v", err)
		}
	})
}

// So many charges at a time and no more; who is done makes room for the next.
func TestWorkersAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := quick(t)
		s.Work, s.Workers = time.Second, 2
		p := newPayment(t, s)
		begun := time.Now()
		var group sync.WaitGroup
		for i := range 6 {
			group.Go(func() {
				_, err := p.Charge(t.Context(), fmt.Sprint("key-", i),
					Charge{OrderID: fmt.Sprint(i), UserEmail: shop.SampleEmail})
				if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if took := time.Since(begun); took != 3*s.Work {
			t.Errorf("six charges, two at a time, took %v", took)
		}
	})
}

// A charge that cannot be entered is none, and one that cannot be read is not made
// again.
func TestPaymentWithoutItsBookChargesNobody(t *testing.T) {
	t.Parallel()
	c := Charge{OrderID: "o", UserEmail: shop.SampleEmail}
	s := quick(t)
	p := newPayment(t, s)
	if err := os.WriteFile(p.book.page("key"), []byte("half a rec"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := p.Charge(t.Context(), "key", c); err == nil {
		t.Errorf("a page that nobody can read: %+v", r)
	}
	if err := os.RemoveAll(s.Book); err != nil {
		t.Fatal(err)
	}
	if r, err := p.Charge(t.Context(), "other", c); err == nil {
		t.Errorf("a book that is gone: %+v", r)
	}
}

// A charge without a key is like no other, and made.
func TestChargesWithoutAKeyAreAllMade(t *testing.T) {
	t.Parallel()
	p := newPayment(t, quick(t))
	for range 2 {
		r, err := p.Charge(t.Context(), "", Charge{OrderID: "o", UserEmail: shop.SampleEmail})
		if err != nil || r.ID == "" || r.Repeated {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

// A caller who has gone is not waited with.
func TestSlowAnswerIsHeldBackForNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := quick(t)
		s.Slow = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		_, err := newPayment(t, s).Charge(ctx, "key", Charge{OrderID: "o", UserEmail: "a@b.c"})
		if took := time.Since(begun); err == nil || took != time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// What arrives when its caller has gone is not begun.
func TestNobodyWaitsAnyMore(t *testing.T) {
	t.Parallel()
	s := quick(t)
	s.Workers = 1
	p := newPayment(t, s)
	if err := p.workers.Acquire(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := Charge{OrderID: "o", UserEmail: shop.SampleEmail}
	if _, err := p.Charge(ctx, "key", c); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, found, err := p.book.Find("key"); found || err != nil {
		t.Errorf("charged: %v, %v", found, err)
	}
}

// What payment says over HTTP besides its answer.
func TestPaymentOverHTTP(t *testing.T) {
	t.Parallel()
	s := quick(t)
	well := serve(t, newPayment(t, s)).URL
	s.Fail = 1
	ill := serve(t, newPayment(t, s)).URL
	const good = `{"order_id":"o","user_email":"a@example.com","amount_cents":1}`
	for _, c := range []struct {
		url, body, header, want string
		status                  int
	}{
		{well, good, "Idempotent-Replayed", "false", http.StatusOK},
		{well, good, "Idempotent-Replayed", "true", http.StatusOK},
		{ill, good, "Retry-After", "1", http.StatusServiceUnavailable},
		{well, `{"order_id":"o","amount":1}`, "Retry-After", "", http.StatusBadRequest},
		{well, `{"order_id":"` + strings.Repeat("o", maxCharge) + `"}`, "Retry-After", "",
			http.StatusBadRequest},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url+"/charges",
			strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(keyHeader, "key")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if got := resp.Header.Get(c.header); resp.StatusCode != c.status || got != c.want {
			t.Errorf("%.40s: %s, %s is %q, want %d and %q",
				c.body, resp.Status, c.header, got, c.status, c.want)
		}
	}
}

// An answer that is no receipt leaves open whether there is a charge.
func TestAnswerThatIsNoReceipt(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := w.Write([]byte("<html>welcome to the hotel's network")); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	_, err := dial(t, "http", server.URL).Charge(t.Context(), "key", Charge{OrderID: "o"})
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// Nobody is there: the same error through both protocols.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		server := serve(t, chargerFunc(hanging))
		server.Close()
		_, err := dial(t, transport, server.URL).Charge(t.Context(), "k", Charge{})
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", transport, err)
		}
	}
}

// Every outcome comes back as what it was.
func TestStatusThereAndBack(t *testing.T) {
	t.Parallel()
	for _, o := range outcomes {
		err := fromHTTP(outcomeOf(o.err).http, "why")
		if !errors.Is(err, o.err) || err.Error() != "why" {
			t.Errorf("%v came back by HTTP as %v", o.err, err)
		}
		if err := fromGRPC(outcomeOf(o.err).grpc, "why"); !errors.Is(err, o.err) {
			t.Errorf("%v came back by gRPC as %v", o.err, err)
		}
	}
	odd := errors.New("disk full")
	if o := outcomeOf(odd); o.http != 500 || o.grpc != codes.Internal {
		t.Errorf("an error of no kind: %+v", o)
	}
	if err := fromHTTP(500, "disk full"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("500: %v", err)
	}
	if err := fromGRPC(codes.Internal, "disk full"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("internal: %v", err)
	}
}
