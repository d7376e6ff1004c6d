package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/inproc"
	"course.example/shop"
)

func main() { shop.Main(run) }

// engineLog takes what a topic logs: its own time-outs are no errors of ours.
var engineLog = slog.New(slog.DiscardHandler)

func run(ctx context.Context) error {
	flags := shop.NewFlags("streams")
	variant := flags.String("variant", "right", "right or subscription-in-memory")
	flags.Env("variant", "VARIANT")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	return show(ctx, os.Stdout, *variant)
}

func show(ctx context.Context, out io.Writer, variant string) error {
	diary := NewDiary()
	var topics *cluster.Kind
	how, patience := "nobody has subscribed", timeout
	switch variant {
	case "right":
		topics = TopicKind(Orders)
	case "subscription-in-memory":
		topics = TopicKind(&forgetful{})
		how, patience = "both have subscribed", time.Second // and then nothing comes
	default:
		return &shop.UsageError{Problem: fmt.Sprintf("there is no variant %q: there are "+
			"right and subscription-in-memory", variant)}
	}
	silo := inproc.StartSilo(append(ConsumerKinds(diary), ProducerKind(), topics)...)
	defer inproc.Stop(silo)
	if variant != "right" {
		if err := subscribe(silo, "orders/42", "42", "Mailer", "Auditor"); err != nil {
			return err
		}
	}
	producer := GetProducerGrainClient(silo, "42")

	fmt.Fprintf(out, "Producer/42 emits events 1 to 3 into the stream orders/42; %s\n", how)
	if _, err := producer.Emit(&Produce{Count: 3}, inproc.Once(timeout)...); err != nil {
		return errors.New(inproc.Reason(err))
	}
	printPages(out, diary.tear(2, 4, timeout))

	fmt.Fprintln(out, "\nThe consumers and the topic are deactivated; then event 4")
	for _, grain := range []struct{ kind, id string }{
		{"Mailer", "42"}, {"Auditor", "42"}, {cluster.TopicActorKind, "orders/42"},
	} {
		if err := deactivate(ctx, silo, grain.kind, grain.id); err != nil {
			return err
		}
	}
	if _, err := producer.Emit(&Produce{Count: 1}, inproc.Once(timeout)...); err != nil {
		return errors.New(inproc.Reason(err))
	}
	fmt.Fprintln(out, "  Producer/42: emitted")
	printPages(out, diary.tear(2, 2, patience))
	return nil
}

// deactivate does at once what a long silence would do: it ends the only
// activation of a kind, and returns when the silo knows.
func deactivate(ctx context.Context, silo *cluster.Cluster, kind, id string) error {
	pid := silo.Get(id, kind)
	if err := silo.ActorSystem.Root.PoisonFuture(pid).Wait(); err != nil {
		return fmt.Errorf("deactivate %s: %w", inproc.Key(kind, id), err)
	}
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for silo.GetClusterKind(kind).Count() > 0 {
		select {
		case <-again.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
