// Package grid gives independent units of work to any number of machines that nobody
// trusts: is 2^p-1 a prime? The search for Mersenne primes (GIMPS) works like this.
//
// Where to look, in this order:
//
//	mersenne.go     a unit of work: the Lucas-Lehmer test
//	coordinator.go  who gets which unit, and a lease for each
//	quorum.go       a second opinion on each result; who has cheated
//	journal.go      what a coordinator that is killed still knows when it comes back
//	worker.go       takes a unit, computes, tells the result
//	handler.go      the coordinator over HTTP
//	wrong.go        without a lease, without a second opinion, and a worker who cheats
package grid
