// Command prices prints what each strategy costs, as a table, from the histories of the experiments:
//
//	go run ./lab break 15 -only price-rolling,price-canary -json prices.json
//	go run ./15-deployment/prices prices.json
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"course.example/shop"
)

func main() { shop.Main(run) }

func run(context.Context) error {
	if len(os.Args) != 2 {
		return &shop.UsageError{Problem: "want one file, as lab break -json writes it"}
	}
	raw, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	return table(os.Stdout, raw)
}

// result is what is read of an experiment.
type result struct {
	Name    string
	Refused int
	Lost    int
	Ledger  struct{ Duplicated int }
	Highest map[string]float64
}

func table(w io.Writer, raw []byte) error {
	var report struct{ Results []result }
	if err := json.Unmarshal(raw, &report); err != nil {
		return fmt.Errorf("read the histories: %w", err)
	}
	rows := "| strategy | refused | lost | twice | p99 during the update | time out | time back |" +
		" replicas at the peak | memory at the peak |\n|---|---|---|---|---|---|---|---|---|\n"
	found := 0
	for _, r := range report.Results {
		_, strategy, ok := strings.Cut(r.Name, "price-")
		if !ok {
			continue
		}
		found++
		rows += fmt.Sprintf("| `%s` | %d | %d | %d | %s | %s | %s | %s | %s |\n",
			strategy, r.Refused, r.Lost, r.Ledger.Duplicated, r.show("p99_ms", "ms"),
			r.show("out_ms", "ms"), r.show("back_ms", "ms"), r.show("peak", ""),
			r.show("memory_mib", "MiB"))
	}
	if found == 0 {
		return fmt.Errorf("none of its %d experiments begins with price-", len(report.Results))
	}
	_, err := io.WriteString(w, rows)
	return err
}

// show is a gauge, or unknown: what nobody has logged is not 0.
func (r result) show(gauge, unit string) string {
	value, known := r.Highest[gauge]
	if !known {
		return "unknown"
	}
	return strings.TrimSpace(fmt.Sprintf("%.0f %s", value, unit))
}
