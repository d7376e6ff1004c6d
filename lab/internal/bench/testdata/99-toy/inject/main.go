// Command inject only says how it was called.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	kind := flag.String("kind", "", "what to inject")
	count := flag.Int("count", 0, "how many")
	flag.Parse()
	if *kind != "poison" || *count != 7 {
		fmt.Printf("called with %q\n", os.Args[1:])
		os.Exit(1)
	}
}
