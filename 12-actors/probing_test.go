package actors

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"course.example/12-actors/engine"
	"course.example/lab/services/servicestest"
)

// accuses makes a visit of a member that cannot reach some others.
func accuses(t *testing.T, table *Table, m Member, others ...string) ([]string, error) {
	t.Helper()
	for i, name := range others {
		others[i] = member(name).ID
	}
	list, err := table.visit(t.Context(), renew, Report{Me: m, Unreachable: others})
	if err != nil && !errors.Is(err, ErrLeaseLost) {
		t.Fatal(err)
	}
	return names(list.Members), err
}

// The silos vote. Who goes is the one that is cut from most, and of two that are cut from
// each other the younger; and nobody goes before half a lease.
func TestVotes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		accuses map[string][]string
		stay    []string
	}{
		{"all is well", map[string][]string{}, []string{"a", "b", "c"}},
		{"two are cut from each other", map[string][]string{"a": {"b"}, "b": {"a"}},
			[]string{"a", "c"}},
		{"the oldest is cut from all others",
			map[string][]string{"a": {"b", "c"}, "b": {"a"}, "c": {"a"}}, []string{"b", "c"}},
		{"one can be called, and can call nobody", map[string][]string{"a": {"b", "c"}},
			[]string{"b", "c"}},
		{"one way of one connection is cut", map[string][]string{"a": {"c"}}, []string{"a", "b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			table := formed(t, NewTable(redisClient(t), 2*time.Second))
			all := []string{"a", "b", "c"}
			for _, name := range all {
				visits(t, table, join, member(name))
			}
			began := time.Now()
			round := func() (stay []string) {
				for _, name := range all {
					stay, _ = accuses(t, table, member(name), slices.Clone(c.accuses[name])...)
				}
				return stay
			}
			if stay := round(); len(stay) != 3 && time.Since(began) < table.lease/2 {
				t.Errorf("at once only %q stayed", stay)
			}
			until(t, func() bool {
				return slices.Equal(round(), c.stay) && time.Since(began) > table.lease
			})
		})
	}
}

// One that answers again is not accused any more, and what was said of it is forgotten.
func TestAccusationIsTakenBack(t *testing.T) {
	t.Parallel()
	table := formed(t, NewTable(redisClient(t), 4*time.Second))
	visits(t, table, join, member("a"))
	visits(t, table, join, member("b"))
	if _, err := accuses(t, table, member("a"), "b"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	until(t, func() bool {
		visits(t, table, renew, member("b"))
		stay := visits(t, table, renew, member("a"))
		if !slices.Equal(stay, []string{"a", "b"}) {
			t.Fatalf("only %q stayed", stay)
		}
		return time.Since(began) > table.lease
	})
}

// startSilos starts silos on one table, the oldest first.
func startSilos(t *testing.T, n int, lease time.Duration) []*Silo {
	t.Helper()
	s := DefaultSettings()
	s.RedisURL, s.Lease = servicestest.Redis(t), lease
	var silos []*Silo
	for i := range n {
		s.Name = "silo-" + string(rune('a'+i))
		b, err := openBacking(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		silo, err := startSilo(t.Context(), s, b)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := b.close(); err != nil {
				t.Error(err)
			}
		})
		silos = append(silos, silo)
	}
	return silos
}

// Two silos of three cannot call each other, and all reach the table. One of the two
// goes, and the others can call each other.
func TestCutBetweenTwoSilos(t *testing.T) {
	silos := startSilos(t, 3, time.Second)
	until(t, func() bool { return len(silos[2].node.Members()) == 3 })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make([]chan error, len(silos))
	for i, silo := range silos {
		ended[i] = make(chan error, 1)
		go func() { ended[i] <- silo.node.Run(ctx) }()
	}
	a, b := silos[0].node, silos[1].node
	engine.Cut(a.cluster, b.me.Address)
	engine.Cut(b.cluster, a.me.Address)
	if err := <-ended[1]; !errors.Is(err, ErrLeaseLost) {
		t.Errorf("the younger of the two: %v", err)
	}
	until(t, func() bool { return len(a.Members()) == 2 && len(silos[2].node.Members()) == 2 })
	cancel()
	for _, i := range []int{0, 2} {
		if err := <-ended[i]; err != nil {
			t.Errorf("silo %d: %v", i, err)
		}
	}
}

// A silo whose lease has ended by its own clock serves nobody, whatever the others
// know. When it is renewed, it serves on.
func TestLeaseEndsByItsOwnClock(t *testing.T) {
	w, h := startShop(t, func(s *Settings) {
		s.Lease, s.Try, s.Patience = time.Second, 200*time.Millisecond, 400*time.Millisecond
	})
	buyMug(t, h)
	w.node.stop() // it cannot reach the table any more
	w.node.visits.Wait()
	until(t, func() bool { return !w.node.serves() })
	if status, answer := ask(t, h, http.MethodPost, "/orders", aMug); status !=
		http.StatusServiceUnavailable {
		t.Errorf("%d %v", status, answer)
	}
	w.node.tell(func() List {
		tells := w.node.report()
		list, err := w.node.table.visit(t.Context(), renew, tells)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}())
	buyMug(t, h)
	wantStock(t, w, "mug", &CountReply{Sold: 2, Orders: 2, Version: 2, Served: 2})
}
