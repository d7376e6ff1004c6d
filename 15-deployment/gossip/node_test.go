package main

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"course.example/lab/labtest"
)

func TestExperiments(t *testing.T) { labtest.Experiments(t) }

func TestPage(t *testing.T) { labtest.Page(t, "README.md") }

// within is how long a busy machine may take. Nobody waits for it but a test that fails.
const within = time.Minute

// eventually looks again and again until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	late := time.NewTimer(within)
	defer late.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// start starts a peer, which knows nobody, and ends it with the test.
func start(t *testing.T, name, hub string) *Node {
	t.Helper()
	n, err := Start(Config{Name: name, Web: "http://127.0.0.1:1", Label: t.Name(), Hub: hub,
		Compare: compare})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { die(t, n) })
	return n
}

// die ends a peer without a word, as kill -9 does.
func die(t *testing.T, n *Node) {
	t.Helper()
	if err := n.list.Load().Shutdown(); err != nil {
		t.Error(err)
	}
}

func join(t *testing.T, n, other *Node) {
	t.Helper()
	if err := n.Join(other.list.Load().LocalNode().Address()); err != nil {
		t.Fatal(err)
	}
}

// compare is how often a peer of the tests compares all that it has heard with another's.
const compare = 2 * time.Second

// cluster has so many peers, each of which was told of the one before it.
func cluster(t *testing.T, size int, hub string) []*Node {
	t.Helper()
	var all []*Node
	for i := range size {
		n := start(t, fmt.Sprintf("node-%d", i+1), hub)
		if i > 0 {
			join(t, n, all[i-1])
		}
		all = append(all, n)
	}
	knowEachOther(t, all)
	return all
}

func knowEachOther(t *testing.T, all []*Node) {
	t.Helper()
	eventually(t, "all know all, and nobody else", func() bool {
		return !slices.ContainsFunc(all, func(n *Node) bool { return n.alive() != len(all) })
	})
}

func tell(t *testing.T, n *Node, id string) {
	t.Helper()
	if err := n.Tell(id, "new books are in"); err != nil {
		t.Fatal(err)
	}
}

func heard(id string, all ...*Node) (count int) {
	for _, n := range all {
		if _, ok := n.State().Heard[id]; ok {
			count++
		}
	}
	return count
}

// A rumour reaches everybody, and not by comparing alone; and all others when a third of them
// has just died, of whom they hear, too.
func TestRumour(t *testing.T) {
	t.Parallel()
	all := cluster(t, 12, "")
	tell(t, all[3], "first")
	eventually(t, "all have heard it", func() bool { return heard("first", all...) == 12 })
	gossip := 0
	for _, n := range all {
		h := n.State().Heard["first"]
		if h.Text != "new books are in" || (h.Hops == 0) != (n == all[3]) {
			t.Errorf("heard %+v", h)
		}
		if !h.Compared && n != all[3] {
			gossip++
		}
	}
	if gossip == 0 { // on a busy machine it may be few
		t.Error("nobody has heard it by gossip")
	}
	for _, n := range all[:4] {
		die(t, n)
	}
	tell(t, all[11], "second")
	eventually(t, "who lives has heard it", func() bool { return heard("second", all[4:]...) == 8 })
	eventually(t, "who lives takes the others for dead", func() bool {
		return !slices.ContainsFunc(all[4:], func(n *Node) bool {
			s := n.State()
			return len(s.Dead) != 4 || len(s.Alive) != 8
		})
	})
}

// What gossip has missed is found when two peers compare all that they have heard.
func TestAntiEntropy(t *testing.T) {
	t.Parallel()
	all := cluster(t, 4, "")
	n := all[0]
	n.mu.Lock() // it has heard a rumour, and every packet in which it told it was lost
	n.heard["missed"] = Heard{Rumour: Rumour{ID: "missed"}}
	n.mu.Unlock()
	eventually(t, "all have heard it", func() bool { return heard("missed", all...) == 4 })
}

