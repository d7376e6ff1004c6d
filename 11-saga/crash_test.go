package saga

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// roleOf says which program passes a crash point.
func roleOf(point string) string {
	what, _, _ := strings.Cut(point, "/")
	service, _, dotted := strings.Cut(what, ".")
	switch {
	case what == "placed" || what == string(SagaMoved):
		return "website"
	case what == "relay" || !dotted:
		return "orchestrator"
	default:
		return service
	}
}

// TestKilledAtEveryTransition kills a program with -9 at every crash point there
// is, starts it again, and adds up. The points of the website are in
// [TestWebsiteKilled], because the website of these worlds lives in the test.
func TestKilledAtEveryTransition(t *testing.T) {
	t.Parallel()
	reached := make(chan string, 2*len(CrashPoints()))
	t.Run("points", func(t *testing.T) {
		for _, role := range everybody {
			t.Run(role, func(t *testing.T) {
				t.Parallel()
				for _, point := range CrashPoints() {
					if roleOf(point) == role {
						killedAt(t, role, point)
						reached <- point
					}
				}
			})
		}
	})
	want := 0
	for _, point := range CrashPoints() {
		if roleOf(point) != "website" {
			want++
		}
	}
	if len(reached) != want {
		t.Errorf("%d of %d points were reached", len(reached), want)
	}
	t.Logf("killed at %d points", len(reached))
}

func killedAt(t *testing.T, role, point string) {
	t.Run(strings.ReplaceAll(point, "/", "-"), func(t *testing.T) {
		w := newWorld(t, "right")
		w.StepTimeout = time.Second
		emails := slices.Concat(clients, clients)
		times := ":2"
		if strings.HasPrefix(point, string(Parked)) {
			emails, times = append(emails, "e@"+ClosedDomain), ""
		}
		// What leads to a recall is the silence of shipping.
		silence := strings.HasPrefix(point, string(RecallingShip)) ||
			strings.HasPrefix(point, string(RecallShipment))
		if silence {
			w.StepTimeout, w.Attempts = 200*time.Millisecond, 1
		}
		for _, r := range w.others(role) {
			if r != "shipping" || !silence {
				w.start(r)
			}
		}
		if silence && role == "shipping" {
			w.place(emails...)
			eventually(t, "it is parked", func() bool { return w.audit().Parked > 0 })
			emails = clients
		}
		victim := w.child(role, "CRASH_AT="+point+times)
		w.place(emails...)
		killedAtPoint(t, victim, point)
		w.start(role)
		if silence && role != "shipping" {
			w.start("shipping")
		}
		a := w.settled()
		if a.Parked > 0 {
			resumed(w)
		}
		if a := w.settled(); a.Accepted+a.Cancelled != a.Orders || a.Orders < 8 {
			t.Errorf("%+v", a)
		}
	})
}

// resumed calls the operator until nothing is parked any more. A late answer may
// have set a saga free before.
func resumed(w *world) {
	w.t.Helper()
	eventually(w.t, "nothing is parked", func() bool {
		if _, err := ResumeParked(w.t.Context(), w.Settings, "", true); err != nil {
			w.t.Fatal(err)
		}
		a := w.audit()
		return a.Parked == 0 && a.Open == 0
	})
}
