package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"course.example/shop"
)

// Protocol is a way to the broker, with its modes of acknowledgement.
type Protocol struct {
	Name string
	// Delivery is who decides when an order comes.
	Delivery string
	// Groups says that readers of a group share the orders. Where there are none, each reader is one.
	Groups  bool
	Senders []SenderMode // the safest one last
	Readers []ReaderMode // the safest one last
	// Tidy takes back what the broker would keep for long; nil where there is nothing.
	Tidy func(context.Context) error
}

// SenderMode says what a sender waits for.
type SenderMode struct {
	Name string
	Open func(ctx context.Context, w *Wire, place string) (Sender, error)
}

// ReaderMode says when a reader's order counts as done.
type ReaderMode struct {
	Name string
	// Open returns when the group gets what is sent to the place from now on.
	Open func(ctx context.Context, w *Wire, place, group string) (Reader, error)
}

// Sender is a client that sends. It is for one goroutine.
type Sender interface {
	// Send returns when the mode has nothing to wait for any more: at once, or when the broker has
	// answered for all of them. A broken line is no error: it connects again, and sends again what has no
	// answer, if its mode has answers.
	Send(ctx context.Context, orders ...Order) error
	Close()
}

// Reader is a client that receives. It is for one goroutine.
type Reader interface {
	Next(ctx context.Context) (Delivery, error)
	// Done tells the broker that the work for these is done, where the mode leaves that to the reader,
	// and returns when the broker knows.
	Done(ctx context.Context, all ...Delivery) error
	Close()
}

// Order is what travels.
type Order struct {
	ID, Customer string
	Body         []byte
}

// Delivery is an order that has arrived, and what the protocol needs to acknowledge it.
type Delivery struct {
	ID  string
	raw any
}

// NewOrders returns orders of the same size, of so many customers in turn.
func NewOrders(n, customers int) ([]Order, error) {
	all := make([]Order, n)
	for i := range all {
		email := fmt.Sprintf("customer-%02d@example.com", i%customers)
		order, err := shop.NewOrder(email, shop.SampleItems()...)
		if err != nil {
			return nil, err
		}
		order.PlacedAt = order.PlacedAt.Truncate(time.Second) // its text always has the same length
		body, err := json.Marshal(order)
		if err != nil {
			return nil, fmt.Errorf("order %s: %w", order.ID, err)
		}
		all[i] = Order{ID: order.ID, Customer: email, Body: body}
	}
	return all, nil
}

func delivered(body []byte, raw any) (Delivery, error) {
	var order shop.Order
	if err := json.Unmarshal(body, &order); err != nil {
		return Delivery{}, fmt.Errorf("what arrived is no order: %w", err)
	}
	return Delivery{ID: order.ID, raw: raw}, nil
}

// Fate is what became of orders.
type Fate struct{ Lost, Doubled int }

// fate compares what was sent with what was worked off.
func fate(sent []Order, worked map[string]int) (f Fate) {
	for _, order := range sent {
		f.Lost += max(0, 1-worked[order.ID])
		f.Doubled += max(0, worked[order.ID]-1)
	}
	return f
}

// readUntil works orders off until a certain one comes, and returns the others in their order.
func readUntil(ctx context.Context, r Reader, last Order) (ids []string, err error) {
	for {
		d, err := r.Next(ctx)
		if err == nil {
			err = r.Done(ctx, d)
		}
		if err != nil {
			return ids, fmt.Errorf("after %d orders: %w", len(ids), err)
		}
		if d.ID == last.ID {
			return ids, nil
		}
		ids = append(ids, d.ID)
	}
}

// newPlace is a name that nobody else uses: of a topic, or of a routing key.
func newPlace() string { return "orders-" + strings.ToLower(rand.Text()[:10]) }

const (
	few  = 10  // orders at a time
	many = 100 // orders, where their number is the point
)

// Size is what an order costs on the wire, in bytes of TCP payload.
type Size struct {
	Body        int
	Connect     int // both ways, the first order included
	AloneOut    int // of an order that is sent alone
	AloneIn     int // of its answer
	TogetherOut int // of one of many that are sent together
}

