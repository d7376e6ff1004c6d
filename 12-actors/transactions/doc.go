// Transactions shows a transfer between two grains that is done completely or not
// at all, whenever the process is killed.
//
// Where to look, in this order:
//
//	coordinator.go  two-phase commit: prepare, decide, tell
//	account.go      a participant: promises, keeps its promise, or forgets it
//	wrong.go        two writes and no transaction
//	kill.go         the process is killed after each write in turn
package main

//go:generate ../protoc.sh bank.proto
