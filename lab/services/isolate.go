package services

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"strings"
)

// Isolate makes a place of one's own on a server that others may use at the same time: a vhost
// in RabbitMQ, a database in Postgres, a database number in Redis. It returns the environment
// that leads there and a function that removes it. The name ("07-rabbitmq") is for people; a
// random part is added, so that two of the same name never meet. A kind that has no such places
// returns its usual environment.
func (s *Server) Isolate(
	ctx context.Context, name string,
) (env map[string]string, cleanup func(context.Context) error, err error) {
	name = safeName(name)
	var own string
	switch s.Kind {
	case RabbitMQ:
		own, cleanup, err = isolateRabbit(ctx, s.address(), name)
	case Postgres:
		own, cleanup, err = isolatePostgres(ctx, s.address(), name)
	case Redis:
		own, cleanup, err = isolateRedis(ctx, s.address(), name)
	default:
		own, cleanup = s.URL, func(context.Context) error { return nil }
	}
	if err != nil {
		return nil, nil, fmt.Errorf("isolate %s on %s: %w", name, s.Name, err)
	}
	env = maps.Clone(s.Env())
	env[traits[s.Kind].env] = own
	return env, cleanup, nil
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
