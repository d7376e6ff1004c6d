package saga

import (
	"testing"
)

// Every customer's order ends as it should, with one orchestrator and with two,
// and without any.
func TestOrdersEnd(t *testing.T) {
	t.Parallel()
	for _, variant := range []string{"right", "choreography"} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, variant)
			w.start(w.others("")...)
			w.start(w.others("payment")...) // a second one of the rest
			var ids []string
			for range 10 {
				ids = append(ids, w.place(clients...)...)
			}
			a := w.settled()
			if a.Accepted != 10 || a.Cancelled != 30 {
				t.Errorf("%+v: want 10 accepted, 30 cancelled", a)
			}
			for i, want := range []State{Accepted, Cancelled, Cancelled, Cancelled} {
				s, err := w.site.Status(t.Context(), ids[i])
				if err != nil || s.State != want || len(s.History) < 2 {
					t.Errorf("%s: %+v, %v; want %s and a history", clients[i], s, err, want)
				}
				if want == Cancelled && s.Reason == "" {
					t.Errorf("%s: cancelled without a reason", clients[i])
				}
			}
		})
	}
}
