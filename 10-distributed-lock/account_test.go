package lock

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"course.example/lab/services/servicestest"
	"course.example/shop"
)

// both runs a test on an account in this process and on one behind HTTP.
func both(t *testing.T, test func(t *testing.T, near *Account, r Resource, id string)) {
	t.Helper()
	t.Parallel()
	t.Run("near", func(t *testing.T) {
		t.Parallel()
		a, id := opened(t)
		test(t, a, a, id)
	})
	t.Run("far", func(t *testing.T) {
		t.Parallel()
		a, id := opened(t)
		server := httptest.NewServer(a.Handler())
		t.Cleanup(server.Close)
		test(t, a, NewRemote(server.URL), id)
	})
}

func draw(t *testing.T, r Resource, id, owner string) int64 {
	t.Helper()
	token, err := r.Draw(t.Context(), id, owner)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func enter(t *testing.T, r Resource, id, owner string, token int64) {
	t.Helper()
	if settled, err := r.Enter(t.Context(), id, owner, token); settled || err != nil {
		t.Fatalf("enter: settled %t, error %v", settled, err)
	}
}

func TestTokensOnlyGrow(t *testing.T) {
	both(t, func(t *testing.T, _ *Account, r Resource, id string) {
		for before := int64(0); before < 20; before++ {
			owner := fmt.Sprint("owner ", before)
			if token := draw(t, r, id, owner); token != before+1 || draw(t, r, id, owner) != token {
				t.Fatalf("token %d after %d, and another when asked again", token, before)
			}
		}
	})
}

func TestFenceRejectsTheStaleHolder(t *testing.T) {
	both(t, func(t *testing.T, a *Account, r Resource, id string) {
		ctx := t.Context()
		first, second := draw(t, r, id, "first"), draw(t, r, id, "second")
		enter(t, r, id, "first", first)
		enter(t, r, id, "second", second)
		// The first writes before the second has, who has read "not billed": were
		// the token checked on writing alone, this would be billed, and so would
		// the next.
		if err := r.Bill(ctx, id, "first", first); !errors.Is(err, ErrStale) {
			t.Errorf("the stale holder's write: %v", err)
		}
		if err := r.Bill(ctx, id, "second", second); err != nil {
			t.Errorf("the newest holder's write: %v", err)
		}
		if _, err := r.Enter(ctx, id, "first", first); !errors.Is(err, ErrStale) {
			t.Errorf("the stale holder's visit: %v", err)
		}
		if overlaps, rejected := overlaps(t, a); overlaps != 1 || rejected != 2 {
			t.Errorf("%d overlaps, %d rejected; want 1 and 2", overlaps, rejected)
		}
	})
}

func TestAccountWithoutTokensBillsTwice(t *testing.T) {
	t.Parallel()
	a, id := unfenced(t)
	enter(t, a, id, "first", 0)
	enter(t, a, id, "second", 7) // whatever is shown, nobody looks
	for _, owner := range []string{"second", "first"} {
		if err := a.Bill(t.Context(), id, owner, 0); err != nil {
			t.Error(err)
		}
	}
	entries, err := a.Entries(t.Context(), id)
	if err != nil || len(entries) != 2 || !entries[0].Billed || !entries[1].Billed {
		t.Errorf("entries %+v, error %v; want two, both billed", entries, err)
	}
	if !entries[0].Overlap || entries[1].Overlap {
		t.Errorf("overlap is not told of the one who was there first: %+v", entries)
	}
}

// A number that was not drawn, or by somebody else, opens nothing and locks nobody out.
func TestForgedTokensAreRefused(t *testing.T) {
	both(t, func(t *testing.T, _ *Account, r Resource, id string) {
		ctx := t.Context()
		token := draw(t, r, id, "honest")
		for _, c := range []struct {
			owner string
			token int64
		}{
			{"forger", 1 << 62}, {"forger", token + 1}, {"forger", token}, {"forger", 0},
			{"forger", -1}, {"honest", token + 1}, {"honest", 0}, {"honest", -1 << 63},
		} {
			if _, err := r.Enter(ctx, id, c.owner, c.token); !errors.Is(err, ErrForged) {
				t.Errorf("%s enters with token %d: %v", c.owner, c.token, err)
			}
		}
		enter(t, r, id, "honest", token)
		for _, forged := range []int64{0, -1, token + 1, 1 << 62} {
			if err := r.Bill(ctx, id, "honest", forged); !errors.Is(err, ErrForged) {
				t.Errorf("it bills with token %d: %v", forged, err)
			}
		}
		for range 2 { // the second time because the answer was lost
			if err := r.Bill(ctx, id, "honest", token); err != nil {
				t.Errorf("after all that, the honest one: %v", err)
			}
		}
	})
}

// What was written down is there after a kill -9 of the account.
func TestAccountIsKept(t *testing.T) {
	t.Parallel()
	url := servicestest.Postgres(t)
	before := accountIn(t, url, true)
	id := open(t, before)
	late, newest := draw(t, before, id, "late"), draw(t, before, id, "newest")
	enter(t, before, id, "late", late)
	enter(t, before, id, "newest", newest)

	after := accountIn(t, url, true)
	if err := after.Bill(t.Context(), id, "late", late); !errors.Is(err, ErrStale) {
		t.Errorf("the fence has forgotten the newest token: %v", err)
	}
	if token := draw(t, after, id, "next"); token != newest+1 {
		t.Errorf("the sequencer goes on with %d after %d", token, newest)
	}
	if err := after.Bill(t.Context(), id, "newest", newest); err != nil {
		t.Error(err)
	}
	if overlaps, rejected := overlaps(t, before); overlaps != 1 || rejected != 1 {
		t.Errorf("%d overlaps, %d rejected; want one of each", overlaps, rejected)
	}
}

func TestRecordOfOneAfterTheOther(t *testing.T) {
	both(t, func(t *testing.T, a *Account, r Resource, id string) {
		enter(t, r, id, "killed", draw(t, r, id, "killed")) // and never heard of again
		enter(t, r, id, "gave up", draw(t, r, id, "gave up"))
		if err := r.Leave(t.Context(), id, "gave up"); err != nil {
			t.Error(err)
		}
		token := draw(t, r, id, "done")
		enter(t, r, id, "done", token)
		if err := r.Bill(t.Context(), id, "done", token); err != nil {
			t.Error(err)
		}
		next := draw(t, r, id, "next")
		if settled, err := r.Enter(t.Context(), id, "next", next); !settled || err != nil {
			t.Errorf("the next one: settled %t, error %v", settled, err)
		}
		if overlaps, rejected := overlaps(t, a); overlaps != 0 || rejected != 0 {
			t.Errorf("%d overlaps, %d rejected; want none", overlaps, rejected)
		}
		if open, err := r.Pending(t.Context()); len(open) != 0 || err != nil {
			t.Errorf("still open: %v, error %v", open, err)
		}
	})
}

func TestAccountRefusesWhatItDoesNotKnow(t *testing.T) {
	both(t, func(t *testing.T, _ *Account, r Resource, id string) {
		ctx := t.Context()
		for _, unknown := range []string{
			"nothing", "\x00", strings.Repeat("x", 1000), "0199d3a0-7c1e-7000-8000-000000000000",
		} {
			_, drawErr := r.Draw(ctx, unknown, "me")
			_, enterErr := r.Enter(ctx, unknown, "me", 1)
			for _, err := range []error{drawErr, enterErr, r.Bill(ctx, unknown, "me", 1)} {
				if !errors.Is(err, ErrUnknown) || len(err.Error()) > 300 {
					t.Errorf("error %v, want ErrUnknown", err)
				}
			}
		}
		draw(t, r, id, "me")
		if err := r.Bill(ctx, id, "me", 1); !errors.Is(err, ErrOutside) {
			t.Errorf("a write without a visit: %v", err)
		}
		enter(t, r, id, "me", 1)
		if err := r.Leave(ctx, id, "me"); err != nil {
			t.Error(err)
		}
		if err := r.Bill(ctx, id, "me", 1); !errors.Is(err, ErrOutside) {
			t.Errorf("a write after leaving: %v", err)
		}
	})
}

// A strange spelling is the same order, and another order of the same name is none.
func TestAnOrderHasOneIdentity(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	order := newOrder(t, shop.SampleEmail)
	for _, id := range []string{order.ID, "urn:uuid:" + order.ID, strings.ToUpper(order.ID)} {
		spelled := order
		spelled.ID = id
		if err := a.Open(t.Context(), spelled); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if open, err := a.Pending(t.Context()); err != nil || len(open) != 1 || open[0].ID != order.ID {
		t.Errorf("open are %+v, %v; want the one order", open, err)
	}
	order.UserEmail = "eve@example.com"
	if err := a.Open(t.Context(), order); !errors.Is(err, ErrOther) {
		t.Errorf("another order of the same name: %v", err)
	}
}

func TestAccountAnswersBadRequests(t *testing.T) {
	t.Parallel()
	a, id := opened(t)
	act := "/orders/" + id
	item := `"items":[{"sku":"A","quantity":1,"price_cents":1}]`
	for _, c := range []struct {
		path, body string
		status     int
		says       string
	}{
		{act + "/bill", "{", http.StatusBadRequest, "body: not what is wanted"},
		{act + "/bill", `{"owner":"me"}{}`, http.StatusBadRequest, "more follows"},
		{act + "/bill", `{"owner":"me","amount":5}`, http.StatusBadRequest, "unknown field"},
		{act + "/bill", "", http.StatusBadRequest, "body"},
		{act + "/bill", "null", http.StatusBadRequest, "owner: want 1 to 100"},
		{act + "/burn", `{"owner":"me"}`, http.StatusNotFound, "draw, enter, bill"},
		{act + "/draw", "{}", http.StatusBadRequest, "owner: want 1 to 100"},
		{act + "/draw", `{"owner":"a\u0000b"}`, http.StatusBadRequest, "owner: want 1 to 100"},
		{act + "/draw", `{"owner":"` + strings.Repeat("x", 101) + `"}`, 400, "have 101"},
		{act + "/enter", `{"owner":"me","token":1e30}`, http.StatusBadRequest, "body"},
		{act + "/enter", `{"owner":"me","token":99}`, http.StatusForbidden, "drawn no such token"},
		{act + "/bill", `{"owner":"me","token":1}`, http.StatusForbidden, "is not inside"},
		{"/orders/%00/draw", `{"owner":"me"}`, http.StatusNotFound, "knows no such order"},
		{"/orders", "[]", http.StatusBadRequest, "body: not what is wanted"},
		{"/orders", "{}", http.StatusBadRequest, "order_id"},
		{"/orders", `{"order_id":"7",` + item + `}`, http.StatusBadRequest, "not a UUID"},
		{"/orders", `{"order_id":"` + id + `",` + item + `}`, http.StatusBadRequest, "user_email"},
		{"/orders", `{"order_id":"` + id + `","user_email":"ada@example.com",` + item + `}`,
			http.StatusUnprocessableEntity, "another order"},
		{"/orders", strings.Repeat(" ", 70_000) + "{}", http.StatusRequestEntityTooLarge, "body"},
	} {
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(),
			http.MethodPost, c.path, strings.NewReader(c.body)))
		said := w.Body.String()
		if w.Code != c.status || !strings.Contains(said, c.says) || strings.Contains(said, "SQL") {
			t.Errorf("POST %s %.80s: %d %s; want %d and %q", c.path, c.body, w.Code, said,
				c.status, c.says)
		}
	}
	if settled, err := a.Enter(t.Context(), id, "me", draw(t, a, id, "me")); settled || err != nil {
		t.Errorf("after all that: settled %t, %v", settled, err)
	}
}

func TestAccountThatIsAwayIsAnError(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, err := NewRemote(server.URL).Pending(context.Background())
	if err == nil || !strings.Contains(err.Error(), "ask the account") {
		t.Errorf("error %v", err)
	}
}
