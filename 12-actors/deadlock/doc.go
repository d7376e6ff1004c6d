// Deadlock shows two grains that wait for each other, and what helps.
//
// Where to look, in this order:
//
//	grains.go       A calls B, B calls A
//	chain.go        the call chain: who waits for whom, found out before it is too late
//	await.go        reentrancy: the turn ends, and goes on when the answer is there
//	interleaving.go what reentrancy costs: others come in between
//	main.go         the scenes, one per variant
package main

//go:generate ../protoc.sh deadlock.proto
