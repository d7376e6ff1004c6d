package main

import (
	"slices"
	"testing"

	"course.example/lab/internal/manifest"
)

func TestWhichModuleIsMeant(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, want string
		is         bool
	}{
		{"06-db-outbox", "06", true},
		{"06-db-outbox", "6", true},
		{"06-db-outbox", "06-db-outbox", true},
		{"06-db-outbox/bench", "06", true}, // lies in the step
		{"06-db-outbox/bench", "06-db-outbox/bench", true},
		{"06-db-outbox/bench", "bench", false}, // whose?
		{"06-db-outbox/bench", "12", false},
		{"lab", "lab", true},
		{"lab/otlp", "lab", false}, // slow, and seldom what is meant
		{"lab/otlp", "lab/otlp", true},
	}
	for _, tt := range tests {
		if got := (module{name: tt.name}).is(tt.want); got != tt.is {
			t.Errorf("is %s meant by %q: %t, want %t", tt.name, tt.want, got, tt.is)
		}
	}
}

// Two steps that need Redis, one of them five times, must not get six.
func TestNeedsOfAllModulesTogether(t *testing.T) {
	t.Parallel()
	needs := func(all ...string) module { return module{step: &manifest.Step{Needs: all}} }
	got, err := sharedNeeds([]module{
		{}, needs("redis", "postgres"), needs("redis x5"), needs("redis", "rabbitmq"),
	})
	if want := []string{"postgres", "rabbitmq", "redis x5"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := sharedNeeds([]module{needs("oracle")}); err == nil {
		t.Error("a server that nobody knows was no error")
	}
}
