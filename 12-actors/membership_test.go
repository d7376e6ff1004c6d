package actors

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"course.example/12-actors/dashboard"
)

func contains(err error, text string) bool {
	return err != nil && strings.Contains(err.Error(), text)
}

func member(name string) Member { return Member{ID: "id-of-" + name, Name: name} }

// visits makes one visit that must succeed, and returns who is there.
func visits(t *testing.T, table *Table, what string, m Member) []string {
	t.Helper()
	list, err := table.visit(t.Context(), what, Report{Me: m})
	if err != nil {
		t.Fatalf("%s %s: %v", what, m.Name, err)
	}
	return names(list.Members)
}

// formed gives a table its age: for the time of a lease, nobody is missed.
func formed(t *testing.T, table *Table) *Table {
	t.Helper()
	for _, key := range []string{keyBorn, keyPulse} {
		if err := table.client.Set(t.Context(), key, 1, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	return table
}

func names(members []Member) []string {
	all := []string{}
	for _, m := range members {
		all = append(all, m.Name)
	}
	slices.Sort(all)
	return all
}

func TestMembersFindEachOther(t *testing.T) {
	t.Parallel()
	table := formed(t, NewTable(redisClient(t), time.Minute))
	want := func(got []string, names ...string) {
		t.Helper()
		if !slices.Equal(got, names) {
			t.Errorf("got %q, want %q", got, names)
		}
	}
	a, b := member("a"), member("b")
	want(visits(t, table, look, Member{}))
	want(visits(t, table, join, a), "a")
	want(visits(t, table, join, b), "a", "b")
	want(visits(t, table, renew, a), "a", "b")
	want(visits(t, table, leave, a), "b")
	want(visits(t, table, look, Member{}), "b")
	if _, err := table.visit(t.Context(), renew, Report{Me: a}); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("who has left renews: %v", err)
	}
}

// until looks again and again until it is so.
func until(t *testing.T, so func() bool) {
	t.Helper()
	eventually(t, func() error {
		if !so() {
			return errors.New("it did not happen")
		}
		return nil
	})
}

// eventually tries until there is no error.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), aLongTime)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for err := try(); err != nil; err = try() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

// A silo that was paused: the others bury it, and it learns so at its next visit.
func TestLeaseRunsOut(t *testing.T) {
	t.Parallel()
	table := formed(t, NewTable(redisClient(t), 300*time.Millisecond))
	paused, other := member("paused"), member("other")
	visits(t, table, join, paused)
	visits(t, table, join, other)
	until(t, func() bool {
		return !slices.Contains(visits(t, table, renew, other), "paused")
	})
	list, err := table.visit(t.Context(), renew, Report{Me: paused})
	if !errors.Is(err, ErrLeaseLost) || !slices.Equal(names(list.Members), []string{"other"}) {
		t.Errorf("the paused silo renews: %q, %v", names(list.Members), err)
	}
	log, err := table.Log(t.Context(), 10)
	if err != nil || len(log) != 1 || log[0].Event != "silo gone" || log[0].Silo != "paused" {
		t.Errorf("the log says %+v, %v", log, err)
	}
	// It may come back as somebody else.
	paused.ID = "another life"
	visits(t, table, join, paused)
}

// One renewal that fails, or two, mean nothing.
func TestMissedRenewals(t *testing.T) {
	t.Parallel()
	table := formed(t, NewTable(redisClient(t), time.Minute))
	late, other := member("late"), member("other")
	visits(t, table, join, late)
	visits(t, table, join, other)
	failing, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		if _, err := table.visit(failing, renew, Report{Me: late}); err == nil {
			t.Fatal("the visit did not fail")
		}
		if got := visits(t, table, renew, other); !slices.Contains(got, "late") {
			t.Fatalf("%q: banned after a visit that failed", got)
		}
	}
	visits(t, table, renew, late)
}

// Redis was away for longer than a lease: nobody could renew, nobody is to blame.
func TestNobodyCouldRenew(t *testing.T) {
	t.Parallel()
	client := redisClient(t)
	table := NewTable(client, 300*time.Millisecond)
	a, b := member("a"), member("b")
	visits(t, table, join, a)
	visits(t, table, join, b)
	until(t, func() bool { // the time of Redis, with nobody at the table
		now, err := client.Time(t.Context()).Result()
		ends, errB := client.ZScore(t.Context(), keyLeases, b.ID).Result()
		if err != nil || errB != nil {
			t.Fatal(err, errB)
		}
		return float64(now.UnixMilli()) > ends+100
	})
	if got := visits(t, table, renew, a); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%q: the first who is back buries the others", got)
	}
	visits(t, table, renew, b)
}

