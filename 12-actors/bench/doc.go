// Package bench measures step 12: what an actor costs beside the bare channel that it could have
// been, and what a grain costs beside an actor. It is a module of its own, so that the step does
// not depend on what it is compared with.
//
//	go test -run '^$' -bench . -benchtime 1x ./...
//
// Every figure has its reference in the same run, by turns with it, and is reported as a ratio too.
// What an engine is compared by stands in local.go; each engine has a package and so a program of
// its own: two of them register the same protobuf name and cannot be linked together.
package bench
