// Package microservices is step 05: two services, and a network between them.
//
// The order service has every order charged by the payment service and waits for it
// ([Orders]). The payment service charges once for every idempotency key ([Payment]).
// A gateway spreads the calls over several replicas of it ([Gateway]). The same call
// goes as JSON over HTTP or as gRPC.
//
// Where to look, one idea per file:
//
//	order.go     an order is a call to another service, and what its end means
//	policies.go  deadline, retry, bulkhead, circuit breaker, timeout, and their order
//	shed.go      load shedding: no, at once, rather than yes, too late
//	payment.go   the charge, once for every key
//	book.go      where keys are remembered, by all replicas and through kills
//	status.go    what an error is called in HTTP and in gRPC
//	overhttp.go  the call as JSON over HTTP, both ends
//	overgrpc.go  the call as gRPC, both ends; payment.proto is its contract
//	gateway.go   a reverse proxy in front of the replicas
//	balance.go   round robin, least connections
//	health.go    active health checks
//	wrong.go     the wrong variants, each a small change to the right one
package microservices
