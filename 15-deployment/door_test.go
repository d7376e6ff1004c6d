package deployment

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// behind is a replica that is only an address.
func behind(t *testing.T, version string, handler http.HandlerFunc) *Replica {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &Replica{Version: version, Name: version, Addr: server.Listener.Addr().String()}
}

func ask(d *Door) (int, string) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/orders", nil))
	return w.Code, w.Body.String()
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, text) }
}

func TestDoorSplitsOrders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		special string
		percent float64
		v2      int // of 100
	}{
		{"v2", 0, 0}, {"v2", 5, 5}, {"v2", 25, 25}, {"v2", 100, 100}, {"v1", 100, 0},
		{"", 0, 33}, {"v3", 100, 33},
	} {
		d := NewDoor(time.Minute)
		d.Add(behind(t, "v1", says("v1")))
		d.Add(behind(t, "v1", says("v1")))
		d.Add(behind(t, "v2", says("v2")))
		d.Split(c.special, c.percent)
		got := 0
		for range 100 {
			if _, text := ask(d); text == "v2" {
				got++
			}
		}
		if got != c.v2 || d.Seen("v2") != (Sample{Answers: got}) {
			t.Errorf("%+v: v2 has got %d orders, seen %+v", c, got, d.Seen("v2"))
		}
	}
}

func TestDoorSaysWhatIsBad(t *testing.T) {
	t.Parallel()
	d := NewDoor(time.Nanosecond)
	if status, text := ask(d); status != http.StatusServiceUnavailable ||
		!strings.Contains(text, "nobody") {
		t.Errorf("nobody there: %d %s", status, text)
	}
	d.Add(behind(t, "slow", says("ok")))
	if status, _ := ask(d); status != http.StatusOK || d.Seen("slow") != (Sample{1, 1}) {
		t.Errorf("slow: %d, %+v", status, d.Seen("slow"))
	}
	d = NewDoor(time.Minute)
	dead := &Replica{Version: "dead", Addr: "127.0.0.1:1"}
	d.Add(dead)
	if status, _ := ask(d); status != http.StatusBadGateway || d.Seen("dead") != (Sample{1, 1}) {
		t.Errorf("dead: %d, %+v", status, d.Seen("dead"))
	}
	d.Forget()
	d.Remove(t.Context(), dead)
	d.Add(behind(t, "v1", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	if status, _ := ask(d); status != 500 || d.Seen("v1") != (Sample{1, 1}) || d.Seen("dead").Bad != 0 {
		t.Errorf("error: %d, %+v", status, d.Seen("v1"))
	}
}

// Who is removed gets no more orders, and Remove returns when those in progress are answered.
func TestDoorWaitsForWhatIsInHand(t *testing.T) {
	t.Parallel()
	inProgress, release := make(chan struct{}), make(chan struct{})
	d := NewDoor(time.Minute)
	r := behind(t, "v1", func(http.ResponseWriter, *http.Request) {
		inProgress <- struct{}{}
		<-release
	})
	d.Add(r)
	asked := make(chan int)
	go func() {
		status, _ := ask(d)
		asked <- status
	}()
	<-inProgress
	short, cancel := context.WithCancel(t.Context())
	cancel()
	d.Remove(short, r) // it is gone from the door, and its order is not answered
	if status, _ := ask(d); status != http.StatusServiceUnavailable {
		t.Errorf("it still gets orders: %d", status)
	}
	d.Add(r)
	go func() { status, _ := ask(d); asked <- status }()
	<-inProgress
	removed := make(chan struct{})
	go func() { defer close(removed); d.Remove(t.Context(), r) }()
	select {
	case <-removed:
		t.Error("an order is in progress, and it is not waited for")
	case <-time.After(20 * time.Millisecond):
	}
	close(release)
	<-removed
	for range 2 {
		if status := <-asked; status != http.StatusOK {
			t.Errorf("an order in progress was answered %d", status)
		}
	}
}

// A replica that was removed has no connection left for which it would wait.
func TestDoorClosesItsConnections(t *testing.T) {
	t.Parallel()
	var open atomic.Int64
	server := httptest.NewUnstartedServer(says("ok"))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	d := NewDoor(time.Minute)
	r := &Replica{Addr: server.Listener.Addr().String()}
	d.Add(r)
	if status, _ := ask(d); status != http.StatusOK || open.Load() != 1 {
		t.Fatalf("%d, and %d connections", status, open.Load())
	}
	d.Remove(t.Context(), r)
	await(t, "the connection to be closed", func() bool { return open.Load() == 0 })
}

// 99 of 100 customers waited no longer than p99 says, and of no customers nothing is known.
func TestDoorMeasures(t *testing.T) {
	t.Parallel()
	d := NewDoor(time.Minute)
	b := &backend{replica: &Replica{}}
	d.giveBack(b, time.Hour, false) // before it is asked to measure
	d.Measure()
	if _, known := d.Measured(); known {
		t.Error("nobody came, and it knows how long they waited")
	}
	d.Measure()
	d.giveBack(b, time.Hour, true) // who is refused at once has not waited, and is counted elsewhere
	for n := range 200 {
		d.giveBack(b, time.Duration(n+1)*time.Millisecond, false)
	}
	if p99, known := d.Measured(); p99 != 198*time.Millisecond || !known {
		t.Errorf("p99 is %s, known %v", p99, known)
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fresh, old Sample
		back       bool
	}{
		"nobody came":          {Sample{}, Sample{Answers: 90}, true},
		"all well":             {Sample{20, 0}, Sample{400, 0}, false},
		"one in three is bad":  {Sample{30, 10}, Sample{400, 0}, true},
		"both are as bad":      {Sample{30, 10}, Sample{400, 130}, false},
		"at the bound":         {Sample{20, 2}, Sample{400, 0}, false},
		"nothing of the old":   {Sample{20, 3}, Sample{}, true},
		"better than the old":  {Sample{20, 1}, Sample{400, 300}, false},
		"beyond what both ail": {Sample{20, 9}, Sample{100, 30}, true},
	} {
		if err := verdict(c.fresh, c.old, 0.1); (err != nil) != c.back {
			t.Errorf("%s: %v", name, err)
		}
	}
}
