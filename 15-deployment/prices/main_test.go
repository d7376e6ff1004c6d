package main

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := table(&out, []byte(`{"results": [
		{"name": "rolling", "refused": 7},
		{"name": "price-canary", "refused": 3, "lost": 0, "ledger": {"duplicated": 1},
		 "highest": {"p99_ms": 41, "out_ms": 2900, "back_ms": 0, "peak": 8}}]}`))
	const want = "| `canary` | 3 | 0 | 1 | 41 ms | 2900 ms | 0 ms | 8 | unknown |\n"
	if err != nil || !strings.HasSuffix(out.String(), "|---|\n"+want) {
		t.Errorf("%v\n%s", err, out.String())
	}
	for raw, says := range map[string]string{
		"{":                                  "read the histories",
		`{"results": [{"name": "rolling"}]}`: "none of its 1 experiments",
	} {
		if err := table(&out, []byte(raw)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", raw, err, says)
		}
	}
}
