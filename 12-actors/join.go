package actors

import (
	"context"
	"errors"

	"course.example/12-actors/dashboard"
	"github.com/asynkron/protoactor-go/cluster"
)

// Join takes part in the cluster whose table of members is in the Redis of REDIS_URL: as a silo
// for grains of these kinds, or without any as a client, which calls grains. It is all of this
// package that the slide's programs need. A silo ends with [Node.Run], a client with [Node.Leave].
func Join(ctx context.Context, kinds ...*cluster.Kind) (*Node, error) {
	settings := DefaultSettings()
	if err := settings.Flags("silo").Parse(nil); err != nil {
		return nil, err
	}
	settings.Variant = "right" // the grains are the caller's, and so is what is wrong with them
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	backing, err := openBacking(ctx, settings)
	if err != nil {
		return nil, err
	}
	counter := dashboard.NewCounter(settings.Name)
	node, err := startNode(ctx, backing.table, counter, settings, kinds...)
	if err != nil {
		return nil, errors.Join(err, backing.close())
	}
	node.release = backing.close
	return node, nil
}

// Cluster is what grains are called with.
func (n *Node) Cluster() *cluster.Cluster { return n.cluster }

// Leave ends this node's part in the cluster, in the time that [Node.Run] takes for it.
func (n *Node) Leave() error { return n.leave(context.Background()) }
