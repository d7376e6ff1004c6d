package eventsourcing

import (
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// The lines at which a program of this step can be made to die, to the point: a kill from
// outside hits such a gap once in a thousand times.
const (
	beforeWrite      = "before-write"      // producer: commands are decided, nothing is written
	afterWrite       = "after-write"       // producer: committed, and no customer was told
	afterState       = "after-state"       // event-after-state: the row is written, no event
	beforeCommit     = "before-commit"     // projector: all is written, nothing committed
	afterCommit      = "after-commit"      // projector: committed, and nobody was told
	beforeCheckpoint = "before-checkpoint" // not-idempotent: effects committed, no checkpoint
)

var crashPoints = []string{beforeWrite, afterWrite, afterState, beforeCommit, afterCommit,
	beforeCheckpoint}

// crash is where to die, and the how manieth time there: CRASH_AT=after-write:20.
type crash struct {
	point string
	left  *atomic.Int64
}

func parseCrash(text string) (crash, error) {
	if text == "" {
		return crash{}, nil
	}
	point, number, counted := strings.Cut(text, ":")
	n, err := 1, error(nil)
	if counted {
		n, err = strconv.Atoi(number)
	}
	if err != nil || n < 1 || !slices.Contains(crashPoints, point) {
		return crash{}, usagef("CRASH_AT=%q: want one of %s, and a number of times, "+
			"for example %s:20", text, strings.Join(crashPoints, ", "), afterWrite)
	}
	c := crash{point, new(atomic.Int64)}
	c.left.Store(int64(n))
	return c, nil
}

// at ends the process the hard way, if this is the point and the time: no defer is run, no
// connection closed, no transaction ended.
func (c crash) at(point string) {
	if c.point == point && c.left.Add(-1) == 0 {
		slog.Warn("dying on purpose", "at", point)
		os.Exit(137) // what a shell reports of kill -9
	}
}
