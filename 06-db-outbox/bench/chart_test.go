package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// drawResults draws what BenchmarkWays has measured, if a file is wanted.
func drawResults(file string) error {
	if file == "" {
		return nil
	}
	var groups []bars
	for _, way := range waysInOrder {
		if len(results[way]) != len(crowds) {
			return fmt.Errorf("-svg draws BenchmarkWays, which did not run to its end")
		}
		g := bars{name: way}
		for _, crowd := range crowds {
			r := results[way][crowd]
			note := fmt.Sprintf("%.0f", r.rate)
			if r.duplicates > 0 {
				note = fmt.Sprintf("+%d\n%s", r.duplicates, note)
			}
			g.values, g.notes = append(g.values, r.rate), append(g.notes, note)
		}
		groups = append(groups, g)
	}
	return chart(file, "Is it easy to add new consumers? (+n: done again)", "orders per second",
		[]string{"1 consumer", "2 consumers", "4 consumers"}, groups)
}

func TestChart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "chart.svg")
	err := chart(file, "A title", "apples", []string{"one", "two"}, []bars{
		{"red", []float64{1, 2}, []string{"1", "+7\n2"}},
		{"green", []float64{3, 4}, []string{"3", "4"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	picture, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{
		"<svg", "A title", "apples", "green", "+7", "prefers-color-scheme:dark",
	} {
		if !bytes.Contains(picture, []byte(word)) {
			t.Errorf("the picture does not say %q", word)
		}
	}
}
