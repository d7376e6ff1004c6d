package services

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"course.example/lab/internal/home"
)

// place is a part of somebody else's server that a run has made for itself. It is recorded with
// the run, so that it does not stay for ever when the run is killed. (A place in Redis is taken
// back by Redis, when its key expires.)
type place struct {
	Kind       Kind   `json:"kind"`
	URL        string `json:"url"` // of the server
	Management string `json:"management,omitempty"`
	Name       string `json:"name"` // of the vhost or the database
}

// placePrefix starts the keys of places in a run's record.
const placePrefix = "place."

// IsolateFor is [Server.Isolate] for a run that may be killed: the next [Sweep] removes the place
// then.
func (s *Server) IsolateFor(
	ctx context.Context, run *home.Run, name string,
) (env map[string]string, cleanup func(context.Context) error, err error) {
	env, remove, err := s.Isolate(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	own, err := url.Parse(env[traits[s.Kind].env])
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("isolate %s: %w", name, err), remove(ctx))
	}
	p := place{s.Kind, s.URL, s.management, strings.Trim(own.Path, "/")}
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
	a := address{URL: p.URL, Management: p.Management}
	switch p.Kind {
	case RabbitMQ:
		if a.Management == "" {
			a.Management = managementOf(a.URL)
		}
		return removeVhost(ctx, a, p.Name)
	case Postgres:
		return removeDatabase(ctx, a, p.Name)
	default:
		return nil
	}
}
