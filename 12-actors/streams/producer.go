package main

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// timeout bounds each call of this part.
const timeout = 10 * time.Second

// ProducerGrain emits the events of one order.
type ProducerGrain struct {
	engine.Hooks
	last int32
}

// ProducerKind makes ProducerGrains.
func ProducerKind() *cluster.Kind {
	return NewProducerKind(func() Producer { return &ProducerGrain{} }, time.Hour)
}

// Emit publishes events into the stream of this order. The producer names the
// stream and knows no consumer. What comes back says that the stream has the
// event, not that anybody has consumed it.
func (p *ProducerGrain) Emit(req *Produce, ctx cluster.GrainContext) (*Produced, error) {
	publisher := ctx.Cluster().Publisher()
	for range req.GetCount() {
		p.last++
		_, err := publisher.Publish(context.Background(), "orders/"+ctx.Identity(),
			&Shipped{Number: p.last}, engine.Within(timeout))
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", p.last, err)
		}
	}
	return &Produced{Last: p.last}, nil
}
