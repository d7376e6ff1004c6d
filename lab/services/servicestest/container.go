package servicestest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/postgres"
	"github.com/testcontainers/testcontainers-go/modules/rabbitmq"
	"github.com/testcontainers/testcontainers-go/modules/redis"
	"github.com/testcontainers/testcontainers-go/wait"

	"course.example/lab/services"
)

// bootTime is how long a container may take that starts beside other tests.
const bootTime = 2 * time.Minute

// helperImages are what testcontainers-go runs beside the servers: Ryuk, which cleans up.
func helperImages() []string {
	if os.Getenv("TESTCONTAINERS_RYUK_DISABLED") == "true" {
		return nil
	}
	//lint:ignore SA1019 its version is the library's to say, and it says it nowhere else
	return []string{testcontainers.ReaperDefaultImage}
}

// startContainer runs a server in a container that Ryuk removes should this process be killed.
func startContainer(
	ctx context.Context, kind services.Kind, image string, ports []int,
) (services.Container, error) {
	var c testcontainers.Container
	var err error
	switch kind {
	case services.RabbitMQ:
		var made *rabbitmq.RabbitMQContainer
		made, err = rabbitmq.Run(ctx, image, bindings([]string{"5672/tcp", "15672/tcp"}, ports),
			says("Server startup complete", 1))
		if made != nil {
			c = made.Container
		}
	case services.Postgres:
		var made *postgres.PostgresContainer
		made, err = postgres.Run(ctx, image, bindings([]string{"5432/tcp"}, ports),
			postgres.WithUsername("shop"), postgres.WithPassword("shop"),
			postgres.WithDatabase("shop"),
			// The first time it is ready for the scripts alone that make the database.
			says("database system is ready to accept connections", 2),
			// The module turns fsync off, and durability is what the lessons are about.
			testcontainers.WithCmd("postgres"))
		if made != nil {
			c = made.Container
		}
	case services.Redis:
		var made *redis.RedisContainer
		made, err = redis.Run(ctx, image, bindings([]string{"6379/tcp"}, ports),
			says("Ready to accept connections", 1))
		if made != nil {
			c = made.Container
		}
	default:
		return nil, fmt.Errorf("tests have no container for %s", kind)
	}
	if err != nil {
		return nil, errors.Join(err, testcontainers.TerminateContainer(c))
	}
	return &docked{c}, nil
}

// says waits for a line of the container's log, in place of the modules' own ways, which have a
// minute for it and some of which dial the port at another address than ours. Whether the server
// serves is for the chain's handshake to find out.
func says(line string, times int) testcontainers.CustomizeRequestOption {
	return testcontainers.WithWaitStrategyAndDeadline(bootTime,
		wait.ForLog(line).WithOccurrence(times))
}

// bindings maps the container's ports to fixed local ones. Left to itself Docker would choose
// others each time the container is started again, and a restart would be a move.
func bindings(inside []string, outside []int) testcontainers.CustomizeRequestOption {
	return testcontainers.WithHostConfigModifier(func(host *container.HostConfig) {
		host.PortBindings = network.PortMap{}
		for i, port := range inside {
			host.PortBindings[network.MustParsePort(port)] = []network.PortBinding{{
				HostIP:   netip.MustParseAddr("127.0.0.1"),
				HostPort: fmt.Sprint(outside[i]),
			}}
		}
	})
}

// docked lets the chain handle a container of testcontainers-go.
type docked struct{ c testcontainers.Container }

func (d *docked) Start(ctx context.Context) error { return d.c.Start(ctx) }

func (d *docked) Stop(ctx context.Context) error {
	grace := 30 * time.Second
	return d.c.Stop(ctx, &grace)
}

// Kill goes to the engine itself: testcontainers-go only knows how to stop.
func (d *docked) Kill(ctx context.Context) (err error) {
	cli, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return fmt.Errorf("kill container: %w", err)
	}
	defer func() { err = errors.Join(err, cli.Close()) }()
	_, err = cli.ContainerKill(ctx, d.c.GetContainerID(), client.ContainerKillOptions{})
	if err != nil && strings.Contains(err.Error(), "is not running") {
		return nil // there is nothing left to kill
	}
	return err
}

func (d *docked) Remove(ctx context.Context) error {
	return testcontainers.TerminateContainer(d.c, testcontainers.StopContext(ctx))
}

// Tail returns the last lines of the container's log, or what kept it from being read.
func (d *docked) Tail(ctx context.Context) []string {
	log, err := d.c.Logs(ctx)
	if err != nil {
		return []string{"its log cannot be read: " + err.Error()}
	}
	defer log.Close()
	const keep = 25
	var lines []string
	for scan := bufio.NewScanner(log); scan.Scan(); {
		lines = append(lines, scan.Text())
		if len(lines) > keep {
			lines = lines[1:]
		}
	}
	return lines
}
