package outbox

import (
	"context"
	"errors"
	"slices"
	"testing"

	"course.example/shop"
)

// The book is read after each of these, one after the other.
func TestTheBook(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	book := func(when string, want Book) {
		t.Helper()
		if got, err := ReadBook(t.Context(), pool); err != nil || got != want {
			t.Errorf("%s: %+v, want %+v; error %v", when, got, want, err)
		}
	}
	book("nothing", Book{})
	ids := place(t, s, pool, 6)
	book("placed", Book{Accepted: 6, Open: 6})
	s.Attempts = 1
	w := NewConsumer(pool, s, func(_ context.Context, o shop.Order) error {
		if slices.Index(ids, o.ID) == 1 {
			return errors.New("not this one")
		}
		return nil
	}).newWorker(0, nil)
	once(t, w, 6)
	book("done", Book{Accepted: 6, Processed: 5, Failed: 1})
	if err := Inject(t.Context(), pool, "duplicate", 1); err != nil {
		t.Fatal(err)
	}
	book("a message comes twice", Book{Accepted: 7, Processed: 5, Failed: 1, Open: 1})
	once(t, w, 2)
	book("and is done once", Book{Accepted: 7, Processed: 6, Failed: 1})
	exec(t, pool, `TRUNCATE inbox`)
	book("the inbox was swept", Book{Accepted: 7, Processed: 6, Failed: 1})
	exec(t, pool, `UPDATE stock SET reserved = reserved * 2`)
	book("each is done twice", Book{Accepted: 7, Processed: 6, Failed: 1, Duplicated: 6})
	exec(t, pool, `UPDATE stock SET reserved = reserved / 2`)
	exec(t, pool, `DELETE FROM outbox`)
	book("a message is gone", Book{Accepted: 7, Processed: 6, Lost: 1})
}