// Redis has been restarted and has forgotten the table: nobody is lost, and nobody
// takes the others for gone, while all come back to it.
func TestForgottenTable(t *testing.T) {
	t.Parallel()
	client := redisClient(t)
	table := formed(t, NewTable(client, time.Minute))
	a, b := member("a"), member("b")
	visits(t, table, join, a)
	visits(t, table, join, b)
	err := client.Del(t.Context(), keyLeases, keyRecords, keyPulse, keyBorn, keyLog).Err()
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{}
	n.seen.Store(&[]Member{a, b})
	list, err := table.visit(t.Context(), renew, Report{Me: a})
	if err != nil || !list.Forming ||
		!slices.Equal(names(n.withKnown(list.Members)), []string{"a", "b"}) {
		t.Errorf("a sees %q, forming %v, %v", names(list.Members), list.Forming, err)
	}
	if got := visits(t, table, renew, b); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("b sees %q", got)
	}
	formed(t, table)
	if _, err := table.visit(t.Context(), renew, Report{Me: member("c")}); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("a stranger renews at a table that is complete: %v", err)
	}
}

func TestLogOfTheCluster(t *testing.T) {
	t.Parallel()
	table := NewTable(redisClient(t), time.Minute)
	events := []dashboard.Event{
		{Time: time.UnixMilli(1).UTC(), Event: "activated", Silo: "a", Grain: "Stock/x"},
		{Time: time.UnixMilli(2).UTC(), Event: "deactivated", Silo: "a", Grain: "Stock/x"},
	}
	if _, err := table.visit(t.Context(), join, Report{Me: member("a"), Events: events}); err != nil {
		t.Fatal(err)
	}
	log, err := table.Log(t.Context(), 10)
	slices.Reverse(events)
	if err != nil || !slices.Equal(log, events) {
		t.Errorf("got %+v, %v; want the newest first: %+v", log, err, events)
	}
}

// keep ends with the context, and with a lease that is lost; an error in between
// it survives, and tells what it could not tell then.
func TestKeep(t *testing.T) {
	t.Parallel()
	table := formed(t, NewTable(redisClient(t), 300*time.Millisecond))
	me := member("me")
	visits(t, table, join, me)
	ctx, stop := context.WithCancel(t.Context())
	told := make(chan []Member)
	ended := make(chan error, 1)
	go func() {
		ended <- table.keep(ctx, renew, func() Report { return Report{Me: me} },
			func(list List) {
				select {
				case told <- list.Members:
				case <-ctx.Done():
				}
			})
	}()
	if got := names(<-told); !slices.Equal(got, []string{"me"}) {
		t.Errorf("told %q", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("stopped by its context: %v", err)
	}
	visits(t, table, leave, me)
	limited, cancel := context.WithTimeout(t.Context(), aLongTime)
	defer cancel()
	err := table.keep(limited, renew, func() Report { return Report{Me: me} },
		func(List) { t.Error("told a list by a table that has buried it") })
	if !errors.Is(err, ErrLeaseLost) {
		t.Errorf("got %v", err)
	}
}

// The clocks of the silos do not count, whatever they say: one is a minute ahead here, and
// one a minute behind.
func TestWrongClocks(t *testing.T) {
	t.Parallel()
	table := formed(t, NewTable(redisClient(t), 2*time.Second))
	ahead, behind := member("ahead"), member("behind")
	for wrong, m := range map[time.Duration]*Member{time.Minute: &ahead, -time.Minute: &behind} {
		m.Started, m.Told = time.Now().Add(wrong), time.Now().Add(wrong)
		visits(t, table, join, *m)
	}
	list, err := table.visit(t.Context(), look, Report{})
	if err != nil || len(list.Members) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, m := range list.Members {
		if m.Silent < 0 || m.Silent > table.lease {
			t.Errorf("%s is silent for %s", m.Name, m.Silent)
		}
	}
}
