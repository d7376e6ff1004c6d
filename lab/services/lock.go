package services

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"course.example/lab/internal/home"
)

// lockFile takes a lock in the state folder that the system gives back when its holder dies.
func lockFile(ctx context.Context, name string) (unlock func(), err error) {
	state, err := home.Dir()
	if err != nil {
		return nil, err
	}
	return lockPath(ctx, filepath.Join(state, name))
}

// lockMachine takes a lock for the whole machine: other users and other checkouts too.
func lockMachine(ctx context.Context, name string) (unlock func(), err error) {
	return lockPath(ctx, filepath.Join(os.TempDir(), name))
}

func lockPath(ctx context.Context, path string) (unlock func(), err error) {
	flags := os.O_CREATE | os.O_RDONLY
	if _, err := os.Stat(path); err == nil {
		// Linux refuses O_CREATE on a file of another user's in a folder for everybody.
		flags = os.O_RDONLY
	}
	lock := flock.New(path, flock.SetFlag(flags), flock.SetPermissions(0o644))
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return nil, fmt.Errorf("wait for %s: %w", path, err)
	}
	// The file stays: removing it would let two hold a lock of the same name.
	return func() { _ = lock.Unlock() }, nil
}
