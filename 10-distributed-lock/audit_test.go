package lock

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"course.example/shop"
)

// The book knows each way an order can end, without a word of the log.
func TestAudit(t *testing.T) {
	t.Parallel()
	a := NewAccount()
	for _, id := range []string{"once", "twice", "given-up", "entered", "untouched"} {
		if err := a.Open(t.Context(), shop.Order{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	bill := func(id, owner string) {
		t.Helper()
		if _, err := a.Enter(t.Context(), id, owner, 0); err != nil {
			t.Fatal(err)
		}
		if err := a.Bill(t.Context(), id, owner, 0); err != nil {
			t.Fatal(err)
		}
	}
	bill("once", "a")
	if _, err := a.Enter(t.Context(), "twice", "b", 0); err != nil {
		t.Fatal(err)
	}
	bill("twice", "a")
	if err := a.Bill(t.Context(), "twice", "b", 0); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"given-up", "entered"} {
		if _, err := a.Enter(t.Context(), id, "a", 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.GiveUp(t.Context(), "given-up", "a", 0, "no money"); err != nil {
		t.Fatal(err)
	}
	want := Book{Accepted: 5, Processed: 2, Failed: 1, Lost: 2, Duplicated: 1}
	if got := a.Audit(); got != want || a.stillOpen() != 2 {
		t.Errorf("got %+v and %d open, want %+v", got, a.stillOpen(), want)
	}
	var told Book
	answer := httptest.NewRecorder()
	a.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/audit", nil))
	if err := json.Unmarshal(answer.Body.Bytes(), &told); err != nil || told != want {
		t.Errorf("over HTTP: %s, %v", answer.Body, err)
	}
}
