package labtest

import (
	"slices"
	"testing"
)

// A test that starts its own process has the same account as an experiment.
func TestLedgerOfATest(t *testing.T) {
	t.Parallel()
	var l Ledger
	for _, line := range []string{
		`{"level":"INFO","msg":"order accepted","order":"a"}`,
		`{"level":"INFO","msg":"order processed","order":"a","effect":"7"}`,
		`{"level":"INFO","msg":"order processed","order":"a","effect":"7"}`,
		`{"level":"INFO","msg":"order accepted","order":"b"}`,
		`{"level":"INFO","msg":"order processed","order":"b`, // killed
	} {
		l.Line([]byte(line))
	}
	if got := l.Summary(); got != (Summary{Accepted: 2, Processed: 1, Open: 1}) {
		t.Errorf("%v", got)
	}
	if open := l.Open(); !slices.Equal(open, []string{"b"}) {
		t.Errorf("open are %q", open)
	}
}
