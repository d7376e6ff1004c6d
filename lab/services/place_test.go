package services

import (
	"context"
	"errors"
	"strings"
	"testing"

	"course.example/lab/internal/home"
)

// A run that was killed must not leave a vhost or a database on a server that is not the lab's.
func TestPlacesOfKilledRunsAreRemoved(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{RabbitMQ, Postgres} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			run, server := sharedServer(t, kind)
			env, _, err := server.IsolateFor(t.Context(), run, "killed")
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for key := range run.Record().Extra {
				if name, ok := strings.CutPrefix(key, placePrefix); ok {
					names = append(names, name)
				}
			}
			if len(names) != 1 || !strings.Contains(env[traits[kind].env], names[0]) {
				t.Fatalf("recorded %q for %v", names, env)
			}
			there := &Server{
				Kind: kind, URL: env[traits[kind].env], handshake: traits[kind].handshake,
			}
			if err := there.Ready(t.Context()); err != nil {
				t.Fatalf("the place is not there: %v", err)
			}
			p := place{Kind: kind, URL: server.URL, Management: server.management, Name: names[0]}
			for range 2 { // a second sweep finds nothing, and that is no error
				if err := p.remove(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := there.Ready(t.Context()); err == nil {
				t.Error("the place is still there")
			}
		})
	}
}

// sharedServer gives the tests' server of that kind, and a run of the test's own.
func sharedServer(t *testing.T, kind Kind) (*home.Run, *Server) {
	t.Helper()
	run, err := home.Open("test")
	if err != nil {
		t.Fatal(err)
	}
	chain, err := NewChain(run, Options{Skip: []string{LinkEnv, LinkPort, LinkDocker}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := errors.Join(chain.Close(ctx), run.Close()); err != nil {
			t.Error(err)
		}
	})
	servers, err := chain.Provide(t.Context(), Need{Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	return run, servers[0]
}
