// Grains shows virtual actors: nobody creates them, nobody stops them. A grain is
// there because somebody calls it by its name, and goes when nobody does.
//
// Where to look, in this order:
//
//	hello.proto    what the grains understand
//	hello.go       the lecture's HelloGrain, with its hooks
//	host.go        a grain that calls other grains
//	web.go         GET /hello/{id}: the way in from outside
//	massive.go     a thousand calls to one grain, and to a thousand grains
//	hello.pb.go and hello_grain.pb.go are generated
package main

//go:generate ../protoc.sh hello.proto
