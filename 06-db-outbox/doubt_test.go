package outbox

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/jackc/pgx/v5/pgxpool"
)

// turnstile makes every commit of an effect wait until the test lets it pass. The
// trigger is deferred, so it waits in COMMIT itself, behind everything else.
type turnstile struct {
	pool *pgxpool.Pool
	keys *pgxpool.Conn
}

const turnstileKey = 6_0099

func newTurnstile(t *testing.T, pool *pgxpool.Pool, table string) *turnstile {
	t.Helper()
	exec(t, pool, `CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN PERFORM pg_advisory_xact_lock_shared(60099); RETURN NEW; END $$`)
	exec(t, pool, `CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON `+table+`
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()`)
	keys, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(keys.Release)
	if _, err := keys.Exec(t.Context(), `SELECT pg_advisory_lock($1)`, turnstileKey); err != nil {
		t.Fatal(err)
	}
	return &turnstile{pool, keys}
}

const waitsInCommit = ` FROM pg_stat_activity WHERE datname = current_database()
	AND wait_event_type = 'Lock' AND query ILIKE 'commit%'`

// reached waits until a commit stands before it.
func (s *turnstile) reached(t *testing.T) {
	t.Helper()
	eventually(t, "a commit is under way", func() bool {
		return count(t, s.pool, `SELECT count(*)`+waitsInCommit) == 1
	})
}

func (s *turnstile) open(t *testing.T) {
	t.Helper()
	if _, err := s.keys.Exec(t.Context(), `SELECT pg_advisory_unlock_all()`); err != nil {
		t.Fatal(err)
	}
}

// A commit is sent, and no answer comes: the network is cut behind it, or its
// session ends before it. The worker learns which, says what is done and nothing
// else, and does the rest.
func TestACommitWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for _, take := range []string{"skip-locked", "optimistic"} {
		for name, happened := range map[string]bool{"it happened": true, "it did not": false} {
			t.Run(take+" "+name, func(t *testing.T) {
				t.Parallel()
				s, pool := onDatabase(t)
				s.Take = take
				commit := newTurnstile(t, pool, "inbox")
				place(t, s, pool, 1)
				cut := s
				var silence func()
				cut.URL, silence = servicestest.Silenced(t, s.URL)
				c := NewConsumer(newPool(t, cut), s, noWork)
				c.settings.Timeout = 20 * time.Second // the answers before are not in question
				w := c.newWorker(0, nil)
				ctx, ear := listening(context.Background())
				ended := make(chan error, 1)
				go func() {
					_, err := w.once(ctx)
					ended <- err
				}()
				commit.reached(t)
				if happened {
					silence()
					commit.open(t)
					eventually(t, "it is committed", func() bool {
						return count(t, pool, countInbox) == 1
					})
					// Nobody hears of it. That takes the connection as long as it takes; here
					// it ends with the session.
					exec(t, pool, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
						WHERE datname = current_database() AND pid <> pg_backend_pid()
						AND query ILIKE 'commit%'`)
				} else {
					exec(t, pool, `SELECT pg_terminate_backend(pid)`+waitsInCommit)
					commit.open(t)
				}
				if err := receive(t, "end of the commit", ended); err == nil {
					t.Fatal("a commit that nobody answered is no error")
				}
				if said := ear.lines(); len(said) > 0 {
					t.Errorf("said before it was known: %q", said)
				}
				c.pool = pool // the network is whole again
				for range 2 {
					if _, err := w.once(ctx); err != nil {
						t.Fatal(err)
					}
				}
				done := slices.Sorted(slices.Values(queryTexts(t, pool, inboxLines)))
				if said := ear.lines(); !slices.Equal(said, done) || len(done) != 1 {
					t.Errorf("said %q, in the inbox is %q", said, done)
				}
				truth(t, pool, 1)
			})
		}
	}
}

// A consumer is killed while the server commits, and is back before that has ended. The
// next life waits for it and reports it: nobody else will.
func TestTheNextLifeWaitsForTheLast(t *testing.T) {
	t.Parallel()
	for name, earlier := range map[string]int{"its first effect": 0, "a later one": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			s.Timeout = time.Minute // the answers are not in question
			place(t, s, pool, earlier)
			if earlier > 0 {
				once(t, NewConsumer(pool, s, noWork).newWorker(0, nil), earlier)
			}
			commit := newTurnstile(t, pool, "inbox")
			id := place(t, s, pool, 1)[0]
			lives := make(chan error, 2)
			live := func() *ear {
				ctx, ear := listening(context.Background())
				w := NewConsumer(pool, s, noWork).newWorker(0, nil)
				go func() {
					_, err := w.once(ctx)
					lives <- err
				}()
				return ear
			}
			live()
			commit.reached(t)
			next := live()
			eventually(t, "the next life waits", func() bool {
				if len(lives) > 0 {
					t.Fatal("it did not wait for the end of the last life's commit")
				}
				return count(t, pool, `SELECT count(*) FROM pg_stat_activity
					WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 2
			})
			commit.open(t)
			for range 2 {
				if err := receive(t, "end of a life", lives); err != nil {
					t.Error(err)
				}
			}
			done := queryTexts(t, pool, inboxLines+` WHERE order_id = $1`, id)
			if said := next.lines(); !slices.Equal(said, done) || len(done) != 1 {
				t.Errorf("the next life says %q, the last has done %q", said, done)
			}
		})
	}
}

