package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// Implicit says which kinds of grains consume the streams of a namespace. The stream orders/42
// goes to the grain 42 of each kind under "orders".
//
// The engine keeps a stream's subscribers in a topic, which is a grain, and lets a store remember
// them when the topic is deactivated. This one remembers nothing and works them out: there is no
// subscription that could be forgotten, and none to clean up after orders that are long done. It
// is safe for concurrent use.
type Implicit map[string][]string

// Orders are the course's streams.
var Orders = Implicit{"orders": {"Mailer", "Auditor"}}

// Get returns the subscribers of a stream.
func (i Implicit) Get(_ context.Context, stream string) (*cluster.Subscribers, error) {
	namespace, id, ok := strings.Cut(stream, "/")
	if !ok || id == "" {
		return nil, fmt.Errorf("stream %q: its name must be NAMESPACE/ID", stream)
	}
	all := &cluster.Subscribers{}
	for _, kind := range i[namespace] {
		all.Subscribers = append(all.Subscribers, &cluster.SubscriberIdentity{
			Identity: &cluster.SubscriberIdentity_ClusterIdentity{
				ClusterIdentity: cluster.NewClusterIdentity(id, kind),
			}})
	}
	return all, nil
}

// Set has nothing to remember.
func (Implicit) Set(context.Context, string, *cluster.Subscribers) error { return nil }

// Clear has nothing to forget.
func (Implicit) Clear(context.Context, string) error { return nil }

// TopicKind makes topics that ask the store for their subscribers. What they log goes nowhere:
// their own time-outs are no errors of ours.
func TopicKind(store cluster.KeyValueStore[*cluster.Subscribers]) *cluster.Kind {
	return cluster.NewKind(cluster.TopicActorKind, actor.PropsFromProducer(func() actor.Actor {
		return cluster.NewTopicActor(store, slog.New(slog.DiscardHandler))
	}))
}

// ProducerGrain emits the events of one order.
type ProducerGrain struct {
	engine.Hooks
	last int32
}

// Emit publishes events into the stream of this order. The producer names the stream and knows no
// consumer. What comes back says that the stream has the event, not that anybody has consumed it.
func (p *ProducerGrain) Emit(req *Produce, ctx cluster.GrainContext) (*Nothing, error) {
	for range req.GetCount() {
		p.last++
		_, err := ctx.Cluster().Publisher().Publish(context.Background(),
			"orders/"+ctx.Identity(), &Shipped{Number: p.last}, engine.Within(timeout))
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", p.last, err)
		}
	}
	return &Nothing{}, nil
}

// ConsumerGrain gets the events of one order. It has subscribed to nothing: the first event
// activates it.
type ConsumerGrain struct {
	engine.Hooks
	diary *Diary
	seen  []int32
}

// Init is called when the first event arrives, or the first call.
func (c *ConsumerGrain) Init(ctx cluster.GrainContext) { c.diary.add(nameOf(ctx), "activated") }

// ReceiveDefault gets what is no call: the events. They come one at a time, like calls, and in the
// order in which one producer has published them.
func (c *ConsumerGrain) ReceiveDefault(ctx cluster.GrainContext) {
	if event, ok := ctx.Message().(*Shipped); ok {
		c.seen = append(c.seen, event.GetNumber())
		c.diary.add(nameOf(ctx), strconv.Itoa(int(event.GetNumber())))
	}
}

// Look says which events this activation has got.
func (c *ConsumerGrain) Look(*Nothing, cluster.GrainContext) (*Seen, error) {
	return &Seen{Numbers: c.seen}, nil
}

// streamKinds makes the grains; the consumers of both kinds differ in their name.
func streamKinds(
	diary *Diary, store cluster.KeyValueStore[*cluster.Subscribers],
) []*cluster.Kind {
	return []*cluster.Kind{
		NewMailerKind(func() Mailer { return &ConsumerGrain{diary: diary} }, time.Hour),
		NewAuditorKind(func() Auditor { return &ConsumerGrain{diary: diary} }, time.Hour),
		NewProducerKind(func() Producer { return &ProducerGrain{} }, time.Hour),
		TopicKind(store),
	}
}

func showStreams(ctx context.Context, out io.Writer, s settings) error {
	diary, store := &Diary{}, cluster.KeyValueStore[*cluster.Subscribers](Orders)
	how, patience := "nobody has subscribed", timeout
	if s.variant == "subscription-in-memory" {
		store = &forgetful{}
		how, patience = "both have subscribed", time.Second // and then nothing comes
	}
	silo := engine.StartSilo(streamKinds(diary, store)...)
	defer engine.Stop(silo)
	if s.variant == "subscription-in-memory" {
		if err := subscribe(silo, "orders/42", "42", "Mailer", "Auditor"); err != nil {
			return err
		}
	}
	producer := GetProducerGrainClient(silo, "42")
	fmt.Fprintf(out, "Producer/42 emits events 1 to 3 into the stream orders/42; %s\n", how)
	if _, err := producer.Emit(&Produce{Count: 3}, engine.Within(timeout)); err != nil {
		return errors.New(engine.Reason(err))
	}
	diary.print(out, 4, timeout)

	fmt.Fprintln(out, "\nThe consumers and the topic are deactivated; then event 4")
	for _, grain := range []engine.Name{
		{Kind: "Mailer", ID: "42"}, {Kind: "Auditor", ID: "42"},
		{Kind: cluster.TopicActorKind, ID: "orders/42"},
	} {
		if err := engine.Deactivate(ctx, silo, grain.Kind, grain.ID); err != nil {
			return err
		}
	}
	if _, err := producer.Emit(&Produce{Count: 1}, engine.Within(timeout)); err != nil {
		return errors.New(engine.Reason(err))
	}
	fmt.Fprintln(out, "  Producer/42: emitted")
	diary.print(out, 2, patience)
	return nil
}

// Diary keeps what happened to each grain, for the people who watch. It is safe for concurrent use.
type Diary struct {
	mu    sync.Mutex
	pages map[string][]string
}

func (d *Diary) add(grain, entry string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pages == nil {
		d.pages = map[string][]string{}
	}
	d.pages[grain] = append(d.pages[grain], entry)
}

// full waits until so many grains have so many entries each, at most for patience.
func (d *Diary) full(grains, entries int, patience time.Duration) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); d.count(entries) < grains; {
		select {
		case <-tick.C:
		case <-late:
			return
		}
	}
}

func (d *Diary) count(entries int) (full int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, page := range d.pages {
		if len(page) >= entries {
			full++
		}
	}
	return full
}

// print prints and forgets what happened to the two consumers, once that is so many entries each.
func (d *Diary) print(out io.Writer, entries int, patience time.Duration) {
	d.full(2, entries, patience)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, grain := range slices.Sorted(maps.Keys(d.pages)) {
		fmt.Fprintf(out, "  %s: %s\n", grain, strings.Join(d.pages[grain], ", "))
	}
	if len(d.pages) == 0 {
		fmt.Fprintln(out, "  nobody got it")
	}
	d.pages = nil
}
