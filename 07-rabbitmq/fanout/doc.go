// Package fanout has the programs of publish/subscribe: one producer, and several kinds of
// receivers, each with a queue of its own. The idea stands in ../fanout.go.
package fanout
