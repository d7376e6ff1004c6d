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

	"course.example/12-actors/engine"
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
	silo := engine.StartSilo(append(ConsumerKinds(diary), ProducerKind(), topics)...)
	defer engine.Stop(silo)
	if variant != "right" {
		if err := subscribe(silo, "orders/42", "42", "Mailer", "Auditor"); err != nil {
			return err
		}
	}
	producer := GetProducerGrainClient(silo, "42")

	fmt.Fprintf(out, "Producer/42 emits events 1 to 3 into the stream orders/42; %s\n", how)
	if _, err := producer.Emit(&Produce{Count: 3}, engine.Within(timeout)); err != nil {
		return errors.New(engine.Reason(err))
	}
	printPages(out, diary.tear(2, 4, timeout))

	fmt.Fprintln(out, "\nThe consumers and the topic are deactivated; then event 4")
	for _, grain := range []struct{ kind, id string }{
		{"Mailer", "42"}, {"Auditor", "42"}, {cluster.TopicActorKind, "orders/42"},
	} {
		if err := engine.Deactivate(ctx, silo, grain.kind, grain.id); err != nil {
			return err
		}
	}
	if _, err := producer.Emit(&Produce{Count: 1}, engine.Within(timeout)); err != nil {
		return errors.New(engine.Reason(err))
	}
	fmt.Fprintln(out, "  Producer/42: emitted")
	printPages(out, diary.tear(2, 2, patience))
	return nil
}
