package lock

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
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

func draw(t *testing.T, r Resource, id string) int64 {
	t.Helper()
	token, err := r.Draw(t.Context(), id)
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
		for before := int64(0); before < 100; before++ {
			if token := draw(t, r, id); token <= before {
				t.Fatalf("token %d after %d", token, before)
			}
		}
	})
}

func TestFenceRejectsTheStaleHolder(t *testing.T) {
	both(t, func(t *testing.T, a *Account, r Resource, id string) {
		ctx := t.Context()
		first, second := draw(t, r, id), draw(t, r, id)
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
		if overlaps, rejected := a.Overlaps(); overlaps != 1 || rejected != 2 {
			t.Errorf("%d overlaps, %d rejected; want 1 and 2", overlaps, rejected)
		}
	})
}

func TestAccountWithoutTokensBillsTwice(t *testing.T) {
	both(t, func(t *testing.T, a *Account, r Resource, id string) {
		enter(t, r, id, "first", 0)
		enter(t, r, id, "second", 0)
		for _, owner := range []string{"second", "first"} {
			if err := r.Bill(t.Context(), id, owner, 0); err != nil {
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
	})
}

func TestRecordOfOneAfterTheOther(t *testing.T) {
	both(t, func(t *testing.T, a *Account, r Resource, id string) {
		enter(t, r, id, "killed", draw(t, r, id)) // and never heard of again
		enter(t, r, id, "gave up", draw(t, r, id))
		if err := r.Leave(t.Context(), id, "gave up"); err != nil {
			t.Error(err)
		}
		token := draw(t, r, id)
		enter(t, r, id, "done", token)
		if err := r.Bill(t.Context(), id, "done", token); err != nil {
			t.Error(err)
		}
		if settled, err := r.Enter(t.Context(), id, "next", token+1); !settled || err != nil {
			t.Errorf("the next one: settled %t, error %v", settled, err)
		}
		if overlaps, rejected := a.Overlaps(); overlaps != 0 || rejected != 0 {
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
		_, drawErr := r.Draw(ctx, "nothing")
		_, enterErr := r.Enter(ctx, "nothing", "me", 1)
		for _, err := range []error{drawErr, enterErr, r.Bill(ctx, "nothing", "me", 1)} {
			if !errors.Is(err, ErrUnknown) {
				t.Errorf("error %v, want ErrUnknown", err)
			}
		}
		err := r.Bill(ctx, id, "me", 1)
		if err == nil || !strings.Contains(err.Error(), "has never entered") {
			t.Errorf("a write without a visit: %v", err)
		}
	})
}

func TestAccountAnswersBadRequests(t *testing.T) {
	t.Parallel()
	a, id := opened(t)
	for _, c := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"/orders/" + id + "/bill", "{", http.StatusBadRequest, "body: not what is wanted"},
		{"/orders/" + id + "/burn", "{}", http.StatusNotFound, "draw, enter, bill"},
		{"/orders", "[]", http.StatusBadRequest, "body: not what is wanted"},
	} {
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(),
			http.MethodPost, c.path, strings.NewReader(c.body)))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("POST %s %s: %d %s", c.path, c.body, w.Code, w.Body)
		}
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
