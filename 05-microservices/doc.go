// Package microservices is step 05: two services, and a network between them.
//
// The order service has every order charged by the payment service and waits for it.
// The payment service charges once for every idempotency key. A gateway spreads the
// calls over several replicas of it. The same call goes as JSON over HTTP or as gRPC.
//
// Each is a package of its own, as if another team kept it. They share payment.proto,
// and nothing else: a type that both sides use would let neither be changed alone.
//
//	order/       an order is a call to another service, and what its end means
//	payment/     the charge, once for every key; the book in which it stands
//	gateway/     a reverse proxy in front of the replicas
//	cmd/         the three programs
//	paymentpb/   what go generate makes of payment.proto
package microservices

// What go generate needs: Go. buf compiles payment.proto, the plugins are tools of
// this module, so that everybody's output is the same.
//
//go:generate go run github.com/bufbuild/buf/cmd/buf@v1.75.0 generate payment.proto
