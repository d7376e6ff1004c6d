// Context shows a request context: who asks, carried beside the messages from
// the web app through one grain to the next.
//
// Where to look, in this order:
//
//	rolecontext.go  into the header, out of it, and on to the next call
//	grains.go       Report forwards, Vault decides
//	wrong.go        not forwarded; kept in a variable
package main

//go:generate ../protoc.sh vault.proto
