package grid

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// The exponents below 1000 that make a prime (OEIS A000043).
var known = []int{2, 3, 5, 7, 13, 17, 19, 31, 61, 89, 107, 127, 521, 607}

func TestLucasLehmer(t *testing.T) {
	t.Parallel()
	for p := nextExponent(2); p < 700; p = nextExponent(p) {
		r, err := LucasLehmer(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if want := slices.Contains(known, p); r.Prime != want {
			t.Errorf("2^%d-1: prime %v, want %v", p, r.Prime, want)
		}
		if r.Prime != (r.Residue == 0) {
			t.Errorf("2^%d-1: prime %v with the residue %d", p, r.Prime, r.Residue)
		}
	}
	if r, _ := LucasLehmer(t.Context(), 11); r.Residue != 1736 { // 2047 is 23 times 89
		t.Errorf("the residue of 11 is %d, want 1736", r.Residue)
	}
}

func TestLucasLehmerEndsEarly(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := LucasLehmer(ctx, 1_000_003); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v and the error %v", r, err)
	}
}
