// Timers shows the two clocks of a grain: a timer, which lives in an activation,
// and a reminder, which outlives it.
//
// Where to look, in this order:
//
//	pot.go        a grain with a timer
//	reminders.go  a reminder is a row in a table, and a call when it is due
//	wrong.go      a timer for what must not be forgotten
package main

//go:generate ../protoc.sh pot.proto
