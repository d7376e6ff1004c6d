package bench

import (
	"strings"
	"testing"

	"course.example/lab/internal/history"
)

// A line that was meant for the ledger and is none of its lines is pointed out, once.
func TestSlipIsToldOnce(t *testing.T) {
	t.Parallel()
	var said []string
	printer := newPrinter(func(l history.Line) { said = append(said, l.Text) })
	r := &record{printer: printer, slips: map[string]bool{}}
	for _, raw := range []string{
		`{"level":"INFO","msg":"Order accepted","order":"1"}`,
		`{"level":"INFO","msg":"order accepted","order":1}`,
		`{"level":"INFO","msg":"Order accepted","order":"2"}`,
		`{"level":"INFO","msg":"Order accepted","order":"3"}`,
		`{"level":"INFO","msg":"order accepted","order":2}`,
		`{"level":"INFO","msg":"order accepted","order":4}`,
		`{"level":"INFO","msg":"order accepted","order":"3"}`,
		`{"level":"INFO","msg":"order not accepted","order":"4"}`,
	} {
		r.observe(history.ParseLine("shop-1", []byte(raw)))
	}
	printer.close()
	if r.status().Accepted != 1 || len(said) != 2 ||
		!strings.HasPrefix(said[0], `shop-1: not in the ledger: the message "Order accepted"`) {
		t.Errorf("accepted %d; said %q", r.status().Accepted, said)
	}
}
