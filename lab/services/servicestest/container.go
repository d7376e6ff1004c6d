package servicestest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/exec"

	"course.example/lab/services"
)

// helperImages are what testcontainers-go runs beside the servers: Ryuk, which cleans up.
func helperImages() []string {
	if os.Getenv("TESTCONTAINERS_RYUK_DISABLED") == "true" {
		return nil
	}
	//lint:ignore SA1019 its version is the library's to say, and it says it nowhere else
	return []string{testcontainers.ReaperDefaultImage}
}

// newContainer makes a container that the chain starts, and that Ryuk removes should this process
// be killed. Whether the server serves is for the chain's handshake to find out.
func newContainer(ctx context.Context, image services.Image) (services.Instance, error) {
	ports := network.PortMap{}
	var inside []string
	for i, number := range image.Inside {
		port := fmt.Sprintf("%d/tcp", number)
		inside = append(inside, port)
		// A fixed one: left to itself Docker would choose others each time the container is
		// started again, and a restart would be a move.
		ports[network.MustParsePort(port)] = []network.PortBinding{{
			HostIP:   netip.MustParseAddr("127.0.0.1"),
			HostPort: fmt.Sprint(image.Outside[i]),
		}}
	}
	c, err := testcontainers.Run(ctx, image.Name,
		testcontainers.WithNoStart(),
		testcontainers.WithExposedPorts(inside...),
		testcontainers.WithCmd(image.Args...),
		testcontainers.WithHostConfigModifier(func(host *container.HostConfig) {
			host.PortBindings = ports
		}),
		testcontainers.WithConfigModifier(func(config *container.Config) {
			config.Env = append(config.Env, image.Env...)
		}))
	if err != nil {
		return nil, errors.Join(err, testcontainers.TerminateContainer(c))
	}
	return &docked{c}, nil
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

func (d *docked) Close(ctx context.Context) error {
	return testcontainers.TerminateContainer(d.c, testcontainers.StopContext(ctx))
}

// Command runs a program in the container.
func (d *docked) Command(ctx context.Context, program string, args ...string) (string, error) {
	code, out, err := d.c.Exec(ctx, append([]string{program}, args...), exec.Multiplexed())
	if err != nil {
		return "", err
	}
	said, err := io.ReadAll(out)
	if err == nil && code != 0 {
		err = fmt.Errorf("it ended with code %d: %s", code, said)
	}
	return string(said), err
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
