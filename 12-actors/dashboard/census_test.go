package dashboard

import (
	"fmt"
	"testing"
	"time"

	"course.example/12-actors/engine"
)

// What a silo tells is bounded, and says so: of a thousand activations at once
// some have their names, and none is missing in the figures.
func TestCensusOfMany(t *testing.T) {
	t.Parallel()
	c := NewCounter("silo-1")
	for i := range 1000 {
		c.Activated(engine.Name{Kind: "Order", ID: fmt.Sprint(i)})
	}
	for i := range 10 {
		c.Deactivated(engine.Name{Kind: "Order", ID: fmt.Sprint(i)})
	}
	census, events := c.Take(time.Now())
	order := census.Kinds[0]
	if order.Activations != 990 || order.Activated != 1000 || len(order.Grains) != maxShown {
		t.Errorf("%d activations, %d ever, %d of them named", order.Activations,
			order.Activated, len(order.Grains))
	}
	last := events[len(events)-1]
	if len(events) != MaxEvents+1 || last.Event != "810 more events" || last.Silo != "silo-1" {
		t.Errorf("%d events, the last one is %+v", len(events), last)
	}
	if _, events := c.Take(time.Now()); len(events) > 0 {
		t.Errorf("told twice: %+v", events)
	}
}
