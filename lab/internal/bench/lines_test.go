package bench

import (
	"strings"
	"testing"
)

func TestLinesAreCut(t *testing.T) {
	t.Parallel()
	var got []string
	w := &lines{emit: func(raw []byte) { got = append(got, string(raw)) }}
	for _, chunk := range []string{"a\nb", "c\n", "\n", strings.Repeat("x", 2*maxLine), "y\nlast"} {
		if n, err := w.Write([]byte(chunk)); n != len(chunk) || err != nil {
			t.Fatalf("wrote %d of %d: %v", n, len(chunk), err)
		}
	}
	w.end()
	w.end()
	want := []string{"a", "bc", "", strings.Repeat("x", maxLine), "last"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %d lines, want %d", len(got), len(want))
	}
}
