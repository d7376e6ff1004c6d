// Package limits turns a customer away who asks too often: HTTP's 429 with Retry-After.
//
// Where to look, in this order:
//
//	limiter.go      one small interface, and a limit for each customer
//	window.go       fixed window, sliding window
//	bucket.go       token bucket
//	concurrent.go   how many at a time, whatever the rate
//	shared.go       one limit for several gateways, in Redis; and when Redis is away
//	handler.go      the limit in front of a handler
//	client.go       a customer who heeds Retry-After
//	wrong.go        one who does not
package limits
