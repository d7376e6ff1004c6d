package main

import (
	"fmt"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// forgetful is the engine's own default for topics: subscriptions live in the
// memory of the topic, and end with its activation.
type forgetful = cluster.EmptyKeyValueStore[*cluster.Subscribers]

// subscribe is what every consumer of a stream must remember to do, once, before
// the first event, and again whenever the topic has forgotten.
func subscribe(silo *cluster.Cluster, stream, id string, kinds ...string) error {
	for _, kind := range kinds {
		_, err := silo.SubscribeByClusterIdentity(stream,
			cluster.NewClusterIdentity(id, kind), engine.Within(timeout))
		if err != nil {
			return fmt.Errorf("subscribe %s to %s: %w", engine.Key(kind, id), stream, err)
		}
	}
	return nil
}
