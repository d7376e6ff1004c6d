package durable

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	saga "course.example/11-saga"
	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/dbos-inc/dbos-transact-golang/dbos"
	"go.uber.org/goleak"
)

// The engine makes some fifty migrations in a new database, so the scenes share one. Each can be
// run alone, and leaves no worker behind. They are in the order of the versions that they bring
// in: new orders go to the latest. Not parallel: the goroutines of another test would be taken for
// a leak.
func TestSagas(t *testing.T) {
	servicestest.Shared(t, "postgres")
	others := goleak.IgnoreCurrent()
	t.Run("scenes", func(t *testing.T) {
		w := newWorld(t)
		for _, scene := range []struct {
			name, variant string
			play          func(*testing.T, *world)
		}{
			{"order and saga commit together", "right", commitTogether},
			{"compensates backwards", "right", compensatesBackwards},
			{"parked outlives its worker", "right", parkedOutlivesItsWorker},
			{"killed between effect and record", "right", killedBetweenEffectAndRecord},
			{"non-deterministic charges twice", "non-deterministic", chargesTwice},
			{"left to its own", "right", leftToItsOwn},
			{"patched goes on", "patched", patchedGoesOn},
			{"changed while running is stuck", "changed-while-running", changedIsStuck},
		} {
			t.Run(scene.name, func(t *testing.T) { scene.play(t, w.in(t, scene.variant)) })
		}
	})
	goleak.VerifyNone(t, others)
}

// An order whose transaction fails has no saga, which would serve a customer that the shop does
// not know.
func commitTogether(t *testing.T, w *world) {
	const unlucky = "unlucky@example.com"
	if _, err := w.site.pool.Exec(t.Context(), `CREATE FUNCTION website.refuse() RETURNS trigger
		LANGUAGE plpgsql AS $$ BEGIN RAISE 'the commit fails'; END $$;
		CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON website.orders
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
		WHEN (new.body ->> 'user_email' = '`+unlucky+`')
		EXECUTE FUNCTION website.refuse()`); err != nil {
		t.Fatal(err)
	}
	order, err := shop.NewOrder(unlucky, shop.SampleItems()...)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.site.Place(t.Context(), order); err == nil {
		t.Fatal("the commit did not fail")
	}
	all, err := dbos.ListWorkflows(w.site.engine, dbos.WithFilterWorkflowIDs(order.ID))
	if err != nil || len(all) != 0 {
		t.Errorf("%d sagas of no order, %v", len(all), err)
	}
}

// What was done is undone, the last step first. What was refused has done nothing.
func compensatesBackwards(t *testing.T, w *world) {
	w.start(w.Settings)
	charge, reserve, ship := string(saga.ChargePayment), string(saga.ReserveStock),
		string(saga.ShipOrder)
	release, refund := string(saga.ReleaseStock), string(saga.RefundPayment)
	for email, want := range map[string][]string{
		ada:                        {charge, reserve, ship, "note.Accepted"},
		"b@" + saga.DeclinedDomain: {charge, "note.Cancelled"},
		"c@" + saga.SoldOutDomain:  {charge, reserve, refund, "note.Cancelled"},
		nowhere:                    {charge, reserve, ship, release, refund, "note.Cancelled"},
	} {
		id := w.place(email)
		eventually(t, "the order has ended", func() bool { return w.status(id).State.Ended() })
		var got []string
		for _, d := range w.status(id).Steps {
			got = append(got, d.Step)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", email, got, want)
		}
	}
	w.booked(1, 3)
}

// A parked saga sleeps in the database. Its worker is stopped, another one has it, and a person
// sends it on.
func parkedOutlivesItsWorker(t *testing.T, w *world) {
	stop := w.start(w.Settings)
	id, done := w.place(closed), w.place(ada)
	w.reaches(done, saga.Accepted)
	w.reaches(id, saga.Parked)
	stop()
	if got := w.workflow(id).Status; got != dbos.WorkflowStatusEnqueued {
		t.Fatalf("the saga of the worker that was stopped is %s: want it in the queue", got)
	}
	second := w.Settings
	second.Executor = "worker-2"
	w.start(second)
	for _, c := range []struct {
		id   string
		want int
	}{
		{done, http.StatusConflict}, {"nobody", http.StatusNotFound},
		{"0197c0de-0000-7000-8000-000000000000", http.StatusNotFound}, {id, http.StatusOK},
	} {
		if got := w.ask(http.MethodPost, "/sagas/"+c.id+"/resume?by_hand=true"); got != c.want {
			t.Errorf("resume %s: status %d, want %d", c.id, got, c.want)
		}
	}
	w.reaches(id, saga.Cancelled)
	if got := w.ask(http.MethodGet, "/orders/"+id); got != http.StatusOK {
		t.Errorf("status %d for a known order", got)
	}
	w.booked(1, 1)
}

