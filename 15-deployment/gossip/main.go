// Command gossip shows peers who find each other without a server, tell each other what is
// new, and fetch a file from each other. It starts them as processes of its own, kills a
// third of them, and says what came of it.
//
// Where to look, in this order:
//
//	push.go    how many rounds until everybody has heard it, computed
//	node.go    a peer: hashicorp/memberlist, and rumours
//	ear.go     what memberlist calls: a rumour came, a peer is gone
//	pieces.go  a file in pieces, whose names are their hashes
//	fetch.go   each piece from whoever has it
//	wrong.go   flooding, one peer in the middle, pieces that nobody checks
//	show.go    what is shown; swarm.go: the processes; api.go: a peer over HTTP
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"course.example/shop"
)

func main() { shop.Main(run) }

type settings struct {
	variant  string
	peers    int
	patience time.Duration
	seed     uint64

	node, join, label, hub string // of one peer
	corrupt, unchecked     bool
}

func run(ctx context.Context) error {
	s, err := parse(os.Args[1:])
	switch {
	case err != nil:
		return err
	case s.node != "":
		return s.serve(ctx)
	default:
		return show(ctx, os.Stdout, s)
	}
}

func parse(args []string) (s settings, err error) {
	f := shop.NewFlags("gossip")
	f.StringVar(&s.variant, "variant", "right", "one of "+variantNames())
	f.Env("variant", "VARIANT")
	f.IntVar(&s.peers, "peers", 16, "how many `processes`")
	f.Env("peers", "PEERS")
	f.DurationVar(&s.patience, "patience", 10*time.Second, "how long to wait for a rumour")
	f.Env("patience", "PATIENCE")
	f.Uint64Var(&s.seed, "seed", 1, "of what is computed")
	f.StringVar(&s.node, "node", "", "be one peer of this `name`")
	f.StringVar(&s.join, "join", "", "with -node: the `address` of another peer")
	f.StringVar(&s.label, "label", "", "with -node: the `name` of the swarm")
	f.StringVar(&s.hub, "hub", "", "with -node: the `name` of the peer in the middle")
	f.BoolVar(&s.corrupt, "corrupt", false, "with -node: hand out pieces that are not right")
	f.BoolVar(&s.unchecked, "unchecked", false, "with -node: take pieces as they come")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	_, known := variants[s.variant]
	switch {
	case !known:
		return s, usagef("there is no variant %q: there are %s", s.variant, variantNames())
	case s.peers < 12 || s.peers > 64:
		return s, usagef("-peers %d: want 12 to 64", s.peers)
	case s.patience <= 0:
		return s, usagef("-patience %v: want more than 0", s.patience)
	}
	return s, nil
}

// serve is one peer, until ctx ends or its parent does.
func (s settings) serve(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // the parent holds the other end of stdin
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	n, err := Start(Config{Name: s.node, Web: "http://" + web.Addr().String(),
		Label: s.label, Hub: s.hub, Compare: compareEvery})
	if err != nil {
		return errors.Join(err, web.Close())
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	if s.join != "" {
		if err := n.Join(s.join); err != nil {
			return errors.Join(err, web.Close())
		}
	}
	shop.Ready(ctx, slog.String("gossip", n.list.Load().LocalNode().Address()),
		slog.String("web", "http://"+web.Addr().String()))
	return shop.ServeOn(ctx, web, n.Handler(s))
}

func variantNames() string {
	return strings.Join(slices.Sorted(maps.Keys(variants)), ", ")
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
