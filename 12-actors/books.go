package actors

import (
	"context"
	"fmt"

	"course.example/12-actors/engine"
)

// Books is a store that can be looked into. The audit does; a grain has no need of it.
type Books interface {
	engine.Store
	// Names calls each with the name of every grain of a kind that has a state:
	// Order/0199…. It ends with the first error.
	Names(ctx context.Context, kind string, each func(grain string) error) error
	// Effects is how many effects of a grain there are.
	Effects(ctx context.Context, grain string) (int64, error)
	HasEffect(ctx context.Context, grain, effect string) (bool, error)
}

// by says whose error it is, if there is one.
func by(store string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", store, err)
}