// MeasureSize counts.
func MeasureSize(ctx context.Context, p Protocol, m SenderMode, place string) (s Size, err error) {
	orders, err := NewOrders(1+few+many, 1)
	if err != nil {
		return s, err
	}
	w := NewWire()
	reader, err := p.Readers[len(p.Readers)-1].Open(ctx, NewWire(), place, "size")
	if err != nil {
		return s, err
	}
	defer reader.Close()
	sender, err := m.Open(ctx, w, place)
	if err != nil {
		return s, err
	}
	defer sender.Close()
	s.Body = len(orders[0].Body)
	out, in := 0, 0
	since := func(send ...[]Order) (int, int) {
		for _, some := range send {
			err = errors.Join(err, sender.Send(ctx, some...))
		}
		wasOut, wasIn := out, in
		out, in = w.Bytes()
		return out - wasOut, in - wasIn
	}
	first, answer := since(orders[:1])
	s.Connect = first + answer
	first, answer = since(slices.Collect(slices.Chunk(orders[1:1+few], 1))...)
	s.AloneOut, s.AloneIn = first/few, answer/few
	first, _ = since(orders[1+few:])
	s.TogetherOut = first / many
	if err != nil {
		return s, err
	}
	_, err = readUntil(ctx, reader, orders[len(orders)-1])
	return s, err
}

// BreakSender lets the line of a sender break under ten of thirty orders: on their way out they are lost
// before the broker has them, on the way in it has them, and its answers are lost.
func BreakSender(
	ctx context.Context, p Protocol, m SenderMode, place string, way Direction,
) (f Fate, err error) {
	orders, err := NewOrders(3*few, 1)
	if err != nil {
		return f, err
	}
	reader, err := p.Readers[len(p.Readers)-1].Open(ctx, NewWire(), place, "sender")
	if err != nil {
		return f, err
	}
	defer reader.Close()
	w := NewWire()
	sender, err := m.Open(ctx, w, place)
	if err != nil {
		return f, err
	}
	defer sender.Close()
	worked := map[string]int{}
	read := func(last Order) error {
		ids, err := readUntil(ctx, reader, last)
		for _, id := range append(ids, last.ID) {
			worked[id]++
		}
		return err
	}
	before, during, after := orders[:few], orders[few:2*few], orders[2*few:]
	if err := sender.Send(ctx, before...); err != nil {
		return f, err
	}
	if err := read(before[few-1]); err != nil {
		return f, err
	}
	w.Cut(way)
	sent := make(chan error, 1)
	go func() { sent <- sender.Send(ctx, during...) }()
	if way == Out {
		err = w.AwaitLost(ctx, Out, few*len(during[0].Body))
	} else {
		err = read(during[few-1])
	}
	w.Mend()
	if err := errors.Join(err, <-sent); err != nil {
		return f, err
	}
	if err := sender.Send(ctx, after...); err != nil {
		return f, err
	}
	err = read(after[few-1])
	return fate(orders, worked), err
}

// KillReader lets a reader die that has ten orders in progress, has worked off four, and has said so of three,
// where its mode lets it. Another one of its group takes over.
func KillReader(ctx context.Context, p Protocol, m ReaderMode, place string) (f Fate, err error) {
	orders, err := NewOrders(few+1, 1)
	if err != nil {
		return f, err
	}
	w, worked := NewWire(), map[string]int{}
	reader, err := m.Open(ctx, w, place, "readers")
	if err != nil {
		return f, err
	}
	sender, err := p.Senders[len(p.Senders)-1].Open(ctx, NewWire(), place)
	if err != nil {
		reader.Close()
		return f, err
	}
	defer sender.Close()
	err = sender.Send(ctx, orders[:few]...)
	var hand []Delivery
	for err == nil && len(hand) < few {
		var d Delivery
		d, err = reader.Next(ctx)
		hand = append(hand, d)
	}
	if err == nil {
		err = reader.Done(ctx, hand[:3]...)
	}
	w.Cut(Out, In)
	w.Mend()
	reader.Close()
	if err != nil {
		return f, err
	}
	for _, d := range hand[:4] {
		worked[d.ID]++
	}
	next, err := m.Open(ctx, NewWire(), place, "readers")
	if err != nil {
		return f, err
	}
	defer next.Close()
	if err := sender.Send(ctx, orders[few]); err != nil {
		return f, err
	}
	ids, err := readUntil(ctx, next, orders[few])
	for _, id := range ids {
		worked[id]++
	}
	return fate(orders[:few], worked), err
}

