// Package actors is step 12: virtual actors in a cluster of silos.
//
// An order is a grain, and so is the stock of each product. A grain has a name
// and nobody creates it: the first call to it activates it on one of the silos,
// and the engine sees to it that there is one activation at a time. What a grain
// must not forget it keeps in a store, under a version that lets no two
// activations write.
//
// Where to look, one idea per file:
//
//	grains.proto   what the grains understand
//	order.go       the grain of one order: the work, the stock, done
//	stock.go       the grain of one product's stock
//	redis.go       the store, in Redis, as in the lecture
//	postgres.go    the store, in Postgres
//	membership.go  who is in the cluster: a lease in Redis for every silo
//	node.go        a process takes part in the cluster, and leaves it
//	engine/        what calls, places, recovers and remembers, for the patterns as well
//	probing.go     a silo asks the others whether they answer
//	audit.go       does every order that was accepted stand in the books?
//	wrong.go       the wrong variants, each a small change to the right one
//	join.go        all of this that the slide's programs need (slide/), and tally.go
//
// The programs are silo, web and book. A silo (silo.go) hosts the grains, the web app
// (web.go) calls them, the dashboard (dashboard/) shows all of it. This is the second of
// three lessons: mailbox/ has the actor by hand, patterns/ what one does with grains. The
// folders grains, deadlock and so on have the pages of the patterns.
package actors

//go:generate ./protoc.sh grains.proto
