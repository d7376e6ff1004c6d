// Package deployment is step 15: how a new version comes in while customers order.
//
// Where to look, one idea per file:
//
//	strategies.go  stop-and-start, rolling, blue/green, canary, and the way back
//	deployer.go    the control loop: look, plan, apply
//	desired.go     what should run, and the plan from what runs to it
//	fleet.go       the hands of the loop: launch, wait until ready, drain, retire
//	flags.go       code that is deployed and not yet on
//	door.go        the proxy before the replicas: weights, and orders in progress
//	replica.go     a child process that is started, asked, drained
//	probes.go      ready and alive are two questions
//	migrate.go     expand, backfill, contract (migrations/)
//	release.go     the versions v1 and v2, and some that are broken
//	wrong.go       the wrong variants
//
// Parts of their own are grid (units of work for machines that nobody trusts) and gossip (peers
// without a server).
//
// The shop itself is as small as can be: [Producer] writes orders into a table of Postgres,
// [Consumer] takes them out with SKIP LOCKED (06-db-outbox).
package deployment
