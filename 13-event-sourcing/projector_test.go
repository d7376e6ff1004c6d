package eventsourcing

import (
	"testing"

	"course.example/shop"
)

var oneMug = []shop.Item{{SKU: "MUG-CHAN", Quantity: 1, PriceCents: 1250}}

func TestEveryReadModelIsAFoldOverTheLog(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	p := NewProducer(pool, s)
	start(t, p.Run)
	project(t, pool, s, everyProjection...)
	ids := place(t, p, 20)
	for i, id := range ids {
		if i%2 == 0 {
			execute(t, p, id, AddItems{oneMug})
		}
		if i%3 == 0 {
			execute(t, p, id, CancelOrder{"no"})
		}
		audited(t, pool) // at any instant
	}
	drained(t, pool)
	if a := audited(t, pool); a.Accepted != 20 || a.Processed != 20 || a.Events != 37 {
		t.Errorf("the audit counts %+v", a)
	}
}
