// Package shop is the order shop that every step of the course runs.
//
// From step 03 on the same orders come in over the same HTTP API and the same
// work is done for each of them. Only what lies between the producer, which
// accepts an order, and the consumer, which processes it, changes from step to
// step. What does not change lives here, so that a step shows its idea alone:
//
//   - [Order] is what is bought, and [Counter] is where it is bought over HTTP.
//   - [Work] is the work that each order costs.
//   - [Accepted], [Received], [Processed], [Failed] and [Skipped] are the log
//     lines from which the lab keeps its ledger.
//   - [Main], [Flags] and [Serve] are the process around a step: settings,
//     signals, exit codes, an HTTP server that drains.
package shop
