package servicestest

import (
	"testing"

	"course.example/lab/exampletest"
)

// Example runs the body of an Example function, which may take servers as a test does: see
// [exampletest.Run].
func Example(body func(testing.TB)) { exampletest.Run(body) }
