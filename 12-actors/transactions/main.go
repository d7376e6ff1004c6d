package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"

	"github.com/asynkron/protoactor-go/cluster"
	"golang.org/x/sync/errgroup"

	"course.example/12-actors/filestore"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) (err error) {
	flags := shop.NewFlags("transactions")
	variant := flags.String("variant", "right", "right or no-transaction")
	flags.Env("variant", "VARIANT")
	bank := flags.String("bank", "", "be the bank whose books are in this `folder`, for a day")
	kill := flags.Int("kill", 0, "with -bank: kill this process after so many `writes`")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	kinds, known := map[string]func(*filestore.Dir) []*cluster.Kind{
		"right": Kinds, "no-transaction": HastyKinds,
	}[*variant]
	if !known {
		return &shop.UsageError{Problem: fmt.Sprintf(
			"there is no variant %q: there are right and no-transaction", *variant)}
	}
	if *bank != "" {
		report, err := bankDay(*bank, *kill, kinds)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(report)
	}
	folder, err := os.MkdirTemp("", "course-bank-")
	if err != nil {
		return fmt.Errorf("a folder for the books: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	return show(ctx, os.Stdout, *variant, folder)
}

// show lets the bank live one day in peace, then kills it after each write.
func show(ctx context.Context, out io.Writer, variant, folder string) error {
	fmt.Fprintln(out, "Two accounts with 100 each. Transfer 1: 30 from ada to bob. "+
		"Transfer 2: 500 from ada to bob")
	calm, err := day(ctx, variant, filepath.Join(folder, "calm"), 0)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  in peace, %d writes: %s\n  transfer 1: %s; transfer 2: %s\n",
		calm.Writes, calm, calm.Outcomes["1"], calm.Outcomes["2"])

	fmt.Fprintln(out, "\nThe bank is killed with -9 after a write and started again, "+
		"and its customers ask again")
	reports := make([]Report, calm.Writes+1)
	var all errgroup.Group
	all.SetLimit(4) // a silo needs a second to start, and hardly any work
	for n := 1; n <= calm.Writes; n++ {
		all.Go(func() (err error) {
			reports[n], err = day(ctx, variant, filepath.Join(folder, fmt.Sprint(n)), n)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	wrong := 0
	for n := 1; n <= calm.Writes; n++ {
		r, mark := reports[n], ""
		if r.Recovered != 2*opening || !maps.Equal(r.Balances, calm.Balances) {
			wrong++
			mark = "  WRONG"
		}
		fmt.Fprintf(out, "  after write %2d: together %d after the restart; in the end %s%s\n",
			n, r.Recovered, r, mark)
	}
	fmt.Fprintf(out, "\n%d kills, %d times the books were wrong\n", calm.Writes, wrong)
	return nil
}

// day runs a bank that is killed after so many writes, and again in peace.
func day(ctx context.Context, variant, path string, killAfter int) (Report, error) {
	if err := os.Mkdir(path, 0o700); err != nil {
		return Report{}, fmt.Errorf("a folder for the books: %w", err)
	}
	if err := openBank(path); err != nil {
		return Report{}, err
	}
	if killAfter > 0 {
		if _, err := process(ctx, variant, path, killAfter); !errors.Is(err, errKilled) {
			return Report{}, fmt.Errorf("the bank should have been killed: %w", err)
		}
	}
	return process(ctx, variant, path, 0)
}
