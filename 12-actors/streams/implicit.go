package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
)

// Implicit says which kinds of grains consume the streams of a namespace. The
// stream orders/42 goes to the grain 42 of each kind under "orders".
//
// The engine keeps a stream's subscribers in a topic, which is a grain, and lets
// a store remember them when the topic is deactivated. This one remembers nothing
// and works them out: there is no subscription that could be forgotten, and none
// to clean up after orders that are long done. Safe for concurrent use.
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

// TopicKind makes topics that ask the store for their subscribers.
func TopicKind(store cluster.KeyValueStore[*cluster.Subscribers]) *cluster.Kind {
	return cluster.NewKind(cluster.TopicActorKind, actor.PropsFromProducer(
		func() actor.Actor { return cluster.NewTopicActor(store, engineLog) }))
}
