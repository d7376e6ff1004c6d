package history

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/ledger"
)

// contract is what the shop says it writes. Its own tests compare the same file with
// what it does write.
type contract struct {
	Lines []struct {
		Name  string
		Line  json.RawMessage
		Event *ledger.Event
		Ready bool
	}
	Slips  []struct{ Line, Why string }
	Others []json.RawMessage
}

func readContract(t *testing.T) (c contract) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shop", "contract.json"))
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Lines) == 0 || len(c.Slips) == 0 || len(c.Others) == 0 {
		t.Fatalf("the contract is not whole: %+v", c)
	}
	return c
}

// oneLine is the record as a process writes it.
func oneLine(t *testing.T, record json.RawMessage) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, record); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What the shop's contract says is what the ledger is kept from.
func TestLinesOfTheContract(t *testing.T) {
	t.Parallel()
	for _, c := range readContract(t).Lines {
		l := ParseLine("consumer-1", oneLine(t, c.Line))
		got, ok := l.Event()
		if ok != (c.Event != nil) || l.Ready() != c.Ready || l.Slip() != "" {
			t.Errorf("%s: an event: %t, ready: %t, slip: %q", c.Name, ok, l.Ready(), l.Slip())
		}
		if c.Event == nil {
			continue
		}
		want := *c.Event
		want.Time, want.Process = time.Date(2026, 1, 2, 3, 4, 5, 6e8, time.UTC), "consumer-1"
		if got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", c.Name, got, want)
		}
	}
}

// What almost is a line of the contract is none, and it is said why.
func TestSlipsOfTheContract(t *testing.T) {
	t.Parallel()
	c := readContract(t)
	for _, s := range c.Slips {
		l := ParseLine("p", []byte(s.Line))
		if e, ok := l.Event(); ok || l.Ready() {
			t.Errorf("%s: ready %t, gave %+v", s.Line, l.Ready(), e)
		}
		if got := l.Slip(); !strings.Contains(got, s.Why) {
			t.Errorf("%s: what is wrong is %q, want %q", s.Line, got, s.Why)
		}
	}
	for _, other := range c.Others {
		l := ParseLine("p", oneLine(t, other))
		if e, ok := l.Event(); ok || l.Ready() || l.Slip() != "" {
			t.Errorf("%s: ready %t, gave %+v, slip %q", other, l.Ready(), e, l.Slip())
		}
	}
}

// No kind of event is without its line in the contract.
func TestContractNamesEveryKind(t *testing.T) {
	t.Parallel()
	named := map[ledger.Kind]bool{}
	for _, c := range readContract(t).Lines {
		if c.Event != nil {
			named[c.Event.Kind] = true
		}
	}
	for _, kind := range ledger.Kinds() {
		if !named[kind] {
			t.Errorf("the contract has no line for %q", kind)
		}
	}
}
