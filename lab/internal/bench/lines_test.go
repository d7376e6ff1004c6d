package bench

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The shop writes no line that is longer than what is read of one: the rest of it would be
// no record any more, and its order lost.
func TestNoLineOfTheContractIsCut(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shop", "contract.json"))
	if err != nil {
		t.Fatal(err)
	}
	var contract struct{ Limits map[string]int }
	if err := json.Unmarshal(raw, &contract); err != nil {
		t.Fatal(err)
	}
	if limit := contract.Limits["line bytes"]; limit <= 0 || limit > maxLine {
		t.Errorf("the shop may write lines of %d bytes, and %d are read", limit, maxLine)
	}
}

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
