//go:build exercise

package verdict

import "testing"

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		name       string
		fresh, old Sample
		want       string
	}{
		{"nobody came", Sample{0, 0}, Sample{100, 0}, Unknown},
		{"one of three", Sample{3, 1}, Sample{100, 0}, Unknown},
		{"three good ones", Sample{3, 0}, Sample{100, 0}, Unknown},
		{"all is well", Sample{20, 0}, Sample{100, 0}, Yes},
		{"a mistake", Sample{30, 10}, Sample{300, 0}, No},
		{"a slow database", Sample{30, 10}, Sample{300, 110}, Yes},
		{"worse than the old one", Sample{30, 20}, Sample{300, 110}, No},
		{"nobody is left at the old one", Sample{400, 1}, Sample{0, 0}, Yes},
	} {
		if got := Verdict(c.fresh, c.old); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
