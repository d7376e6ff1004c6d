package durable

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	saga "course.example/11-saga"
	"course.example/shop"
	"github.com/dbos-inc/dbos-transact-golang/dbos"
	"github.com/jackc/pgx/v5/pgxpool"
)

// By these names the website and the workers know the queue, and what is to be run.
const (
	queueName    = "orders"
	workflowName = "order"
)

const (
	// places is how many sagas a worker has in progress. A parked one keeps its place.
	places = 200
	// look is how often a worker looks for new sagas: the engine's queues are polled.
	look = 25 * time.Millisecond
	// stopTimeout bounds each part of a worker's end: its sagas, its queue, its connections.
	stopTimeout = 2 * time.Second

	engineConnections  = 12
	serviceConnections = 8
)

// RunWorker runs sagas until ctx ends. It begins with those that it had in its last life.
func RunWorker(ctx context.Context, s Settings) error {
	services, err := saga.OpenDirect(ctx, s.Settings, serviceConnections)
	if err != nil {
		return err
	}
	defer services.Close()
	pool, err := openDatabase(ctx, s, s.Executor, engineConnections)
	if err != nil {
		return err
	}
	// Not ctx itself: the engine takes the end of its context for somebody's wish to cancel, and
	// would end all sagas for good. SIGTERM is no such wish.
	engine, err := dbos.NewContext(context.WithoutCancel(ctx), dbos.Config{
		AppName: app, SystemDBPool: pool, Logger: slog.Default(),
		ApplicationVersion: s.version(), ExecutorID: s.Executor,
		SkipMigrations: true, SystemDBStartupTimeout: startTimeout,
	})
	if err != nil {
		shop.Close("the database", pool.Close)
		return fmt.Errorf("open the engine: %w", err)
	}
	if err = launch(engine, s, pool, services); err == nil {
		shop.Ready(ctx, slog.String("executor", s.Executor), slog.String("version", s.version()))
		<-ctx.Done()
	}
	if stop := dbos.Shutdown(engine, stopTimeout); stop != nil {
		slog.WarnContext(ctx, "a step was in progress: it is done again elsewhere", "reason", stop)
	}
	if left := handOver(ctx, s); left != nil {
		slog.WarnContext(ctx, "sagas wait for the next worker of this name",
			"executor", s.Executor, "reason", left)
	}
	return err
}

// launch registers the saga under the name that the website uses, and begins.
func launch(
	engine dbos.Context, s Settings, pool *pgxpool.Pool, services *saga.Direct,
) error {
	orders, err := dbos.NewDataSource(engine, pool)
	if err != nil {
		return fmt.Errorf("open the orders: %w", err)
	}
	w := &Workflow{services, orders, variants[s.Variant].key}
	dbos.RegisterWorkflow(engine, w.workflow(s), dbos.WithWorkflowName(workflowName))
	if _, err := dbos.RegisterQueue(engine, queueName, dbos.WithWorkerConcurrency(places),
		dbos.WithQueueBasePollingInterval(look)); err != nil {
		return fmt.Errorf("register the queue: %w", err)
	}
	if err := dbos.Launch(engine); err != nil {
		return fmt.Errorf("launch the engine: %w", err)
	}
	return nil
}

// handOver gives the sagas of this worker back to the queue, for others of its version. The
// engine would keep them for the next worker of this name, even if nobody ever starts one.
func handOver(ctx context.Context, s Settings) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	pool, err := saga.OpenDatabase(ctx, s.Settings, s.Executor, 3)
	if err != nil {
		return fmt.Errorf("hand sagas over: %w", err)
	}
	client, err := dbos.NewClient(ctx, dbos.ClientConfig{
		AppName: app, SystemDBPool: pool, Logger: silent})
	if err != nil {
		shop.Close("the database", pool.Close)
		return fmt.Errorf("hand sagas over: %w", err)
	}
	n, err := giveBack(client, s)
	if n > 0 {
		slog.InfoContext(ctx, "sagas handed over", "sagas", n)
	}
	return errors.Join(err, dbos.Shutdown(client, stopTimeout))
}

// giveBack returns how many sagas it has given back.
func giveBack(client dbos.Client, s Settings) (int, error) {
	mine, err := dbos.ListWorkflows(client, dbos.WithFilterExecutorIDs(s.Executor),
		dbos.WithFilterAppVersion(s.version()),
		dbos.WithFilterStatus(dbos.WorkflowStatusPending), dbos.WithFilterLoadInput(false))
	if err != nil {
		return 0, fmt.Errorf("look for sagas to hand over: %w", err)
	}
	ids := make([]string, len(mine))
	for i, w := range mine {
		ids[i] = w.ID
	}
	if len(ids) == 0 {
		return 0, nil
	}
	if _, err := dbos.ResumeWorkflows[saga.State](
		client, ids, dbos.WithResumeQueue(queueName)); err != nil {
		return 0, fmt.Errorf("hand %d sagas over: %w", len(ids), err)
	}
	return len(ids), nil
}
