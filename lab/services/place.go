package services

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"course.example/lab/internal/home"
)

// place is a part of somebody else's server that a run has made for itself. It is recorded with
// the run, so that it does not stay forever when the run is killed.
type place struct {
	Kind       Kind   `json:"kind"`
	URL        string `json:"url"` // of the server
	Management string `json:"management,omitempty"`
	Name       string `json:"name"`
}

// placePrefix starts the keys of places in a run's record.
const placePrefix = "place."

// Isolate makes a place of one's own on a server that others may use at the same time: a vhost
// in RabbitMQ, a database in Postgres, a database number in Redis. It returns the environment
// that leads there and a function that removes it. The name ("07-rabbitmq") is for people; a
// random part is added, so that two of the same name never meet. A kind that has no such places
// returns its usual environment.
func (s *Server) Isolate(
	ctx context.Context, name string,
) (env map[string]string, cleanup func(context.Context) error, err error) {
	return s.IsolateFor(ctx, nil, name)
}

// IsolateFor is [Server.Isolate] for a run that may be killed: the next [Sweep] removes the place
// then.
func (s *Server) IsolateFor(
	ctx context.Context, run *home.Run, name string,
) (env map[string]string, cleanup func(context.Context) error, err error) {
	t := traits[s.Kind]
	env = s.Env()
	if t.place == nil {
		return env, func(context.Context) error { return nil }, nil
	}
	p := place{s.Kind, s.URL, s.management, safeName(name)}
	if env[t.env], err = t.place(ctx, s.address(), p.Name); err != nil {
		return nil, nil, fmt.Errorf("isolate %s on %s: %w", p.Name, s.Name, err)
	}
	remove := func(ctx context.Context) error { return t.remove(ctx, s.address(), p.Name) }
	if run == nil {
		return env, remove, nil
	}
	raw, err := json.Marshal(p)
	if err == nil {
		err = run.Update(func(r *home.Record) { r.Extra[placePrefix+p.Name] = string(raw) })
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("record %s: %w", p.Name, err), remove(ctx))
	}
	cleanup = func(ctx context.Context) error {
		if err := remove(ctx); err != nil {
			return err
		}
		return run.Update(func(r *home.Record) { delete(r.Extra, placePrefix+p.Name) })
	}
	return env, cleanup, nil
}

// sweepPlaces removes the places of runs that were killed. A server that is gone has taken its
// places with it.
func sweepPlaces(ctx context.Context, say func(string)) error {
	dead, err := home.Dead()
	if err != nil {
		return err
	}
	for _, r := range dead {
		for key, raw := range r.Extra {
			if !strings.HasPrefix(key, placePrefix) {
				continue
			}
			var p place
			if err := json.Unmarshal([]byte(raw), &p); err != nil {
				return fmt.Errorf("read the record of run %s: %w", r.ID, err)
			}
			if err := p.remove(ctx); err != nil {
				say(fmt.Sprintf("%s of run %s, which was killed, could not be removed: %v",
					p.Name, r.ID, err))
				continue
			}
			say(fmt.Sprintf("removed %s of run %s, which was killed, from %s", p.Name, r.ID, p.Kind))
		}
	}
	return nil
}

func (p place) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	remove := traits[p.Kind].remove
	if remove == nil {
		return fmt.Errorf("%q has no places", p.Kind)
	}
	return remove(ctx, address{URL: p.URL, Management: p.Management}, p.Name)
}

// safeName keeps what may stand in a vhost, a database name and a URL without quoting. Postgres
// cuts names after 63 bytes, and the random part must not be what is cut.
func safeName(name string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '-'
		}
	}, name)
	clean = clean[:min(len(clean), 40)]
	return clean + "-" + strings.ToLower(rand.Text()[:8])
}
