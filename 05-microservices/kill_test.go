package microservices_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Two replicas are killed with -9 again and again, in the middle of charges that come
// many times at once and to both of them, while chapters of their book end. Whoever got
// a receipt for a key got the same one, before and after.
func TestOneReceiptForAKeyThroughKills(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "payment.exe")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/payment")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const rounds, keys, callers = 6, 30, 8
	env := append(os.Environ(), "BOOK="+t.TempDir(), "KEYS=50", "WORK=2ms")
	replicas := []*killable{{path: program, env: env}, {path: program, env: env}}
	for _, r := range replicas {
		r.start(t)
	}
	for round := range rounds {
		seen := receipts{of: map[string]string{}}
		var group sync.WaitGroup
		for range callers {
			group.Go(func() {
				for i := range 3 * keys {
					key := fmt.Sprintf("%d-%d", round, i%keys)
					seen.ask(t, replicas[rand.IntN(2)].url(), key)
				}
			})
		}
		victim := replicas[round%2]
		seen.wait(t, 10)
		victim.kill(t)
		victim.start(t)
		group.Wait()
		for i := range keys { // both know all of them
			for _, r := range replicas {
				seen.ask(t, r.url(), fmt.Sprintf("%d-%d", round, i))
			}
		}
		if len(seen.of) != keys {
			t.Errorf("round %d: receipts for %d keys of %d", round, len(seen.of), keys)
		}
	}
}

// receipts are those that were seen, by their keys.
type receipts struct {
	mu sync.Mutex
	of map[string]string
}

// ask has a key charged. That there is no answer, or no receipt yet, is no error here.
func (s *receipts) ask(t *testing.T, url, key string) {
	body := `{"order_id":"o","user_email":"ada@example.com","amount_cents":1}`
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	r.Header.Set("Idempotency-Key", key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		ID string `json:"receipt_id"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.ID == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, known := s.of[key]; known && first != answer.ID {
		t.Errorf("key %s has the receipts %s and %s", key, first, answer.ID)
	}
	s.of[key] = answer.ID
}

// wait waits until so many keys have a receipt.
func (s *receipts) wait(t *testing.T, n int) {
	eventually(t, "some keys have a receipt", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.of) >= n
	})
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited 20 s until %s", what)
		}
	}
}

// killable is a replica that can be killed and started again, at the same address.
type killable struct {
	path    string
	env     []string
	address string
	cmd     *exec.Cmd
}

func (p *killable) url() string { return "http://" + p.address + "/charges" }

func (p *killable) start(t *testing.T) {
	t.Helper()
	if p.address == "" {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p.address = listener.Addr().String()
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.kill(t) })
	}
	p.cmd = exec.Command(p.path)
	p.cmd.Env = append(p.env, "ADDR="+p.address)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it serves", func() bool {
		conn, err := net.Dial("tcp", p.address)
		return err == nil && conn.Close() == nil
	})
}

func (p *killable) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = p.cmd.Wait() // it says that it was killed
}
