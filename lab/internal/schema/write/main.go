// Command write writes the JSON schema of lab.yaml anew: go generate ./internal/schema
package main

import (
	"fmt"
	"os"

	"course.example/lab/internal/schema"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	text, err := schema.Make()
	if err != nil {
		return err
	}
	return os.WriteFile(schema.File, text, 0o644)
}