// Traits are what a protocol does with orders that are read as they should be.
type Traits struct {
	Ordered  bool   // a customer's orders come in the order in which they were sent
	Replayed int    // of a hundred orders that were read, those that a new group gets
	Shared   [2]int // of a hundred orders, those that each of two readers gets
}

// MeasureTraits sends a hundred orders and reads them in several ways.
func MeasureTraits(ctx context.Context, p Protocol, place string) (t Traits, err error) {
	orders, err := NewOrders(many+1, 1)
	if err != nil {
		return t, err
	}
	mode := p.Readers[len(p.Readers)-1]
	reader, err := mode.Open(ctx, NewWire(), place, "one")
	if err != nil {
		return t, err
	}
	defer reader.Close()
	sender, err := p.Senders[len(p.Senders)-1].Open(ctx, NewWire(), place)
	if err != nil {
		return t, err
	}
	defer sender.Close()
	if err := sender.Send(ctx, orders[:many]...); err != nil {
		return t, err
	}
	ids, err := readUntil(ctx, reader, orders[many-1])
	if err != nil {
		return t, err
	}
	t.Ordered = slices.EqualFunc(append(ids, orders[many-1].ID), orders[:many],
		func(id string, o Order) bool { return id == o.ID })
	late, err := mode.Open(ctx, NewWire(), place, "two")
	if err != nil {
		return t, err
	}
	defer late.Close()
	if err := sender.Send(ctx, orders[many]); err != nil {
		return t, err
	}
	ids, err = readUntil(ctx, late, orders[many])
	t.Replayed = len(ids)
	if err != nil {
		return t, err
	}
	t.Shared, err = share(ctx, p, sender, place)
	return t, err
}

// share lets two readers of a group read what is sent while they are there.
func share(ctx context.Context, p Protocol, s Sender, place string) (got [2]int, err error) {
	orders, err := NewOrders(many, 20)
	if err != nil {
		return got, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	type arrival struct {
		reader int
		id     string
		err    error
	}
	arrivals := make(chan arrival, 4*many)
	mode, groups := p.Readers[len(p.Readers)-1], []string{"three", "three"}
	if !p.Groups {
		groups[1] = "four"
	}
	for i, group := range groups {
		reader, err := mode.Open(ctx, NewWire(), place, group)
		if err != nil {
			return got, err
		}
		readers.Go(func() {
			defer reader.Close()
			for ctx.Err() == nil {
				d, err := reader.Next(ctx)
				if err == nil {
					err = reader.Done(ctx, d)
				}
				select {
				case arrivals <- arrival{i, d.ID, err}:
				case <-ctx.Done():
				}
			}
		})
	}
	if err := s.Send(ctx, orders...); err != nil {
		return got, err
	}
	missing := map[string]int{} // how many readers are still to get it
	for _, order := range orders {
		missing[order.ID] = 2
		if p.Groups {
			missing[order.ID] = 1
		}
	}
	for len(missing) > 0 {
		a := <-arrivals // which have an error when ctx ends
		if a.err != nil {
			return got, a.err
		}
		n, ours := missing[a.id]
		if !ours {
			continue // of those before, which a log keeps
		}
		got[a.reader]++
		if missing[a.id] = n - 1; n == 1 {
			delete(missing, a.id)
		}
	}
	return got, nil
}
