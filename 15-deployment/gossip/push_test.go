package main

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// mean spreads a rumour among n peers again and again.
func mean(p Push, n, dead int) (rounds, reached float64) {
	const runs = 10
	var all Told
	random := rand.New(rand.NewPCG(7, uint64(n)))
	for range runs {
		all = all.plus(p.Spread(n, dead, random))
	}
	return float64(all.Rounds) / runs, float64(all.Heard) / runs / float64(n-dead)
}

// Sixteen times as many peers need a few rounds more, and not sixteen times as many.
func TestRoundsGrowWithTheLogarithm(t *testing.T) {
	t.Parallel()
	before := 0.0
	for n := 16; n <= 4096; n *= 16 {
		rounds, reached := mean(likeMemberlist(n), n, 0)
		if fastest := math.Log(float64(n)) / math.Log(4); rounds < fastest {
			t.Errorf("%d peers: %.1f rounds, and to tell three in each takes %.1f", n, rounds, fastest)
		}
		if before > 0 && rounds > before+6 {
			t.Errorf("%d peers: %.1f rounds, and %.1f for a sixteenth of them", n, rounds, before)
		}
		if reached < 0.999 {
			t.Errorf("%d peers: %.2f %% of them are reached", n, 100*reached)
		}
		before = rounds
	}
}

// A third of the peers are dead, and nobody knows it: nearly all others hear the rumour.
func TestAThirdIsDead(t *testing.T) {
	t.Parallel()
	for n := 64; n <= 1024; n *= 4 {
		rounds, reached := mean(likeMemberlist(n), n, n/3)
		whole, _ := mean(likeMemberlist(n), n, 0)
		if reached < 0.98 || rounds > 2*whole {
			t.Errorf("%d peers: %.2f %% of those who live, in %.1f rounds; %.1f if all live",
				n, 100*reached, rounds, whole)
		}
	}
}

// Nobody sends more than he may, so the messages are N·log N. Flooding sends N².
func TestMessages(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 16, 100, 1000} {
		p := likeMemberlist(n)
		told := p.Spread(n, 0, rand.New(rand.NewPCG(1, 1)))
		if told.Messages > n*p.Sends {
			t.Errorf("%d peers: %d messages, and each may send %d", n, told.Messages, p.Sends)
		}
		if flood := Flood(n); flood.Messages != n*(n-1) || flood.Heard != n {
			t.Errorf("flooding %d peers: %+v, want N·(N-1) messages", n, flood)
		}
	}
}

// The page shows what the program prints.
func TestTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	table(&out, 1)
	if !bytes.Contains(page, bytes.TrimSpace(out.Bytes())) {
		t.Errorf("README.md does not have this table:\n%s", &out)
	}
}