func (w *world) ask(method, target string) int {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.site.Handler().ServeHTTP(rec, httptest.NewRequest(method, target, nil))
	return rec.Code
}

// One order has its worker killed with -9 after each of its effects, each time before the engine
// has the answer. Every life does the last step again, and the service knows the key.
func killedBetweenEffectAndRecord(t *testing.T, w *world) {
	for email, kinds := range map[string][]saga.Kind{
		ada: {saga.ChargePayment, saga.ReserveStock, saga.ShipOrder},
		nowhere: {saga.ChargePayment, saga.ReserveStock,
			saga.ReleaseStock, saga.RefundPayment},
	} {
		id := w.place(email)
		for _, kind := range kinds {
			w.killedAt(string(kind) + "/after-commit")
			if w.did(id, string(kind)) {
				t.Errorf("%s was recorded before the worker died", kind)
			}
		}
		end := saga.Accepted
		if email == nowhere {
			end = saga.Cancelled
		}
		stop := w.start(w.Settings)
		w.reaches(id, end)
		stop()
	}
	w.booked(1, 1)
}

// A key from the clock is another one in the next life.
func chargesTwice(t *testing.T, w *world) {
	id := w.place(ada)
	w.killedAt(string(saga.ChargePayment) + "/after-commit")
	w.start(w.Settings)
	w.reaches(id, saga.Accepted)
	if now := w.books(); now.Duplicated != w.before.Duplicated+1 {
		t.Errorf("%+v: want a card that is charged twice", now)
	}
}

// begun is a saga of the first release whose worker has died when the card was charged and the
// stock reserved.
func (w *world) begun() (id string, second Settings) {
	w.t.Helper()
	id = w.place(ada)
	w.killedAt(string(saga.ReserveStock) + "/after-commit")
	second = w.Settings
	second.Release = 2
	return id, second
}

// A worker of another name leaves the saga alone, and so does one of another version: both take
// new ones.
func leftToItsOwn(t *testing.T, w *world) {
	id, second := w.begun()
	other := w.Settings
	other.Executor = "worker-2"
	stop := w.start(other)
	w.reaches(w.place(ada), saga.Accepted)
	stop()
	w.start(second)
	newer := w.place(ada)
	w.reaches(newer, saga.Accepted)
	if !w.did(newer, "customer.check") {
		t.Error("the second release has not checked the customer")
	}
	s, now := w.status(id), w.workflow(id)
	if s.State != saga.Pending || len(s.Steps) != 1 || now.Status != dbos.WorkflowStatusPending {
		t.Fatalf("%+v, %s: somebody has touched the saga of a worker that is dead", s, now.Status)
	}
	w.start(w.Settings)
	w.reaches(id, saga.Accepted)
	w.booked(3, 0)
}

func patchedGoesOn(t *testing.T, w *world) {
	id, second := w.begun()
	stop := w.start(second)
	w.reaches(id, saga.Accepted)
	newer, blocked := w.place(ada), w.place("x@"+BlockedDomain)
	w.reaches(newer, saga.Accepted)
	w.reaches(blocked, saga.Cancelled)
	if w.did(id, "customer.check") || !w.did(newer, "customer.check") {
		t.Error("want a check of the newer order only")
	}
	w.booked(2, 1)
	stop()

	first := w.Settings
	w.Release = 2
	later := w.place(ada)
	w.killedAt(string(saga.ReserveStock) + "/after-commit")
	w.start(first)
	w.givenUp(later, "check-customers was recorded") // there is no way back
}

// givenUp waits until the engine ends a saga because of what its record does not have.
func (w *world) givenUp(id, why string) {
	w.t.Helper()
	var now dbos.WorkflowStatus
	eventually(w.t, "the engine gives the saga up", func() bool {
		now = w.workflow(id)
		return now.Status == dbos.WorkflowStatusError
	})
	if now.Error == nil || !strings.Contains(now.Error.Error(), why) {
		w.t.Errorf("given up with %v: want %q", now.Error, why)
	}
}

func changedIsStuck(t *testing.T, w *world) {
	id, second := w.begun()
	w.start(second)
	w.givenUp(id, "payment.charge was recorded when customer.check was expected")
	now := w.books()
	if now.Open != w.before.Open+1 || now.Money.Held <= w.before.Money.Held {
		t.Errorf("%+v: want an order that is open for good, and paid", now)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-variant", "wrong"}, {"-release", "3"}, {"-executor", ""},
		{"-work", "-1s"}, {"more"}, {"-unknown"}} {
		if _, err := ReadSettings("test", args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
	s, err := ReadSettings("test", []string{"-release", "2"})
	if err != nil || s.version() != "release-2" {
		t.Errorf("%+v, %v", s, err)
	}
	s.Variant = "patched"
	if s.version() != "all-releases" {
		t.Errorf("patched is %s", s.version())
	}
}
