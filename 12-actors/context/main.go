package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(context.Context) error {
	flags := shop.NewFlags("context")
	variant := flags.String("variant", "right", "right, not-forwarded or variable")
	flags.Env("variant", "VARIANT")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	return show(os.Stdout, *variant)
}

// show lets an admin and a guest read the vault through a report.
func show(out io.Writer, variant string) error {
	var options func(cluster.GrainContext) []cluster.GrainCallOption
	switch variant {
	case "right":
		options = forwarded
	case "not-forwarded":
		options = notForwarded
	case "variable":
		options = (&variable{schedule: newSchedule()}).options
	default:
		return &shop.UsageError{Problem: fmt.Sprintf("there is no variant %q: there are "+
			"right, not-forwarded and variable", variant)}
	}
	silo := engine.StartSilo(Kinds(options)...)
	defer engine.Stop(silo)

	fmt.Fprintln(out, "An admin and a guest, at the same time, each through a report to its vault")
	users := []struct{ role, report string }{{"admin", "1"}, {"guest", "2"}}
	answers := make([]string, len(users))
	var both sync.WaitGroup
	for i, user := range users {
		both.Go(func() { answers[i] = read(silo, user.role, user.report) })
	}
	both.Wait()
	for i, user := range users {
		fmt.Fprintf(out, "  %s → Report/%s → Vault/%s: %s\n",
			user.role, user.report, user.report, answers[i])
	}
	return nil
}

func read(silo *cluster.Cluster, role, report string) string {
	told, err := GetReportGrainClient(silo, report).Read(&Ask{}, As(silo, role, 2*timeout)...)
	if err != nil {
		return engine.Reason(err)
	}
	return told.GetText()
}