// A commit in doubt did not happen, and another consumer has done its orders since.
// They are the other's to report.
func TestADoubtIsNotAnothersEffect(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	place(t, s, pool, 2)
	w := NewConsumer(pool, s, noWork).newWorker(0, nil)
	w.ready = true
	messages, err := w.take(t.Context(), pool, selectOpen, 2)
	if err != nil {
		t.Fatal(err)
	}
	s.Name = "another"
	once(t, NewConsumer(pool, s, noWork).newWorker(0, nil), 2)
	w.doubt = w.work(t.Context(), messages)
	ctx, ear := listening(t.Context())
	if err := w.clearUp(ctx); err != nil || w.doubt != nil {
		t.Errorf("the doubt: %v, error %v", w.doubt, err)
	}
	if said := ear.lines(); len(said) > 0 {
		t.Errorf("said of another's effects: %q", said)
	}
}

// once lets a worker take one batch, of that many messages.
func once(t *testing.T, w *worker, want int) {
	t.Helper()
	if n, err := w.once(t.Context()); n != want || err != nil {
		t.Fatalf("took %d messages, want %d; error %v", n, want, err)
	}
}

// Two optimists fail with the same message at the same time. It has failed once.
func TestOptimistsFailOnce(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	s.Take, s.Attempts = "optimistic", 100
	place(t, s, pool, 1)
	in, out := make(chan string, 2), make(chan struct{})
	c := NewConsumer(pool, s, func(_ context.Context, o shop.Order) error {
		in <- o.ID
		<-out
		return errors.New("not today")
	})
	ended := make(chan error, 2)
	for i := range 2 {
		w := c.newWorker(i, nil)
		go func() {
			_, err := w.once(context.Background())
			ended <- err
		}()
	}
	for range 2 {
		receive(t, "order in the hands of both", in)
	}
	close(out)
	for range 2 {
		if err := receive(t, "end of the round", ended); err != nil {
			t.Error(err)
		}
	}
	attempts := count(t, pool, `SELECT attempts FROM outbox`)
	if attempts != 1 || c.Conflicts() != 1 {
		t.Errorf("%d attempts and %d conflicts, want one of each", attempts, c.Conflicts())
	}
}

// A message that has failed is left alone for its pause, and what comes after it is
// not.
func TestAFailureIsLeftAloneForItsPause(t *testing.T) {
	t.Parallel()
	for _, take := range []string{"row-lock", "skip-locked", "optimistic"} {
		t.Run(take, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			s.Take, s.Attempts, s.Batch = take, 100, 1
			bad := place(t, s, pool, 1)[0]
			exec(t, pool, `UPDATE outbox SET attempts = 9`) // the next pause is long
			w := NewConsumer(pool, s, func(_ context.Context, o shop.Order) error {
				if o.ID == bad {
					return errors.New("zero \x00 and no letter \xff")
				}
				return nil
			}).newWorker(0, nil)
			once(t, w, 1)
			once(t, w, 0)
			if n := count(t, pool, `SELECT count(*) FROM outbox WHERE attempts = 10
				AND error = 'zero ? and no letter �' AND dead_at IS NULL
				AND not_before > created_at + interval '50 seconds'`); n != 1 {
				t.Error("the failure is not written down as it should be")
			}
			place(t, s, pool, 1)
			once(t, w, 1)
			if n := count(t, pool, countEffects); n != 1 {
				t.Errorf("%d effects, want the good order's", n)
			}
		})
	}
}

// The commit fails: neither is there, and the customer is told no.
func TestNothingIsWrittenWithoutTheCommit(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	exec(t, pool, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN RAISE 'the commit fails'; END $$`)
	exec(t, pool, `CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON orders
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`)
	err := NewProducer(pool, s).Place(t.Context(), newOrder(t, shop.SampleEmail))
	if err == nil || !strings.Contains(err.Error(), "the commit fails") {
		t.Errorf("the customer was told %v", err)
	}
	orders := count(t, pool, `SELECT count(*) FROM orders`)
	messages := count(t, pool, `SELECT count(*) FROM outbox`)
	if orders+messages != 0 {
		t.Errorf("there are %d orders and %d messages, want none", orders, messages)
	}
}

// Who is asked whether orders can be taken says no for as long as there are no
// tables.
func TestReadyOnceTheTablesAreThere(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	p := NewProducer(pool, s)
	if err := p.Ready(t.Context()); err == nil {
		t.Error("ready before the tables were made")
	}
	if err := p.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Ready(t.Context()); err != nil {
		t.Errorf("with the tables there: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late := NewProducer(pool, s)
	if err := late.Prepare(cancelled); err == nil || late.Ready(t.Context()) == nil {
		t.Error("ready, and the tables could not be made")
	}
}

// Migrations wait in line: whoever has the lock is at it.
func TestMigrateWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	exec(t, pool, dropAll) // whoever finds nothing to do need not wait
	holder, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Release()
	if _, err := holder.Exec(t.Context(), `SELECT pg_advisory_lock($1)`, migrationKey); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	mine := newPool(t, s)
	go func() { done <- Migrate(context.Background(), mine) }()
	eventually(t, "it waits for the lock", func() bool {
		if len(done) > 0 {
			t.Fatal("it migrated while another was at it")
		}
		return count(t, pool, `SELECT count(*) FROM pg_locks
			WHERE locktype = 'advisory' AND NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`) == 1
	})
	if _, err := holder.Exec(t.Context(), `SELECT pg_advisory_unlock_all()`); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "end of the migration", done); err != nil {
		t.Error(err)
	}
}

// One sweeps, the others leave it to him.
func TestOneSweepsAtATime(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	place(t, s, pool, 1)
	c := NewConsumer(pool, s, noWork)
	once(t, c.newWorker(0, nil), 1)
	exec(t, pool, `UPDATE inbox SET processed_at = now() - interval '1 day'`)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }() // or the pool stays open
	if _, err := tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock($1)`, houseKey); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("beside another one's sweep: removed %d, error %v", n, err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("alone: removed %d, want 1; error %v", n, err)
	}
}
