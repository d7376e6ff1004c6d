package services

import (
	"strings"
	"testing"
)

func TestParseNeed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in      string
		want    Need
		wantErr string
	}{
		{"rabbitmq", Need{Kind: RabbitMQ, Count: 1}, ""},
		{" Redis  x5 ", Need{Kind: Redis, Count: 5}, ""},
		{"redis durable", Need{Kind: Redis, Count: 1, Durable: true}, ""},
		{"redis durable x5", Need{Kind: Redis, Count: 5, Durable: true}, ""},
		{"redis x5 durable", Need{Kind: Redis, Count: 5, Durable: true}, ""},
		{"redis durable durable", Need{}, "x1 to x9"},
		{"postgres durable", Need{}, "only redis has to be asked for that"},
		{"redis x1", Need{Kind: Redis, Count: 1}, ""},
		{"kafka", Need{}, `unknown service "kafka": there are rabbitmq, mqtt, nats, postgres, redis, replicated, sentinel, etcd, jaeger and seq`},
		{"", Need{}, `write it as "rabbitmq", "redis x5" or "redis durable x5"`},
		{"redis five", Need{}, "how many nodes, x1 to x9"},
		{"redis x0", Need{}, "x1 to x9"},
		{"redis x1000000", Need{}, "x1 to x9"},
		{"redis 5", Need{}, "x1 to x9"},
		{"redis x2 x3", Need{}, "x1 to x9"},
		{"redis durable x2 x3", Need{}, "write it as"},
		{"nats x3 relayed", Need{Kind: NATS, Count: 3, Relayed: true}, ""},
		{"nats relayed", Need{}, "only between several nodes of nats can there be relays: nats x3 relayed"},
		{"redis x3 relayed", Need{}, "nats x3 relayed"},
		{"rabbitmq x3", Need{}, "there are several nodes only of nats, redis, replicated and sentinel"},
	}
	for _, tt := range tests {
		got, err := ParseNeed(tt.in)
		if tt.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("ParseNeed(%q): error %v, want %q", tt.in, err, tt.wantErr)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("ParseNeed(%q) = %+v, %v, want %+v", tt.in, got, err, tt.want)
		}
		if back, err := ParseNeed(got.String()); err != nil || back != got {
			t.Errorf("%q does not read back: %+v, %v", got, back, err)
		}
	}
}
