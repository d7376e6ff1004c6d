package actors

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"course.example/12-actors/engine"
	"course.example/lab/services/servicestest"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

func redisClient(t *testing.T) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(servicestest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// stores are those that must behave alike.
func stores(t *testing.T) map[string]engine.Store {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), servicestest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	postgres, err := NewPostgresStore(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]engine.Store{
		"redis": NewRedisStore(redisClient(t)), "postgres": postgres, "volatile": engine.Volatile(),
	}
}

func change(expect int64, data, effect string) engine.Change {
	return engine.Change{Expect: expect, Data: []byte(data), Effect: effect}
}

func TestStores(t *testing.T) {
	t.Parallel()
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			wantRecord(t, store, engine.Record{})
			steps := []struct {
				what   string
				change engine.Change
				want   error
			}{
				{"the first write", change(0, `1`, "a"), nil},
				{"a first write that comes second", change(0, `9`, ""), engine.ErrStale},
				{"the next", change(1, `2`, "b"), nil},
				{"one that has missed it", change(1, `9`, "c"), engine.ErrStale},
				{"one from the future", change(7, `9`, "c"), engine.ErrStale},
				{"an effect that was there", change(2, `9`, "a"), engine.ErrDone},
				{"a stale one with an effect that was there", change(1, `9`, "a"), engine.ErrStale},
				{"without an effect", change(2, `3`, ""), nil},
				{"and another without", change(3, `4`, ""), nil},
				{"an effect that was refused before", change(4, `5`, "c"), nil},
			}
			for _, s := range steps {
				if err := store.Write(ctx, "Test/1", s.change); !errors.Is(err, s.want) {
					t.Errorf("%s: got %v, want %v", s.what, err, s.want)
				}
			}
			wantRecord(t, store, engine.Record{Version: 5, Data: []byte(`5`)})
			// Another grain's effects are its own.
			if err := store.Write(ctx, "Test/2", change(0, `1`, "a")); err != nil {
				t.Errorf("the same effect of another grain: %v", err)
			}
		})
	}
}

func wantRecord(t *testing.T, store engine.Store, want engine.Record) {
	t.Helper()
	got, err := store.Read(t.Context(), "Test/1")
	if err != nil || got.Version != want.Version || string(got.Data) != string(want.Data) {
		t.Errorf("read %d %s, %v; want %d %s", got.Version, got.Data, err,
			want.Version, want.Data)
	}
}

// Several activations of one grain, which there should not be, count together.
// Whatever they are told, what is in the store is what was acknowledged.
func TestActivationsThatRace(t *testing.T) {
	t.Parallel()
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			const rivals, each = 4, 25
			var (
				group sync.WaitGroup
				mu    sync.Mutex
				acked int
			)
			for r := range rivals {
				group.Go(func() {
					s := engine.NewState[int](store, "Test/race")
					for i := range each {
						effect := strconv.Itoa(r*each + i)
						if add(t.Context(), t, s, effect) {
							mu.Lock()
							acked++
							mu.Unlock()
						}
					}
				})
			}
			group.Wait()
			got, err := engine.NewState[int](store, "Test/race").Read(t.Context())
			if err != nil || got != acked || acked != rivals*each {
				t.Errorf("%d in the store (%v), %d acknowledged, %d asked for",
					got, err, acked, rivals*each)
			}
		})
	}
}

// add tries until it has written, as a caller does who is told no.
func add(ctx context.Context, t *testing.T, s *engine.State[int], effect string) bool {
	for ctx.Err() == nil {
		n, err := s.Read(ctx)
		if err == nil {
			err = s.Write(ctx, n+1, effect)
		}
		if err == nil {
			return true
		}
		if !errors.Is(err, engine.ErrStale) {
			t.Errorf("effect %s: %v", effect, err)
			return false
		}
	}
	return false
}

// The paused silo, without a silo: two activations have read the same version.
func TestStaleActivation(t *testing.T) {
	t.Parallel()
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			stale, fresh := engine.NewState[shelf](store, "Stock/x"), engine.NewState[shelf](store, "Stock/x")
			write(t, stale, shelf{Sold: 1}, nil)
			if _, err := fresh.Read(ctx); err != nil {
				t.Fatal(err)
			}
			write(t, fresh, shelf{Sold: 2}, nil)
			write(t, stale, shelf{Sold: 9}, engine.ErrStale)
			// It has forgotten what it believed, and reads what is so.
			if got, err := stale.Read(ctx); err != nil || got.Sold != 2 {
				t.Errorf("read %+v, %v; want 2 sold", got, err)
			}
			write(t, stale, shelf{Sold: 3}, nil)
		})
		t.Run(name+" no-version", func(t *testing.T) {
			overwriting := noVersion(store)()
			stale := engine.NewState[shelf](overwriting, "Stock/y")
			fresh := engine.NewState[shelf](overwriting, "Stock/y")
			write(t, stale, shelf{Sold: 1}, nil)
			if _, err := fresh.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			for sold := int64(2); sold < 10; sold++ {
				write(t, fresh, shelf{Sold: sold}, nil)
			}
			write(t, stale, shelf{Sold: 2}, nil) // and nobody objects
			got, err := engine.NewState[shelf](store, "Stock/y").Read(t.Context())
			if err != nil || got.Sold != 2 {
				t.Errorf("read %+v, %v; seven sales should have been lost", got, err)
			}
		})
	}
}

func write(t *testing.T, s *engine.State[shelf], value shelf, want error) {
	t.Helper()
	if _, err := s.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), value, ""); !errors.Is(err, want) {
		t.Errorf("write %+v: got %v, want %v", value, err, want)
	}
}

// What the grain forgets with its activation, and what it keeps.
func TestVolatileOrPersisted(t *testing.T) {
	t.Parallel()
	store := stores(t)["redis"]
	for _, c := range []struct {
		variant string
		want    int64 // remembered by the next activation
	}{{"right", 5}, {"no-version", 5}, {"no-persistence", 0}} {
		memory := variants[c.variant].memory(store)
		write(t, engine.NewState[shelf](memory(), "Stock/"+c.variant), shelf{Sold: 5}, nil)
		got, err := engine.NewState[shelf](memory(), "Stock/"+c.variant).Read(t.Context())
		if err != nil || got.Sold != c.want {
			t.Errorf("%s: the next activation remembers %d, %v; want %d",
				c.variant, got.Sold, err, c.want)
		}
	}
}

// A store that does not answer has perhaps written: nobody may go on from memory.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	inner := engine.Volatile()
	lossy := &losesAnswers{Store: inner}
	s := engine.NewState[int](lossy, "Test/1")
	if _, err := s.Read(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(ctx, 1, "a"); err == nil {
		t.Fatal("the answer was not lost")
	}
	if got, err := s.Read(ctx); err != nil || got != 1 || s.Version() != 1 {
		t.Errorf("remembers %d at version %d, %v; the store has 1 at 1", got, s.Version(), err)
	}
}

type losesAnswers struct{ engine.Store }

func (l *losesAnswers) Write(ctx context.Context, grain string, c engine.Change) error {
	if err := l.Store.Write(ctx, grain, c); err != nil {
		return err
	}
	return errors.New("connection reset")
}

func TestUnreadableState(t *testing.T) {
	t.Parallel()
	store := engine.Volatile()
	if err := store.Write(t.Context(), "Test/1", change(0, `"text"`, "")); err != nil {
		t.Fatal(err)
	}
	_, err := engine.NewState[int](store, "Test/1").Read(t.Context())
	if err == nil || !contains(err, "state of Test/1, version 1") {
		t.Errorf("got %v", err)
	}
}
