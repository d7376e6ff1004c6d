// Command bench runs the codecs' benchmark and makes the table and the picture of
// MEASUREMENTS.md from it. With -in it takes the output of a run that is there already.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"

	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	flags := shop.NewFlags("bench")
	in := flags.String("in", "", "a file with the output of go test -bench, in place of a run")
	svg := flags.String("svg", "codecs.svg", "where the picture goes")
	benchtime := flags.String("benchtime", "100ms", "how long to measure each figure, each time")
	count := flags.Int("count", 5, "how often; the fastest counts")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	output, err := measure(ctx, *in, *benchtime, *count)
	if err != nil {
		return err
	}
	results, err := parse(bytes.NewReader(output))
	if err != nil {
		return err
	}
	table(os.Stdout, results)
	if err := os.WriteFile(*svg, draw(results), 0o644); err != nil {
		return fmt.Errorf("write the picture: %w", err)
	}
	fmt.Println("\nthe picture:", *svg)
	return nil
}

func measure(ctx context.Context, in, benchtime string, count int) ([]byte, error) {
	if in != "" {
		raw, err := os.ReadFile(in)
		if err != nil {
			return nil, fmt.Errorf("read a benchmark's output: %w", err)
		}
		return raw, nil
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkCodec$",
		"-benchtime", benchtime, "-count", strconv.Itoa(count), ".")
	var output bytes.Buffer
	cmd.Stdout = io.MultiWriter(&output, os.Stderr) // it takes a while: show that it goes on
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go test -bench (run it in the folder 08-serialization): %w", err)
	}
	return output.Bytes(), nil
}
