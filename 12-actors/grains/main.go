package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"time"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	flags := shop.NewFlags("grains")
	n := flags.Int("n", 1000, "how many `calls` at once")
	takes := flags.Duration("takes", 2*time.Millisecond, "how `long` each of them takes")
	idle := flags.Duration("idle", 2*time.Second, "a grain is deactivated after `this` long")
	serve := flags.String("serve", "", "serve GET /hello/{id} at this `address` until Ctrl-C")
	variant := flags.String("variant", "right", "right or no-recover")
	flags.Env("variant", "VARIANT")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	if *n < 1 || *takes < 0 || *idle <= 0 {
		return &shop.UsageError{Problem: "-n and -idle must be positive, -takes not negative"}
	}
	start := engine.StartSilo
	switch *variant {
	case "right":
	case "no-recover":
		start = carelessSilo
	default:
		return &shop.UsageError{Problem: fmt.Sprintf(
			"there is no variant %q: there are right and no-recover", *variant)}
	}
	out := &log{out: os.Stdout}
	if *serve != "" {
		silo := start(HelloKind(Polite{}, out, *idle), HostKind(*idle))
		defer engine.Stop(silo)
		return shop.Serve(ctx, *serve, Web(silo, patience))
	}
	if err := show(ctx, out, *idle, start); err != nil {
		return err
	}
	return showMassive(out, *n, *takes)
}

// patience is how long the web app waits for a grain's answer.
const patience = 2 * time.Second

// show lets a grain be called from outside and from another grain, and waits
// until it is deactivated.
func show(
	ctx context.Context, out *log, idle time.Duration,
	start func(...*cluster.Kind) *cluster.Cluster,
) error {
	gone := make(chan struct{}, 8) // a deactivation each
	events := io.MultiWriter(out, watch{gone})
	silo := start(HelloKind(Polite{}, events, idle), HostKind(idle))
	defer engine.Stop(silo)
	web := httptest.NewServer(Web(silo, patience))
	defer web.Close()

	fmt.Fprintln(out, "From the web app: nobody has created the grain Hello/ada")
	for range 2 {
		if err := get(ctx, out, web.URL, "/hello/ada"); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "\nFrom another grain: Host/castle calls Hello/ada and Hello/bob")
	reply, err := GetHostGrainClient(silo, "castle").Invite(
		&InviteRequest{Guests: []string{"ada", "bob"}}, engine.Within(10*time.Second))
	if err != nil {
		return errors.New(engine.Reason(err))
	}
	for _, answer := range reply.GetAnswers() {
		fmt.Fprintf(out, "  %s\n", answer)
	}
	fmt.Fprintf(out, "\nNobody calls them for %v\n", idle)
	for range 2 {
		select {
		case <-gone:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	fmt.Fprintln(out, "\nThe same name again: another activation, which has counted nothing")
	if err := get(ctx, out, web.URL, "/hello/ada"); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nA call that is too much for a grain, then one that is not")
	if err := get(ctx, out, web.URL, "/hello/eve?greeting=boo"); err != nil {
		return err
	}
	return get(ctx, out, web.URL, "/hello/eve")
}

func get(ctx context.Context, out io.Writer, base, path string) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return fmt.Errorf("ask the web app: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the web app: %w", err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read the web app's answer: %w", err)
	}
	fmt.Fprintf(out, "  GET %s: %d %s", path, resp.StatusCode, body)
	return nil
}

// showMassive calls one grain a thousand times, then a thousand grains.
func showMassive(out *log, n int, takes time.Duration) error {
	slow := &Slow{Takes: takes}
	silo := engine.StartSilo(HelloKind(slow, io.Discard, time.Minute))
	defer engine.Stop(silo)
	fmt.Fprintf(out, "\n%d calls at once, each takes %v\n", n, takes)
	same, err := MassiveSameID(silo, slow, n)
	if err != nil {
		return err
	}
	same.print(out, "massiveSameId, one grain")
	different, err := MassiveDifferentIDs(silo, slow, n)
	if err != nil {
		return err
	}
	different.print(out, fmt.Sprintf("massiveDifferentIds, %d grains", n))
	fmt.Fprintf(out, "  one grain took %.0f times as long\n",
		same.Took.Seconds()/different.Took.Seconds())
	return nil
}

// watch counts the deactivations among the events.
type watch struct{ gone chan<- struct{} }

func (w watch) Write(line []byte) (int, error) {
	if deactivated.Match(line) {
		w.gone <- struct{}{}
	}
	return len(line), nil
}

var deactivated = regexp.MustCompile(": deactivated ")
