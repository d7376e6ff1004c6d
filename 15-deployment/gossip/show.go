package main

import (
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// longEnough bounds what comes about by itself: that all know all, that the dead are missed.
const longEnough = 30 * time.Second

// show prints what is computed, and then what processes do.
func show(ctx context.Context, out io.Writer, s settings) (err error) {
	table(out, s.seed)
	var peers swarm
	defer func() { peers.end() }()
	if peers, err = gather(ctx, out, s); err != nil {
		return err
	}
	if err := rumour(ctx, out, s, peers, "a rumour"); err != nil {
		return err
	}
	peers, killed := killThird(peers)
	at := time.Now()
	fmt.Fprintf(out, "%d are killed, %s among them\n", len(killed), killed[0])
	if err := rumour(ctx, out, s, peers, "the next rumour, at once"); err != nil {
		return err
	}
	if err := missed(ctx, out, peers, killed, at); err != nil {
		return err
	}
	return share(ctx, out, peers)
}

// table is how many rounds a rumour takes, and how many messages, by the number of peers.
func table(out io.Writer, seed uint64) {
	const runs = 20
	fmt.Fprintln(out, "                                              a third is dead     messages a peer")
	fmt.Fprintln(out, "         rounds until all know it     missed   rounds   missed   gossip   flooding")
	for n := 4; n <= 4096; n *= 4 {
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		push := likeMemberlist(n)
		var all, two Told // of all, and of the two thirds that live
		for range runs {
			all = all.plus(push.Spread(n, 0, random))
			two = two.plus(push.Spread(n, n/3, random))
		}
		rounds := float64(all.Rounds) / runs
		fmt.Fprintf(out, "%4d peers %4.1f %-22s %6d %8.1f %8d %8d %10d\n",
			n, rounds, strings.Repeat("#", int(rounds+0.5)), runs*n-all.Heard,
			float64(two.Rounds)/runs, runs*(n-n/3)-two.Heard, all.Messages/runs/n, n-1)
	}
	fmt.Fprintf(out, "missed: peers that gossip did not reach, in %d runs together\n\n", runs)
}

// gather starts the peers. Each is told of one other, the one before it.
func gather(ctx context.Context, out io.Writer, s settings) (peers swarm, err error) {
	join, label := "", cryptorand.Text()
	for i := range s.peers {
		args := append([]string{"-join", join, "-label", label}, variants[s.variant]...)
		if i == s.peers/3+1 { // the second of those who will not be killed: see share
			args = append(args, "-corrupt")
		}
		p, err := startPeer(ctx, fmt.Sprintf("node-%d", i+1), args...)
		if err != nil {
			return peers, err
		}
		peers, join = append(peers, p), p.Gossip
	}
	began := time.Now()
	all := peers.names()
	_, err = peers.await(ctx, longEnough, func(st State) bool { return slices.Equal(st.Alive, all) })
	if err != nil {
		return peers, fmt.Errorf("not all know all: %w", err)
	}
	fmt.Fprintf(out, "%d processes, each told of one other: all know all %d ms after the last came\n",
		len(peers), time.Since(began).Milliseconds())
	return peers, nil
}

// rumour tells a rumour to the first peer, and sees who hears it.
func rumour(ctx context.Context, out io.Writer, s settings, peers swarm, what string) error {
	if err := peers[0].tell(ctx, what); err != nil {
		return err
	}
	states, err := peers.await(ctx, s.patience, func(st State) bool {
		_, ok := st.Heard[what]
		return ok
	})
	if err != nil && !errors.Is(err, errLate) {
		return err
	}
	told := states[0].Heard[what].At
	heard, hops, last := 0, 0, told
	for _, st := range states {
		if h, ok := st.Heard[what]; ok {
			heard, hops = heard+1, max(hops, h.Hops)
			if h.At.After(last) {
				last = h.At
			}
		}
	}
	fmt.Fprintf(out, "%s: heard by %d of %d, after %d hops at most and %d ms\n",
		what, heard, len(peers), hops, last.Sub(told).Milliseconds())
	return nil
}

// killThird kills the first third, all at once.
func killThird(peers swarm) (rest swarm, killed []string) {
	third := peers[:len(peers)/3]
	for _, p := range third {
		p.kill()
	}
	for _, p := range third {
		killed = append(killed, p.Name)
	}
	return slices.Clone(peers[len(third):]), killed
}

// missed waits until all that live take those that were killed for dead, and nobody else.
func missed(
	ctx context.Context, out io.Writer, peers swarm, killed []string, at time.Time,
) error {
	alive := peers.names()
	states, err := peers.await(ctx, longEnough, func(st State) bool {
		return slices.Equal(st.Alive, alive)
	})
	if err != nil {
		return fmt.Errorf("the killed are not missed: %w", err)
	}
	first, last := time.Hour, time.Duration(0)
	for _, st := range states {
		for _, name := range killed {
			first = min(first, st.Dead[name].Sub(at))
			last = max(last, st.Dead[name].Sub(at))
		}
	}
	fmt.Fprintf(out, "taken for dead by all %d, the first after %.1f s and the last after %.1f s\n",
		len(peers), first.Seconds(), last.Seconds())
	return nil
}

// share has one peer add a file, and three fetch it, one of whom hands out pieces that are
// not right. Then the first is killed, and the last peer fetches the file.
func share(ctx context.Context, out io.Writer, peers swarm) error {
	file := make([]byte, 64*pieceSize)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(file) // it never fails
	var name string
	if err := peers[0].call(ctx, http.MethodPost, "/files", file, &name); err != nil {
		return err
	}
	for _, p := range peers[1:4] {
		if err := p.call(ctx, http.MethodPost, "/fetch?name="+name, nil, nil); err != nil {
			return err
		}
	}
	peers[0].kill()
	last := peers[len(peers)-1]
	var r Report
	if err := last.call(ctx, http.MethodPost, "/fetch?name="+name, nil, &r); err != nil {
		return err
	}
	pieces, bad := 0, 0
	for _, n := range r.From {
		pieces += n
	}
	for _, n := range r.Bad {
		bad += n
	}
	fmt.Fprintf(out, "a file of %d pieces is at four peers, and the first of them is killed\n",
		len(file)/pieceSize)
	fmt.Fprintf(out, "%s fetches it: %d pieces and their list from %d peers, %d thrown away\n",
		last.Name, pieces-1, len(r.From), bad)
	got, err := ask(ctx, http.MethodGet, last.Web+"/files/"+name, nil, maxFile)
	switch {
	case err != nil:
		return fmt.Errorf("read the file of %s: %w", last.Name, err)
	case slices.Equal(got, file):
		fmt.Fprintln(out, "the file is what it was")
	default:
		fmt.Fprintln(out, "the file is WRONG")
	}
	return nil
}
