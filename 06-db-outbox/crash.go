package outbox

import (
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// The lines at which a program of this step can be made to die, to the point: a
// kill from outside hits such a gap once in a thousand times.
const (
	beforeWrite  = "before-write"  // producer: orders are in progress, nothing is written
	afterWrite   = "after-write"   // producer: committed, and no customer was told
	afterOrder   = "after-order"   // dual-write: the order is written, its message not
	beforeCommit = "before-commit" // consumer: the effect is written, not committed
	afterCommit  = "after-commit"  // consumer: committed, and nobody was told
)

var crashPoints = []string{beforeWrite, afterWrite, afterOrder, beforeCommit, afterCommit}

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
	n := 1
	var err error
	if counted {
		n, err = strconv.Atoi(number)
	}
	for _, known := range crashPoints {
		if point == known && err == nil && n > 0 {
			c := crash{point, new(atomic.Int64)}
			c.left.Store(int64(n))
			return c, nil
		}
	}
	return crash{}, usagef("CRASH_AT=%q: want one of %s, and a number of times, "+
		"for example %s:20", text, strings.Join(crashPoints, ", "), afterWrite)
}

// at ends the process the hard way, if this is the point and the time: no defer
// is run, no connection closed, no transaction ended.
func (c crash) at(point string) {
	if c.point == point && c.left.Add(-1) == 0 {
		slog.Warn("dying on purpose", "at", point)
		os.Exit(137) // what a shell reports of kill -9
	}
}
