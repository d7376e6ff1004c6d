package main

import (
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// ConsumerGrain gets the events of one order. It has subscribed to nothing: the
// first event activates it.
type ConsumerGrain struct {
	engine.Hooks
	diary *Diary
	seen  []int32
}

// ConsumerKinds makes the grains of both kinds; they differ in their name.
func ConsumerKinds(diary *Diary) []*cluster.Kind {
	return []*cluster.Kind{
		NewMailerKind(func() Mailer { return &ConsumerGrain{diary: diary} }, time.Hour),
		NewAuditorKind(func() Auditor { return &ConsumerGrain{diary: diary} }, time.Hour),
	}
}

// Init is called when the first event arrives, or the first call.
func (c *ConsumerGrain) Init(ctx cluster.GrainContext) {
	c.diary.add(engine.Key(ctx.Kind(), ctx.Identity()), "activated")
}

// ReceiveDefault gets what is no call: the events. They come one at a time, like
// calls, and in the order in which one producer has published them.
func (c *ConsumerGrain) ReceiveDefault(ctx cluster.GrainContext) {
	if event, ok := ctx.Message().(*Shipped); ok {
		c.seen = append(c.seen, event.GetNumber())
		c.diary.add(engine.Key(ctx.Kind(), ctx.Identity()),
			strconv.Itoa(int(event.GetNumber())))
	}
}

// Look says which events this activation has got.
func (c *ConsumerGrain) Look(*Nothing, cluster.GrainContext) (*Seen, error) {
	return &Seen{Numbers: c.seen}, nil
}
