package grid

import (
	"context"
	"fmt"
	"math/big"
)

// Result is what a worker has found out about an exponent.
type Result struct {
	Prime bool `json:"prime"`
	// Residue are the lowest 64 bits of what the last squaring has left, 0 for a prime.
	// Two workers who have computed have the same one. Who has not cannot guess it.
	Residue uint64 `json:"residue,string"`
}

// LucasLehmer says whether 2^p-1 is a prime, for an odd prime p: begin with 4, square it
// and subtract 2, modulo 2^p-1, p-2 times. It is a prime if nothing is left. The time
// grows a little faster than with the square of p. It ends early with the error of ctx.
func LucasLehmer(ctx context.Context, p int) (Result, error) {
	m := mersenne(p)
	s, two := big.NewInt(4), big.NewInt(2)
	for range p - 2 {
		if ctx.Err() != nil {
			return Result{}, fmt.Errorf("test 2^%d-1: %w", p, context.Cause(ctx))
		}
		s.Mul(s, s)
		s.Sub(s, two)
		s.Mod(s, m)
	}
	return Result{Prime: s.Sign() == 0, Residue: s.And(s, mersenne(64)).Uint64()}, nil
}

// mersenne is 2^p-1.
func mersenne(p int) *big.Int {
	m := new(big.Int).Lsh(big.NewInt(1), uint(p))
	return m.Sub(m, big.NewInt(1))
}

// nextExponent is the first prime above n: where the exponent is not a prime, neither is
// 2^p-1.
func nextExponent(n int) int {
	for n++; !big.NewInt(int64(n)).ProbablyPrime(0); n++ { // exact below 2^64
	}
	return n
}
