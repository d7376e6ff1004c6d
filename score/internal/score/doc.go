// Package score asks the four questions of an architecture and answers with
// figures: performance, scalability, resilience, redundancy. Every architecture
// goes through the same protocol, with the same orders; what differs between them,
// such as which of its processes is the consumer, stands in the manifest.
//
//	load.go         how customers come: an open loop for latency, a closed one for throughput
//	customers.go    those who order as fast as can be
//	meter.go        what becomes of the orders they place
//	performance.go  how long an answer takes, and the highest rate that is sustained
//	scalability.go  1, 2, 4 and 8 consumers; how long until a new one has work
//	resilience.go   kill and restart each part while orders wait; then one of two
//	waiting.go      which orders waited at a moment
//	depth.go        rate and wait with up to a million orders waiting
//	backlog.go      how they come to wait
//	protocol.go     all of it in order, with the time that is left
//	report.go       the figures, as they are kept
//	table.go        the figures as a table
//	odd.go          figures that a reader stumbles over, and their sentences
//	words.go        what the steps' pages say in words, held against the table
//	chart.go        the figures as pictures, with gonum/plot
//	theme.go        their colours, for light and dark screens
//	page.go         everything on one page
package score
