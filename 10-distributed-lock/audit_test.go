package lock

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"course.example/lab/services/servicestest"
)

// The book knows each way an order can end, without a word of the log.
func TestAudit(t *testing.T) {
	t.Parallel()
	a := accountIn(t, servicestest.Postgres(t), false)
	ids := map[string]string{}
	for _, name := range []string{"once", "twice", "given-up", "entered", "untouched"} {
		ids[name] = open(t, a)
	}
	bill := func(name, owner string) {
		t.Helper()
		id := ids[name]
		if _, err := a.Enter(t.Context(), id, owner, 0); err != nil {
			t.Fatal(err)
		}
		if err := a.Bill(t.Context(), id, owner, 0); err != nil {
			t.Fatal(err)
		}
	}
	bill("once", "a")
	if _, err := a.Enter(t.Context(), ids["twice"], "b", 0); err != nil {
		t.Fatal(err)
	}
	bill("twice", "a")
	if err := a.Bill(t.Context(), ids["twice"], "b", 0); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"given-up", "entered"} {
		if _, err := a.Enter(t.Context(), ids[name], "a", 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.GiveUp(t.Context(), ids["given-up"], "a", 0, "no money"); err != nil {
		t.Fatal(err)
	}
	want := Book{Accepted: 5, Processed: 2, Failed: 1, Lost: 2, Duplicated: 1}
	got, err := a.Audit(t.Context())
	all, totalErr := a.totals(t.Context())
	if err != nil || totalErr != nil || got != want || all.open != 2 {
		t.Errorf("got %+v and %d open, want %+v; %v, %v", got, all.open, want, err, totalErr)
	}
	var told Book
	answer := httptest.NewRecorder()
	a.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/audit", nil))
	if err := json.Unmarshal(answer.Body.Bytes(), &told); err != nil || told != want {
		t.Errorf("over HTTP: %s, %v", answer.Body, err)
	}
}
