package actors

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"course.example/12-actors/dashboard"
	"course.example/12-actors/engine"
	"course.example/shop"
	"github.com/asynkron/protoactor-go/cluster"
	"golang.org/x/sync/errgroup"
)

// doorSize is how many orders may be on their way at once.
const doorSize = 1000

// ErrFull is what a customer is told when there are too many before.
var ErrFull = errors.New("too many orders are under way")

// Web is the shop's front door. It hosts no grain, unless it is told to: it
// calls them by their names.
type Web struct {
	settings Settings
	node     *Node
	counter  *dashboard.Counter
	audit    *audit
	board    *dashboard.Board
	door     chan struct{} // holds one for each order that is under way
}

// RunWeb serves HTTP until ctx ends.
func RunWeb(ctx context.Context, settings Settings) (err error) {
	backing, err := openBacking(ctx, settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backing.close()) }()
	w, err := startWeb(ctx, settings, backing)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	// The requests in progress still need the grains while the server drains.
	needed, done := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return w.node.Run(needed) })
	group.Go(func() error { return w.audit.run(needed, 500*time.Millisecond) })
	group.Go(func() error {
		defer done()
		err := shop.Serve(ctx, settings.Addr, w.Handler())
		last, cancel := context.WithTimeout(needed, 5*settings.Try)
		defer cancel()
		w.audit.conclude(last) // what was promised last has not been audited yet
		return err
	})
	return group.Wait()
}

func startWeb(ctx context.Context, settings Settings, b *backing) (*Web, error) {
	w := &Web{
		settings: settings, counter: dashboard.NewCounter(settings.Name),
		door: make(chan struct{}, doorSize),
	}
	if settings.Embed {
		silo, err := startSilo(ctx, settings, b)
		if err != nil {
			return nil, err
		}
		w.node = silo.node
	} else {
		node, err := startNode(ctx, b.table, dashboard.NewCounter(settings.Name), settings)
		if err != nil {
			return nil, err
		}
		w.node = node
	}
	w.audit = newAudit(w.node.cluster.ActorSystem.ID, b.redis, b.books)
	w.board = dashboard.NewBoard(dashboard.Source{
		Web: settings.Name, Store: settings.Store, Variant: settings.Variant, Lease: settings.Lease,
		Silos: w.node.silos, Log: b.table.Log, Front: w.counter,
		Audit: func() dashboard.AuditView { return dashboard.AuditView(w.audit.last()) },
	})
	return w, nil
}

// Handler is the HTTP API: the shop's, and the view of the cluster, with a page
// that draws it.
func (w *Web) Handler() http.Handler {
	counter := shop.Counter{
		Place: w.Place, Ready: w.Ready, Status: http.StatusOK,
		// Each order waits for its work: many must wait together.
		AtOnce: 64,
	}
	mux := counter.Handler()
	mux.Handle("GET /cluster", w.board)
	dashboard.Register(mux, dashboard.LabFromEnv())
	return mux
}

// Ready returns why no order can be taken now, or nil.
func (w *Web) Ready(context.Context) error {
	if len(w.node.Members()) == 0 {
		return errors.New("there is no silo in the cluster")
	}
	return nil
}

// Place has the order done by its grain. To place it is to call it: there is
// nothing to create, and to call it again, when no answer came, is safe.
func (w *Web) Place(ctx context.Context, order shop.Order) error {
	start := time.Now()
	w.counter.Began(front)
	err := w.place(ctx, order)
	w.counter.Ended(front, time.Since(start))
	if err != nil {
		w.counter.Failed(front)
	}
	return err
}

// front is the name under which the census has the front door.
var front = engine.Name{Kind: "POST /orders"}

func (w *Web) place(ctx context.Context, order shop.Order) error {
	select {
	case w.door <- struct{}{}:
		defer func() { <-w.door }()
	default:
		return shop.Unavailable(ErrFull, time.Second)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, w.settings.Patience,
		fmt.Errorf("not done within %s", w.settings.Patience))
	defer cancel()
	grain := GetOrderGrainClient(w.node.cluster, order.ID)
	request := requestOf(order)
	_, err := engine.Call(ctx, w.node.retries, "Order/"+order.ID, w.settings.Try+w.settings.Work,
		func(how ...cluster.GrainCallOption) (*PlaceReply, error) {
			return grain.Place(request, how...)
		})
	if engine.Refused(err) {
		return shop.Rejected(err, http.StatusUnprocessableEntity)
	}
	if err != nil {
		return shop.Unavailable(err, time.Second)
	}
	w.audit.accept(order)
	return nil
}