// Who joins later hears what was told before.
func TestLatecomer(t *testing.T) {
	t.Parallel()
	all := cluster(t, 3, "")
	tell(t, all[0], "old")
	eventually(t, "all have heard it", func() bool { return heard("old", all...) == 3 })
	eventually(t, "nobody tells it any more", func() bool {
		return !slices.ContainsFunc(all, func(n *Node) bool { return n.queue.NumQueued() > 0 })
	})
	late := start(t, "late", "")
	join(t, late, all[2])
	eventually(t, "the latecomer has heard it", func() bool { return heard("old", late) == 1 })
}

// With one peer in the middle everybody hears a rumour as long as that one lives.
func TestHub(t *testing.T) {
	t.Parallel()
	all := cluster(t, 6, "node-1")
	tell(t, all[2], "first")
	eventually(t, "all have heard it", func() bool { return heard("first", all...) == 6 })
	die(t, all[0])
	tell(t, all[2], "second")
	knowEachOther(t, all[1:])
	if n := heard("second", all...); n != 1 {
		t.Errorf("%d have heard it, want only who told it, or the hub is not needed", n)
	}
}

// Who leaves in order is not missed for long.
func TestGoodbye(t *testing.T) {
	t.Parallel()
	all := cluster(t, 3, "")
	if err := all[2].Close(); err != nil {
		t.Error(err)
	}
	knowEachOther(t, all[:2])
}

// Whatever comes in a packet, a peer goes on.
func TestStrangePackets(t *testing.T) {
	t.Parallel()
	n := start(t, "node-1", "")
	long := `{"ID": "x", "Text": "` + strings.Repeat("x", maxText) + `"}`
	for _, packet := range []string{"", "\x00\xff", "7", "{}", `{"ID": 7}`, long} {
		ear{n}.NotifyMsg([]byte(packet))
		ear{n}.MergeRemoteState([]byte(packet), false)
		ear{n}.MergeRemoteState([]byte("["+packet+"]"), true)
	}
	if s := n.State(); len(s.Heard) > 0 || n.queue.NumQueued() > 0 {
		t.Errorf("it has heard %v", s.Heard)
	}
	for i := range maxRumours {
		tell(t, n, fmt.Sprint(i))
	}
	if err := n.Tell("one more", ""); err == nil {
		t.Error("it remembers without end")
	}
	tell(t, n, "7") // which it knows
}

// Whatever is asked gets an answer that says what was wrong.
func TestStrangers(t *testing.T) {
	t.Parallel()
	n := start(t, "node-1", "")
	for _, c := range []struct {
		method, path, body, says string
		status                   int
	}{
		{"GET", "/pieces/none", "", "does not have it", 404},
		{"GET", "/files/none", "", "not here", 404},
		{"POST", "/rumours", "text", "must have an id", 400},
		{"POST", "/rumours?id=1", strings.Repeat("x", maxText+1), "too large", 400},
		{"POST", "/files", "", "empty", 400},
		{"POST", "/fetch?name=none", "", "no peer has the right one", 400},
		{"POST", "/rumours?id=1", "text", "null", 200},
		{"GET", "/state", "", `"Text":"text"`, 200},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		n.Handler(settings{}).ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s: %d %s, want %d and %q", c.method, c.path, w.Code, w.Body, c.status, c.says)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, says string }{
		{"-variant flooding", "no variant"}, {"-peers 3", "-peers"}, {"-patience 0s", "-patience"},
	} {
		if _, err := parse(strings.Fields(c.args)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.args, err)
		}
	}
}

// A port may have been that of a peer of another swarm: the two do not mix.
func TestOtherSwarm(t *testing.T) {
	t.Parallel()
	all := cluster(t, 2, "")
	stranger, err := Start(Config{Name: "stranger", Label: "another swarm", Compare: compare})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { die(t, stranger) })
	if err := stranger.Join(all[0].list.Load().LocalNode().Address()); err == nil {
		t.Error("it has joined")
	}
	if all[0].alive() != 2 || stranger.alive() != 1 {
		t.Errorf("%d peers and %d, want 2 and 1", all[0].alive(), stranger.alive())
	}
}
