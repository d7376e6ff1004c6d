//go:build exercise

package account

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// What holders do, in this order, and what they are told: each number is a token.
func TestFence(t *testing.T) {
	for _, c := range []struct {
		name  string
		drawn int
		told  string // acts and answers
		bills int
	}{
		{"a late holder", 2,
			"look 1: open, look 2: open, bill 2: done, bill 1: stale", 1},
		{"the late one is faster", 2,
			"look 1: open, look 2: open, bill 1: stale, bill 2: done", 1},
		{"one holder", 1, "look 1: open, bill 1: done", 1},
		{"one after the other", 2, "look 1: open, bill 1: done, look 2: billed", 1},
		{"the next one has drawn, and does not come", 2, "look 1: open, bill 1: done", 1},
		{"the first one never comes back", 3, "look 1: open, look 3: open, bill 3: done", 1},
		{"late from the beginning", 2, "look 2: open, look 1: stale, bill 2: done", 1},
		{"the answer was lost", 1, "look 1: open, bill 1: done, bill 1: done", 1},
		{"looked twice", 1, "look 1: open, look 1: open, bill 1: done", 1},
		{"stale, and no better the second time", 2,
			"look 1: open, look 2: open, bill 1: stale, bill 1: stale, bill 2: done, bill 1: stale", 1},
		{"a token from the future", 1,
			"look 9: forged, bill 9: forged, look 1: open, bill 1: done", 1},
		{"no token", 1, "look 0: forged, bill 0: forged, look 1: open", 0},
		{"less than none", 1, "bill -1: forged, look 1: open", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := new(Account)
			for want := 1; want <= c.drawn; want++ {
				if got := a.Draw(); got != want {
					t.Fatalf("draw gives out %d, want %d", got, want)
				}
			}
			var told []string
			for act := range strings.SplitSeq(c.told, ", ") {
				var verb string
				var token int
				if _, err := fmt.Sscanf(act, "%s %d:", &verb, &token); err != nil {
					t.Fatal(err)
				}
				told = append(told, fmt.Sprintf("%s %d: %s", verb, token, do(a, verb, token)))
			}
			if got := strings.Join(told, ", "); got != c.told {
				t.Errorf("it answers %s; want %s", got, c.told)
			}
			if a.Bills() != c.bills {
				t.Errorf("the customer has paid %d times, want %d", a.Bills(), c.bills)
			}
		})
	}
}

// do is one visit, and the answer to it.
func do(a *Account, verb string, token int) string {
	billed, err := false, error(nil)
	if verb == "look" {
		billed, err = a.Look(token)
	} else {
		err = a.Bill(token)
	}
	switch {
	case errors.Is(err, ErrStale):
		return "stale"
	case errors.Is(err, ErrForged):
		return "forged"
	case err != nil:
		return err.Error()
	case verb == "bill":
		return "done"
	case billed:
		return "billed"
	}
	return "open"
}

// A token that was given out is never given out again.
func TestTokensGrow(t *testing.T) {
	a := new(Account)
	for last := 0; last < 10; {
		token := a.Draw()
		if token <= last {
			t.Fatalf("after %d it gives out %d", last, token)
		}
		last = token
		if _, err := a.Look(token); err != nil {
			t.Fatalf("the newest token is refused: %v", err)
		}
	}
}
