package actors

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
	"golang.org/x/sync/semaphore"
)

func TestBadSettings(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		change func(*Settings)
		want   string
	}{
		{"redis", func(s *Settings) { s.RedisURL = "localhost" }, "want redis://host:port/0"},
		{"store", func(s *Settings) { s.Store = "disk" }, `store "disk" is unknown`},
		{"database", func(s *Settings) { s.Store, s.DatabaseURL = "postgres", "http://x:y" },
			"want postgres://"},
		{"variant", func(s *Settings) { s.Variant = "wrnog" },
			`variant "wrnog" is unknown; there are: no-clock, no-deadline, no-persistence`},
		{"lease", func(s *Settings) { s.Lease = time.Millisecond }, "lease must be 300ms to 1h"},
		{"work", func(s *Settings) { s.Work = -1 }, "work must be 0s to 1h"},
		{"try", func(s *Settings) { s.Try = 0 }, "try must be"},
		{"workers", func(s *Settings) { s.Workers = -1 }, "workers must be 0 to 10000"},
	}
	for _, c := range cases {
		s := DefaultSettings()
		c.change(&s)
		err := s.Validate()
		if usage := new(shop.UsageError); !errors.As(err, &usage) || !contains(err, c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	if err := DefaultSettings().Validate(); err != nil {
		t.Error(err)
	}
	for _, args := range [][]string{{"-wrok", "1s"}, {"extra"}, {"-lease", "often"}} {
		for _, program := range []string{"silo", "web"} {
			if _, err := ReadSettings(program, args); err == nil {
				t.Errorf("%s %q: no error", program, args)
			}
		}
	}
}

// Without its servers a program ends, and says where it has looked.
func TestNoServer(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	s.RedisURL = "redis://127.0.0.1:1/0"
	for name, run := range map[string]func(context.Context, Settings) error{
		"silo": RunSilo, "web": RunWeb,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := run(t.Context(), s); !contains(err, "no Redis answers at 127.0.0.1:1") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A silo with workers has no more orders in work than it has workers.
func TestWorkersOfASilo(t *testing.T) {
	t.Parallel()
	for workers, want := range map[int64]time.Duration{1: 80, 2: 40} {
		synctest.Test(t, func(t *testing.T) {
			silo := &Silo{settings: DefaultSettings(), workers: semaphore.NewWeighted(workers)}
			start := time.Now()
			var group sync.WaitGroup
			for range 4 {
				group.Go(func() {
					if err := silo.work(t.Context(), shop.Order{UserEmail: shop.SampleEmail}); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if took := time.Since(start); took != want*time.Millisecond {
				t.Errorf("%d workers did four orders in %v, want %v", workers, took, want*time.Millisecond)
			}
		})
	}
}
