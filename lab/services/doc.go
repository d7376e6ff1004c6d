// Package services provides the servers the lessons run on: RabbitMQ, NATS, Postgres, Redis, alone or
// as a pair with Sentinels, etcd, and for looking inside Jaeger and Seq.
//
// A machine that has only Go must do, and one that has more must not be asked for less. So each
// server is provided by the first link of a chain that holds: an address in the environment, a
// server already answering on its usual port, Docker, a server installed on this machine (or, if it
// is written in Go, built here) and started as a private child process, a stand-in inside this
// process, and last an installation.
// See [Chain.Provide]. What is used is always said, and so is why a link did not hold.
//
// The lab stops what it started and nothing else: see [Chain.Close] and [Sweep].
package services
