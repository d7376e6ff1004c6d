package grid

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
)

// lease of the tests, which is twice as long as a worker takes for a unit.
const lease = 2 * time.Second

func rulesOf(variant string) Rules {
	r := Rules{Lease: lease, Quorum: 2, From: 500}
	variants[variant](&r)
	return r
}

// withUnits has so many units; their orders are called 1, 2 and so on.
func withUnits(t *testing.T, rules Rules, n int) *Coordinator {
	t.Helper()
	c := NewCoordinator(rules)
	for i := range n {
		if err := c.Add(t.Context(), shop.Order{ID: fmt.Sprint(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// takes wants a worker to get the unit of an order, or nothing for "".
func takes(t *testing.T, c *Coordinator, worker, order string) {
	t.Helper()
	u, err := c.Take(worker)
	if order == "" && errors.Is(err, ErrNothing) {
		return
	}
	if err != nil || u.Order != order {
		t.Fatalf("%s gets the unit %q (%v), want %q", worker, u.Order, err, order)
	}
}

// tells reports a result, and wants it to settle the unit or not.
func tells(t *testing.T, c *Coordinator, worker, order string, r Result, settles bool) Verdict {
	t.Helper()
	v, err := c.Report(worker, order, r)
	if err != nil || v.Settled != settles {
		t.Fatalf("%s tells a result of %s: settled %v (%v), want %v", worker, order, v.Settled, err, settles)
	}
	return v
}

var honest = Result{Residue: 4711}

// The unit of a lost worker is given to another one when its lease has ended, and not
// before. Without a lease it is never done.
func TestLease(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		variant string
		after   time.Duration
		gets    string // the third worker
	}{
		{"right", lease - 1, ""},
		{"right", lease, "1"},
		{"no-lease", 365 * 24 * time.Hour, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			grid := withUnits(t, rulesOf(c.variant), 1)
			takes(t, grid, "ada", "1")
			takes(t, grid, "lost", "1")
			tells(t, grid, "ada", "1", honest, false)
			time.Sleep(c.after) // the bubble's clock
			takes(t, grid, "grace", c.gets)
		})
	}
}

// Who was slow, and not dead, has worked all the same.
func TestLateResultCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		grid := withUnits(t, rulesOf("right"), 1)
		takes(t, grid, "ada", "1")
		takes(t, grid, "slow", "1")
		tells(t, grid, "ada", "1", honest, false)
		time.Sleep(time.Hour) // the bubble's clock
		tells(t, grid, "slow", "1", honest, true)
	})
}

// A worker cannot confirm itself, and whatever it tells twice counts once.
func TestSecondOpinionIsAnothers(t *testing.T) {
	t.Parallel()
	grid := withUnits(t, rulesOf("right"), 1)
	takes(t, grid, "ada", "1")
	tells(t, grid, "ada", "1", honest, false)
	takes(t, grid, "ada", "")
	if v := tells(t, grid, "ada", "1", honest, false); !v.Again {
		t.Error("the second time was new")
	}
	takes(t, grid, "grace", "1")
	if v := tells(t, grid, "grace", "1", honest, true); v.Result != honest || len(v.Banned) > 0 {
		t.Errorf("%+v", v)
	}
	if v := tells(t, grid, "grace", "1", honest, false); !v.Again || v.Counts.Done > 1 {
		t.Errorf("done twice: %+v", v)
	}
}

// One who has lost the answer to its question gets the same unit again.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	grid := withUnits(t, rulesOf("right"), 2)
	for range 3 {
		takes(t, grid, "ada", "1")
	}
	takes(t, grid, "grace", "1")
	takes(t, grid, "alan", "2")
}

// The two who agree are right. All that the third has told is thrown away and done again.
func TestCheat(t *testing.T) {
	t.Parallel()
	grid := withUnits(t, rulesOf("right"), 3)
	for _, order := range []string{"1", "2", "3"} {
		takes(t, grid, "cheat", order)
		tells(t, grid, "cheat", order, cheat, false)
	}
	takes(t, grid, "ada", "1")
	tells(t, grid, "ada", "1", honest, false) // one says this, one says that
	takes(t, grid, "grace", "1")
	v := tells(t, grid, "grace", "1", honest, true)
	if v.Result != honest || !slices.Equal(v.Banned, []string{"cheat"}) {
		t.Errorf("%+v", v)
	}
	if n := v.Counts; n.Banned != 1 || n.Thrown != 2 || len(n.Primes) > 0 {
		t.Errorf("%+v", n)
	}
	if _, err := grid.Take("cheat"); !errors.Is(err, ErrBanned) {
		t.Errorf("the cheat gets a unit (%v)", err)
	}
	if _, err := grid.Report("cheat", "2", cheat); !errors.Is(err, ErrBanned) {
		t.Errorf("the cheat is heard (%v)", err)
	}
	takes(t, grid, "ada", "2")
	takes(t, grid, "grace", "2") // both opinions are needed again
}

// If one result is enough, a false prime stands, and nobody will find out.
func TestTrust(t *testing.T) {
	t.Parallel()
	grid := withUnits(t, rulesOf("trust"), 1)
	takes(t, grid, "cheat", "1")
	v := tells(t, grid, "cheat", "1", cheat, true)
	if !slices.Equal(v.Counts.Primes, []int{503}) || v.Counts.Banned > 0 {
		t.Errorf("%+v", v.Counts)
	}
}

// What the page says of two who tell the same lie: a quorum of two believes them. Three
// do not help either if the liars come first; a quorum of three does.
func TestTwoCheatsWhoAgree(t *testing.T) {
	t.Parallel()
	for quorum, believed := range map[int]bool{2: true, 3: false} {
		rules := rulesOf("right")
		rules.Quorum = quorum
		grid := withUnits(t, rules, 1)
		for _, worker := range []string{"bonnie", "clyde"} {
			takes(t, grid, worker, "1")
			tells(t, grid, worker, "1", cheat, believed && worker == "clyde")
		}
		if got := len(grid.Counts().Primes) > 0; got != believed {
			t.Errorf("quorum %d: believed %v, want %v", quorum, got, believed)
		}
	}
}

func TestTooManyUnits(t *testing.T) {
	t.Parallel()
	grid := withUnits(t, rulesOf("right"), 1)
	grid.open = make([]*unit, maxOpen)
	if err := grid.Add(t.Context(), shop.Order{ID: "more"}); err == nil {
		t.Error("more was taken than may wait")
	}
}
