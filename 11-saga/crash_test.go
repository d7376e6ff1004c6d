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

// TestKilledAtEveryCommand kills a service with -9 at both sides of the commit of
// each of its commands, and a relay at both sides of its own, starts it again, and
// adds up. The transitions are in [TestKilledAtEveryTransition], and the points of
// the website, which lives in the test here, in [TestWebsiteKilled].
func TestKilledAtEveryCommand(t *testing.T) {
	t.Parallel()
	for _, role := range everybody {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			reached := 0
			for _, point := range CrashPoints() {
				if roleOf(point) != role || strings.Contains(point, "-to-") {
					continue
				}
				if t.Run(strings.ReplaceAll(point, "/", "-"), func(t *testing.T) {
					killedAt(t, role, point)
				}) {
					reached++
				}
			}
			want := 4
			if role == "orchestrator" {
				want = 2
			}
			if reached != want {
				t.Errorf("%d points were reached, want %d", reached, want)
			}
		})
	}
}

func killedAt(t *testing.T, role, point string) {
	t.Helper()
	w := newWorld(t, "right")
	w.StepTimeout = time.Second
	// What leads to a recall is the silence of shipping.
	silence := strings.HasPrefix(point, string(RecallShipment))
	if silence {
		w.StepTimeout, w.Attempts = 2*time.Second, 1
	}
	w.start(w.others(role)...)
	emails := slices.Concat(clients, clients)
	if silence {
		w.place(emails...)
		eventually(t, "they are parked", func() bool { return w.audit().Parked > 1 })
		emails = clients
	}
	visit := ":2"
	if strings.HasPrefix(point, "relay") {
		visit = ":1" // what was published is deleted now and then
	}
	victim := w.child(role, "CRASH_AT="+point+visit)
	w.place(emails...)
	killedAtPoint(t, victim, point)
	w.start(role)
	if w.settled().Parked > 0 {
		resumed(w)
	}
	if a := w.settled(); a.Accepted+a.Cancelled != a.Orders || a.Orders < 8 {
		t.Errorf("%+v", a)
	}
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
