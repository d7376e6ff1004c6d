package gateway

import (
	"fmt"
	"testing"

	"course.example/lab/exampletest"
)

// The calls of one caller go to the replicas in turn. When one is gone, the other gets all.
func ExampleGateway() {
	exampletest.Run(func(t testing.TB) {
		a, b := replica(t, "replica a"), replica(t, "replica b")
		g, url := start(t, quick(), a.URL, b.URL)
		eventually(t, "both are up", up(g, 2))
		client := caller(t, "HTTP")
		seen := map[string]int{}
		for range 4 {
			_, who := post(t, client, url, "application/json", "{}")
			seen[who]++
		}
		fmt.Println(seen)

		a.Close()
		eventually(t, "one is up", up(g, 1))
		_, who := post(t, client, url, "application/json", "{}")
		fmt.Println(who)
	})
	// Output:
	// map[replica a:2 replica b:2]
	// replica b
}
