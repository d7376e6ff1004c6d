package microservices

import (
	"context"
	"errors"
	"sync"
	"testing"
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
				other := c.charge
				other.AmountCents++
				_, err = payment.Charge(t.Context(), "key", other)
				if !errors.Is(err, ErrKeyReused) {
					t.Errorf("the key for another charge: %v", err)
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
				r, err := slow.Charge(ctx, k, c)
				gone <- err
				return r, err
			})
			c := Charge{OrderID: "o", UserEmail: shop.SampleEmail, AmountCents: 1}
			// Long enough for the charge to be made on a slow machine.
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			_, err := dial(t, transport, serve(t, watched).URL).Charge(ctx, "key", c)
			if !errors.Is(err, context.DeadlineExceeded) {
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
