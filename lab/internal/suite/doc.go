// Package suite builds the tests of many packages once, with one command for all of them, and
// runs the programs side by side. It is what `lab test` does beyond `go test`: the tests of this
// course wait far more than they work, so several packages share the machine; a program that is
// built once can be run as often as one likes; and no result ever comes from Go's test cache,
// which does not see that a test builds and starts the programs of a step.
package suite
