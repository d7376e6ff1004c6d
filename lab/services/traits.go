package services

import (
	"context"
	"time"
)

// trait is what the chain must know about a kind to treat all kinds alike.
type trait struct {
	title string // for people
	env   string // the variable that names a server of this kind
	// usual is the address of the compose file's defaults.
	usual address
	// ports are the container's ports, the first being the one clients talk to.
	ports []int
	image string // pinned; the compose file has the same
	// env of a container that is started without compose.
	containerEnv []string
	// boot bounds how long a start may take, on a slow machine that does other things too.
	boot time.Duration
	// handshake talks the kind's own protocol to addr, credentials included, and returns the
	// server's version.
	handshake func(ctx context.Context, a address) (version string, err error)
	// native starts private instances; nil where the lab cannot.
	native native
	// standIn makes something of the lab's own that takes the server's place; nil where there is
	// none.
	standIn func(ctx context.Context, c *Chain, need Need) (*Server, error)
	// judged says that experiments ask the stand-in what became of a run, which the real server
	// could not tell them: a private one is always the stand-in.
	judged bool
	// packages by package manager, for installing.
	packages map[string]string
}

// address is where a server answers and how to log in.
type address struct {
	URL        string // what clients connect to
	Page       string // the page for people, empty where there is none
	Login      string // what to type there, empty where nothing is asked
	Management string // RabbitMQ's HTTP API
}

// The credentials are the same wherever the lab starts a server, and those of the compose file.
const (
	rabbitUser = "guest"
	pgUser     = "shop"
)

// startSlack is how much longer than on its own a server may take while tests load the machine.
const startSlack = 2 * time.Minute

var traits map[Kind]trait

func init() {
	// Not a composite literal at declaration: the handshakes refer back to the table.
	traits = map[Kind]trait{
		RabbitMQ: {
			title: "RabbitMQ", env: "AMQP_URL", usual: rabbitAddress(5672, 15672),
			ports: []int{5672, 15672}, image: "rabbitmq:4.3-management", boot: startSlack,
			handshake: rabbitHandshake, native: rabbitNative{},
			packages: map[string]string{
				"apt-get": "rabbitmq-server", "brew": "rabbitmq", "dnf": "rabbitmq-server",
				"pacman": "rabbitmq", "zypper": "rabbitmq-server",
			},
		},
		Postgres: {
			title: "PostgreSQL", env: "DATABASE_URL", usual: postgresAddress(5432),
			ports: []int{5432}, image: "postgres:18", boot: startSlack / 2,
			containerEnv: []string{"POSTGRES_USER=" + pgUser, "POSTGRES_PASSWORD=" + pgUser},
			handshake:    postgresHandshake, native: postgresNative{},
			packages: map[string]string{
				"apt-get": "postgresql", "brew": "postgresql@18", "dnf": "postgresql-server",
				"pacman": "postgresql", "zypper": "postgresql-server",
			},
		},
		Redis: {
			title: "Redis", env: "REDIS_URL", usual: redisAddress(6379),
			ports: []int{6379}, image: "redis:8.10", boot: startSlack / 2,
			handshake: redisHandshake, native: redisNative{}, standIn: oneMiniredis,
			packages: map[string]string{
				"apt-get": "redis-server", "brew": "redis", "dnf": "redis",
				"pacman": "redis", "zypper": "redis",
			},
		},
		// Where there is no Docker, the lab's own receiver takes the place of these two, and
		// draws the traces in the terminal.
		Jaeger: {
			title: "Jaeger", env: "OTEL_EXPORTER_OTLP_ENDPOINT", usual: jaegerAddress(4318, 16686),
			ports: []int{4318, 16686}, image: "jaegertracing/jaeger:2.21.0", boot: startSlack / 2,
			handshake: otlpHandshake, standIn: oneReceiver, judged: true,
		},
		Seq: {
			title: "Seq", env: "SEQ_URL", usual: seqAddress(5341),
			ports: []int{80}, image: "datalust/seq:2025.2", boot: startSlack / 2,
			containerEnv: []string{"ACCEPT_EULA=Y", "SEQ_FIRSTRUN_NOAUTHENTICATION=true"},
			handshake:    seqHandshake, standIn: oneReceiver, judged: true,
		},
	}
}

// onPorts returns the address of a server whose ports are mapped to the given local ones.
func onPorts(kind Kind, ports []int) address {
	switch kind {
	case RabbitMQ:
		return rabbitAddress(ports[0], ports[1])
	case Postgres:
		return postgresAddress(ports[0])
	case Redis:
		return redisAddress(ports[0])
	case Jaeger:
		return jaegerAddress(ports[0], ports[1])
	default:
		return seqAddress(ports[0])
	}
}
