package eventsourcing

import (
	"reflect"
	"testing"
)

// A snapshot is a cache: with it, without it and with one that another fold has made, the
// order is the same.
func TestASnapshotIsWhatTheEventsAddUpTo(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	s.Snapshot = 10
	p := NewProducer(pool, s)
	id := place(t, p, 1)[0]
	for range 45 {
		execute(t, p, id, AddItems{oneMug})
	}
	s.Snapshot = 0
	want, wantEnd, all, err := NewProducer(pool, s).current(t.Context(), id)
	if err != nil || len(all) != 46 {
		t.Fatalf("%d events, %v", len(all), err)
	}
	got, end, read, err := p.current(t.Context(), id)
	if err != nil || len(read) >= 10 || !reflect.DeepEqual(got, want) ||
		!reflect.DeepEqual(end, wantEnd) {
		t.Errorf("with a snapshot and %d events: %+v %+v, %v; want %+v %+v", len(read), got, end,
			err, want, wantEnd)
	}
	exec(t, pool, `UPDATE snapshots SET fold = 0, state = '{"items": []}'`)
	got, _, read, err = p.current(t.Context(), id)
	if err != nil || len(read) != 46 || !reflect.DeepEqual(got, want) {
		t.Errorf("with a snapshot of another fold and %d events: %+v, %v", len(read), got, err)
	}
	got, _, read, err = p.current(t.Context(), id)
	if err != nil || len(read) != 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("with a new one and %d events: %+v, %v", len(read), got, err)
	}
}

// A command that a snapshot has already still gets its first answer.
func TestACommandThatASnapshotHasIsNotRefused(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	s.Snapshot = 1
	p := NewProducer(pool, s)
	id := place(t, p, 1)[0]
	cancel := ask(t, id, CancelOrder{"no"})
	first, err := p.Execute(t.Context(), cancel)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := p.current(t.Context(), id); err != nil { // writes a snapshot of it
		t.Fatal(err)
	}
	again, err := p.Execute(t.Context(), cancel)
	if err != nil || again.Place != first.Place || !again.Repeated {
		t.Errorf("%+v, %v; want %+v", again, err, first)
	}
	if _, err := p.Execute(t.Context(), ask(t, id, CancelOrder{"no"})); err != ErrCancelled {
		t.Errorf("another one: %v", err)
	}
}
